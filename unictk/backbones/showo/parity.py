"""Every quantity of Show-o's golden numbers, computed by our network (``python -m unictk.parity``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from unictk.backbones.base import Rows, RowShape
from unictk.backbones.showo.crossentropy import frozen_table_cross_entropy
from unictk.backbones.showo.decoding import Prompts, greedy_or_sampled, pad_left
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.masking import cosine
from unictk.backbones.showo.network import ShowoNetwork, phi_config
from unictk.backbones.showo.sampling import Canvas, mask_predict
from unictk.backbones.showo.vocabulary import IGNORED, SPECIAL_TOKENS, Vocabulary, attention_allowed
from unictk.concepts.published import to_virtual
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import WeightsError
from unictk.parity import attempt, attempt_several
from unictk.samples import Sampling

SHARPER = 400.0
"""The golden sampling multiplies head weights and bias by this, so that drawing is taking the maximum."""

STEPS = 6
ANSWER = 10


class Golden:
    """The golden model and its inputs; one method per kind of quantity."""

    def __init__(self, directory: Path, meta: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> None:
        self.directory, self.meta, self.inputs = directory, meta, inputs
        self.vocabulary = vocabulary(meta)
        self.network = ShowoNetwork(phi_config(**_sizes(meta)), self.vocabulary.size)
        state = {
            k.removeprefix("showo."): v.float() for k, v in load_file(directory / "model.safetensors").items()
        }
        self.network.phi.load_state_dict(state)
        self.network.requires_grad_(False).eval()
        self.window = meta["max_text_len"] + 1

    def allowed(self, name: str) -> Tensor:
        """(B, L, L) of 0 and 1."""
        return attention_allowed(self.inputs[f"{name}.input_ids"], self.vocabulary).to(torch.uint8)

    def logits(self, name: str) -> Tensor:
        """(B, L, classes)."""
        return self.network.logits(self.states(self.inputs[f"{name}.input_ids"], None), None)

    def states(self, ids: Tensor, rows: Rows | None) -> Tensor:
        """Hidden states of whole sequences (B, L, hidden)."""
        positions = torch.arange(ids.shape[1]).expand_as(ids)
        return self.network.trunk(
            self.network.embed(ids, rows), positions, attention_allowed(ids, self.vocabulary)
        )

    def loss(self, name: str) -> Tensor:
        """Mean loss, as published: generation unshifted from the window on, understanding shifted."""
        states = self.states(self.inputs[f"{name}.input_ids"], None)
        goals = self.goals(self.inputs[f"{name}.labels"], name == "t2i")
        return self.mean_loss(states, goals, None).reshape(1)

    def goals(self, labels: Tensor, draws: bool) -> Tensor:
        """Published labels, moved to the positions that predict them."""
        goals = torch.full_like(labels, IGNORED)
        if draws:
            goals[:, self.window :] = labels[:, self.window :]
        else:
            goals[:, :-1] = labels[:, 1:]
        return goals

    def mean_loss(self, states: Tensor, goals: Tensor, rows: Rows | None) -> Tensor:
        """Mean cross entropy where there is a goal, through the code that training uses."""
        chosen, head = goals != IGNORED, self.network.phi.lm_head
        none = states.new_zeros(0, states.shape[-1])
        weights, bias = (rows.head, rows.bias) if rows else (none, states.new_zeros(0))
        losses = frozen_table_cross_entropy(
            states[chosen], head.weight, head.bias, weights, bias, goals[chosen]
        )
        return losses.mean()

    @torch.no_grad()
    def draw(self, guidance: float) -> Tensor:
        """Codes (B, cells) of mask-predict sampling at temperature 0."""
        prompts = self.inputs["t2i_generate.prompt_ids"][:, : self.window]
        empty = self.inputs["t2i_generate.uncond_ids"][:1, : self.window]
        both = torch.cat([prompts, empty]) if guidance else prompts
        canvas = Canvas(
            both, torch.arange(len(prompts)), self.window, self.meta["num_image_tokens"], range(len(prompts))
        )
        head = self.network.phi.lm_head
        weight, bias = head.weight.data, head.bias.data
        head.weight.data, head.bias.data = weight * SHARPER, bias * SHARPER
        sampling = Sampling(steps=STEPS, guidance=guidance, temperature=0.0)
        grids = mask_predict(self.network, None, self.vocabulary, canvas, sampling)
        head.weight.data, head.bias.data = weight, bias
        return grids[-1]

    @torch.no_grad()
    def greedy(self) -> Tensor:
        """Greedy new tokens, decoded with the key-value cache."""
        ids, positions = pad_left(
            self.inputs["mmu_generate.prompt_ids"].tolist(), 0, self.vocabulary.pad, torch.device("cpu")
        )
        count = self.meta.get("max_new_tokens", ANSWER)
        prompts = Prompts(ids, positions, None)
        found = greedy_or_sampled(self.network, None, self.vocabulary, prompts, [count], [0.0], [0])
        tokens = found[0]
        if len(tokens) < count:  # the reference keeps the end of text that stopped it
            tokens = [*tokens, self.vocabulary.end_of_text]
        return torch.tensor(tokens)

    def train(self) -> dict[str, Tensor]:
        """Three AdamW steps on the concept rows alone, outside the tables."""
        concept = self._concept()
        optimizer = torch.optim.AdamW(concept.parameters(), **self._adamw())
        ids = self._virtual(self.inputs["train.input_ids"])
        labels = self._virtual(self.inputs["train.labels"])
        draws = (ids == self.vocabulary.draw).any(1)
        steps = []
        for _ in range(3):
            states = self.states(ids, rows := concept.rows())
            t2i = self.mean_loss(states[draws], self.goals(labels[draws], True), rows)
            mmu = self.mean_loss(states[~draws], self.goals(labels[~draws], False), rows)
            total = self.meta["loss_weights"]["t2i"] * t2i + self.meta["loss_weights"]["mmu"] * mmu
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            steps.append(torch.stack([t2i, mmu, total]).detach())
        after = concept.rows()
        assert after.bias is not None
        return {
            "train.losses": torch.stack(steps),
            "train.new_embed.after3": after.input.detach(),
            "train.new_head_weight.after3": after.head.detach(),
            "train.new_head_bias.after3": after.bias.detach(),
        }

    def _concept(self) -> ConceptTokens:
        given = {key: self.inputs[f"train.new_{key}.before"] for key in ("embed", "head_weight", "head_bias")}
        rows = Rows(given["embed"].float(), given["head_weight"].float(), given["head_bias"].float())
        sizes = {"identifier": 1, "shared": len(rows) - 1}
        return ConceptTokens.from_rows("new", RowShape(self.network.hidden, True), sizes, rows)

    def _virtual(self, ids: Tensor) -> Tensor:
        count = self.meta["n_new_tokens"]
        moved = to_virtual(ids.clamp(min=0), self.vocabulary.size, self.vocabulary.first_code, count)
        return torch.where(ids == IGNORED, IGNORED, moved)

    def _adamw(self) -> dict[str, Any]:
        return {key: tuple(v) if isinstance(v, list) else v for key, v in self.meta["adamw"].items()}

    def magvit(self) -> dict[str, Tensor]:
        """The image tokenizer's numbers."""
        sizes = self.meta["magvit"]
        tokenizer = MagvitV2(
            sizes["ch"],
            sizes["ch_mult"],
            sizes["num_res_blocks"],
            sizes["ch_mult"],
            sizes["num_res_blocks"],
            sizes["z_channels"],
        )
        state = load_file(self.directory / "magvit_model.safetensors")
        tokenizer.load_state_dict(
            {name: v.float() if v.is_floating_point() else v for name, v in state.items()}
        )
        with torch.no_grad():
            hidden = tokenizer.encode(self.inputs["pixels"])
            codes = tokenizer.codes(self.inputs["pixels"])
            return {"hidden": hidden, "codes": codes, "decoded": tokenizer.decode_raw(codes)}


def _sizes(meta: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {key: value for key, value in meta["phi"].items() if key != "qk_layernorm"}
    if not meta["phi"].get("qk_layernorm", True):
        raise WeightsError("meta.json: phi.qk_layernorm is false; Show-o has QK layer norm")
    return sizes


def vocabulary(meta: Mapping[str, Any]) -> Vocabulary:
    """The golden model's vocabulary, checked against the ids that meta.json states."""
    made = Vocabulary(meta["text_vocab"], meta["codebook_size"], meta["eos_id"])
    stated = {
        "mask_id": (meta["mask_id"], made.mask),
        "image_token_offset": (meta["image_token_offset"], made.first_code),
        "n_special": (meta["n_special"], len(SPECIAL_TOKENS)),
    }
    for name, (theirs, ours) in stated.items():
        if theirs != ours:
            raise WeightsError(f"meta.json: {name} is {theirs}, this vocabulary has {ours}")
    return made


def compute(
    directory: Path, meta: Mapping[str, Any], inputs: Mapping[str, Tensor]
) -> dict[str, Tensor | Exception]:
    """Every output of ``meta``; a quantity that cannot be computed is its exception."""
    golden = Golden(directory, meta, inputs)
    single: dict[str, Callable[[], Tensor]] = {
        "schedule.cosine.ratio": lambda: cosine(inputs["schedule.cosine.t"]),
        "mmu_generate.greedy": golden.greedy,
    }
    for name in ("t2i", "mmu"):
        single[f"{name}.allowed"] = partial(golden.allowed, name)
        single[f"{name}.logits"] = partial(golden.logits, name)
        single[f"loss.{name}"] = partial(golden.loss, name)
    for name in meta["outputs"]:
        if match := re.fullmatch(r"t2i_generate\.cfg([\d.]+)\.tokens", name):
            single[name] = partial(golden.draw, float(match[1]))
    found: dict[str, Tensor | Exception] = {name: attempt(work) for name, work in single.items()}
    trained = [name for name in meta["outputs"] if name.startswith("train.")]
    found |= attempt_several(golden.train, trained) | attempt_several(
        golden.magvit, meta.get("magvit_outputs", [])
    )
    return found


def ignored(name: str, inputs: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Tensor | None:
    """Rows of padding queries, (B, L) bool: they carry no meaning in ``allowed`` and ``logits``."""
    kind, _, quantity = name.partition(".")
    if quantity not in ("allowed", "logits"):
        return None
    ids = inputs[f"{kind}.input_ids"]
    pads = ids == meta["text_vocab"]
    if kind == "mmu":  # right padding repeats the end of text behind the answer's own
        ends = (ids == meta["eos_id"]) & (inputs[f"{kind}.labels"] == IGNORED)
        pads = pads | ends.flip(1).long().cumprod(1).bool().flip(1)
    return pads
