"""Every quantity of UniToken's golden numbers, computed by our network (``python -m unictk.parity``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unictk.backbones.drawing import Drawing
from unictk.backbones.losses import TokenLosses, token_losses
from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.anyres import whole_half
from unictk.backbones.unitoken.batch import Sequences, sequences
from unictk.backbones.unitoken.configs import language_config, vision_config
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.sampling import draw
from unictk.backbones.unitoken.tape import Tape, splice
from unictk.backbones.unitoken.vocabulary import CELLS_PER_GRID, Vocabulary
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.backbones.unitoken.weights import fill, load_network, load_tokenizer_state
from unictk.errors import WeightsError
from unictk.parity import attempt

TILES = {"und": 0, "gen": 1}
"""Which of the golden pictures a sequence shows."""

KINDS = ("und", "gen", "text")


class Golden:
    """The golden model and its inputs; one method per kind of quantity."""

    def __init__(self, directory: Path, meta: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> None:
        self.directory, self.meta, self.inputs = directory, meta, inputs
        self.vocabulary = vocabulary(meta)
        state, file = load_network(directory)
        language = {key: value for key, value in meta["llm"].items() if key != "vocab_size"}
        pooling = any(name.startswith("vit.head.") for name in state)
        self.network = UniTokenNetwork(
            language_config(**language, model_parallel_size=_shards(state)),
            vision_config(**meta["vit"], pooling_head=pooling),
            self.vocabulary.size,
        )
        fill(self.network, state, file)
        self.network.requires_grad_(False).eval()

    def tower(self) -> Tensor:
        """(tiles, tokens, width)."""
        return self.network.vision_states(self.inputs["vit.pixels"])

    def features(self) -> Tensor:
        """(tiles, tokens, hidden)."""
        return self.network.features(self.inputs["vit.pixels"])

    def sequence(self, kind: str) -> Tape:
        """A published sequence with its continuous half, its separator a target."""
        halves = [whole_half(self.network.tokens_per_tile)] if kind in TILES else []
        ids, labels = (self.inputs[f"{kind}.{name}"].tolist() for name in ("ids", "labels"))
        return splice(self.vocabulary, ids, labels, halves)

    def states(self, kinds: tuple[str, ...]) -> tuple[Tensor, Sequences]:
        """Hidden states of the sequences padded together, and the sequences."""
        tapes = [self.sequence(kind) for kind in kinds]
        first = [TILES[kind] * self.network.tokens_per_tile for kind in kinds if kind in TILES]
        batch = sequences(tapes, [], first, self.vocabulary.pad)
        vectors = batch.spliced(self.network.embed(batch.ids, None), self.features())
        return self.network.trunk(vectors, torch.arange(batch.ids.shape[1]).expand_as(batch.ids)), batch

    def losses(self, kinds: tuple[str, ...]) -> TokenLosses:
        """Of every target in the sequences."""
        states, batch = self.states(kinds)
        chosen = batch.targets != IGNORED
        return token_losses(partial(self.network.logits, rows=None), states[chosen], batch.targets[chosen])

    def cross_entropy(self, kinds: tuple[str, ...]) -> Tensor:
        """Mean over targets, (1,)."""
        return self.losses(kinds).cross_entropy.mean().reshape(1)

    def z_loss(self, kinds: tuple[str, ...]) -> Tensor:
        """Mean over targets, not weighted, (1,)."""
        return self.losses(kinds).z.mean().reshape(1)

    def last_logits(self, kind: str) -> Tensor:
        """(1, classes) behind the whole sequence."""
        return self.network.logits(self.states((kind,))[0][:, -1], None)

    def length(self, kind: str) -> Tensor:
        """Positions with the continuous half, (1,)."""
        return torch.tensor([self.sequence(kind).length])

    def draw(self, scale: float) -> Tensor:
        """Greedy ids of a picture, rows with their newlines."""
        side = self.meta["generate"]["grids"] * CELLS_PER_GRID
        prompt = self.network.embed(self.inputs["generate.prompt_ids"], None)
        drawing = Drawing([prompt], torch.zeros(1, dtype=torch.long), [0], side, side, scale, 0.0)
        ids = self.vocabulary.to_ids(draw(self.network, self.vocabulary, drawing)).view(side, side)
        return torch.cat([ids, torch.full((side, 1), self.vocabulary.newline)], 1).flatten()

    def tokenizer(self) -> VQTokenizer:
        """The golden image tokenizer."""
        sizes = self.meta["vq"]
        if sizes["attn_resolutions"]:
            raise WeightsError("meta.json: vq.attn_resolutions is not empty; Chameleon's is")
        made = VQTokenizer(
            sizes["ch"],
            sizes["ch_mult"],
            sizes["num_res_blocks"],
            sizes["z_channels"],
            sizes["n_embed"],
            sizes["embed_dim"],
        )
        fill(made, *load_tokenizer_state(self.directory / "vq.safetensors"))
        return made.requires_grad_(False)

    def codes(self) -> Tensor:
        """(pictures, cells)."""
        return self.tokenizer().codes(self.inputs["vq.pixels"]).flatten(1)

    def decoded(self) -> Tensor:
        """The pictures through the tokenizer and back, not clamped."""
        tokenizer = self.tokenizer()
        return tokenizer.decode_raw(tokenizer.codes(self.inputs["vq.pixels"]))


def vocabulary(meta: Mapping[str, Any]) -> Vocabulary:
    """The golden model's ids, all of which meta.json states."""
    ids, grid = meta["ids"], meta["generate"]
    first, last = grid["image_ids"]
    return Vocabulary(
        size=meta["llm"]["vocab_size"],
        codebook=last - first + 1,
        first_code=first,
        pad=ids["pad"],
        end_of_image=ids["eoi"],
        start_of_image=ids["soi"],
        separator=ids["sep"],
        end_of_turn=ids["turn_end"],
        newline=grid["newline"],
        grid=grid["size_id_base"],
    )


def compute(
    directory: Path, meta: Mapping[str, Any], inputs: Mapping[str, Tensor]
) -> dict[str, Tensor | Exception]:
    """Every output of ``meta``; a quantity that cannot be computed is its exception."""
    golden = Golden(directory, meta, inputs)
    works: dict[str, Callable[[], Tensor]] = {
        "vit.last_hidden_state": golden.tower,
        "adapter.out": golden.features,
        "vq.codes": golden.codes,
        "vq.decoded": golden.decoded,
    }
    for name, kinds in [*((kind, (kind,)) for kind in KINDS), ("batch", KINDS)]:
        works[f"{name}.ce"] = partial(golden.cross_entropy, kinds)
        works[f"{name}.z_loss"] = partial(golden.z_loss, kinds)
    for kind in KINDS:
        works[f"{kind}.last_logits"] = partial(golden.last_logits, kind)
        works[f"{kind}.layout_len"] = partial(golden.length, kind)
    for name in meta["outputs"]:
        if match := re.fullmatch(r"generate\.cfg([\d.]+)\.ids", name):
            works[name] = partial(golden.draw, float(match[1]))
    with torch.no_grad():
        return {name: attempt(works[name]) for name in meta["outputs"] if name in works}


def _shards(state: Mapping[str, Tensor]) -> int:
    """In how many shards the language model was trained: rows of its head norms."""
    return next((len(t) for name, t in state.items() if name.endswith("self_attn.q_norm.weight")), 1)
