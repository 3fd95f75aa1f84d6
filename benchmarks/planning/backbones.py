"""The four backbones as :class:`~benchmarks.planning.models.Model`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.planning.models import Depth, Model, backbone_yaml
from unictk.backbones.bagel.experts import Mixed
from unictk.backbones.bagel.guidance import Schedule
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.sizes import qwen2_config
from unictk.backbones.base import Rows
from unictk.backbones.janus.configs import joined_config
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.keyvalues import KeyValues, Prefix
from unictk.backbones.losses import token_losses
from unictk.backbones.showo.crossentropy import frozen_table_cross_entropy
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.vocabulary import Vocabulary as ShowoVocabulary
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vocabulary import Vocabulary as UniTokenVocabulary

PHI_ENTRIES = 50295
"""Entries of the text tokenizer of the published Show-o, which does not come with the package."""


class ShowoModel(Model):
    """Show-o: drawings and answers are read apart; a frozen trunk reads an answer's picture ungraded."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        super().__init__(name, config)
        parts = self.layout.collate(self.samples).parts
        self.drawing = parts.rows.ids.shape[1]
        self.text, self.prefix = parts.answers.ids.shape[1], self.layout.cells + 3
        self.answer = self.text + self.prefix

    @property
    def depth(self) -> Depth:
        return Depth(self.config["language"]["num_hidden_layers"], 0)

    @property
    def key_shape(self) -> tuple[int, int]:
        heads = self.config["language"]["num_attention_heads"]
        return heads, self.hidden // heads

    @property
    def head_bias(self) -> bool:
        return True

    @property
    def lora_targets(self) -> tuple[str, ...]:
        return ("fc1", "fc2", "q_proj", "k_proj", "v_proj")

    @property
    def drawing_keys(self) -> int:
        return 2 * (self.drawing - self.layout.cells - 2)  # the picture's cells are read anew in each step

    @property
    def passes(self) -> tuple[int, int]:
        return 50, 2 * (self.layout.cells + 2)

    @property
    def classes(self) -> int:
        vocabulary = self.layout.vocabulary
        if not self.published:
            return int(vocabulary.size)
        return ShowoVocabulary(PHI_ENTRIES, vocabulary.codebook, 0).size

    def network(self, depth: Depth | None = None) -> ShowoNetwork:
        layers = None if depth is None else depth.language
        return ShowoNetwork(self.sizes("language", num_hidden_layers=layers), self.classes)

    def language(self, network: ShowoNetwork) -> nn.Module:
        return nn.ModuleList([*network.blocks, network.phi.model.final_layernorm])

    def blocks(self, network: ShowoNetwork) -> Sequence[nn.Module]:
        return list(network.blocks)

    def step(self, network: ShowoNetwork, rows: Rows | None) -> Tensor:
        states = [self._read(network, rows, self.drawing, 0)]
        if network.trunk_trains():
            states.append(self._read(network, rows, self.answer, 0))
        else:
            states.append(self._read(network, rows, self.text, self.prefix))
        found = torch.cat([part.flatten(0, 1) for part in states])[: self.targets]
        goals = torch.zeros(len(found), dtype=torch.long)
        head = network.phi.lm_head
        if head.weight.requires_grad or rows is None:
            return functional.cross_entropy(network.logits(found, rows).float(), goals, reduction="sum")
        bias = rows.bias if rows.bias is not None else torch.zeros(len(rows))
        return frozen_table_cross_entropy(found, head.weight, head.bias, rows.head, bias, goals).sum()

    def _read(self, network: ShowoNetwork, rows: Rows | None, new: int, before: int) -> Tensor:
        vectors = network.embed(torch.zeros(1, new, dtype=torch.long), rows)
        seen = torch.ones(1, new, before + new, dtype=torch.bool)
        past = torch.zeros(1, self.key_shape[0], before, self.key_shape[1], dtype=vectors.dtype)
        cache = Prefix([(past, past)] * len(network.blocks)) if before else None
        return network.trunk(vectors, torch.arange(before, before + new)[None], seen, cache)


class _Causal(Model):
    """Drawing and answer as two rows of one causal batch, behind a tower that reads pictures."""

    @property
    def depth(self) -> Depth:
        language, vision = self.config["language"], self.config["vision"]
        return Depth(language["num_hidden_layers"], vision["num_hidden_layers"])

    @property
    def key_shape(self) -> tuple[int, int]:
        language = self.config["language"]
        return language["num_key_value_heads"], self.hidden // language["num_attention_heads"]

    def joined(self, vectors: Tensor, put: Tensor, row: int) -> Tensor:
        """Vectors (2, L, hidden) with others (n, hidden) in front of one of the rows."""
        changed = torch.cat([put[None].to(vectors.dtype), vectors[row : row + 1, len(put) :]], dim=1)
        return torch.cat([changed, vectors[1:]] if row == 0 else [vectors[:1], changed])

    @property
    def length(self) -> int:
        """Of the padded batch."""
        return max(self.drawing, self.answer)

    @property
    def positions(self) -> int:
        return 2 * self.length

    def states(self, network: Any, vectors: Tensor) -> Tensor:
        """Hidden states (2 * L, hidden)."""
        positions = torch.arange(self.length).expand(2, -1)
        found: Tensor = network.trunk(vectors, positions)
        return found.flatten(0, 1)


class JanusModel(_Causal):
    """Janus-Pro: codes of drawings have a table and a head of their own."""

    @property
    def passes(self) -> tuple[int, int]:
        return self.layout.cells, 2

    def network(self, depth: Depth | None = None) -> JanusNetwork:
        layers, tower = (None, None) if depth is None else (depth.language, depth.tower)
        language = self.sizes("language", num_hidden_layers=layers)
        vision = self.sizes("vision", num_hidden_layers=tower)
        image = instantiate(self.config["image_tokenizer"])
        return JanusNetwork(joined_config(language, vision, image, self.layout.vocabulary))

    def language(self, network: JanusNetwork) -> nn.Module:
        return nn.ModuleList([*network.blocks, network.stock.model.language_model.norm])

    def blocks(self, network: JanusNetwork) -> Sequence[nn.Module]:
        return [*network.blocks, *network.stock.model.vision_model.encoder.layers]

    def image_tokenizer(self, network: JanusNetwork) -> nn.Module:
        return network.image_tokenizer

    def step(self, network: JanusNetwork, rows: Rows | None) -> Tensor:
        cells, side = self.layout.cells, self.layout.image_size
        vectors = network.embed(torch.zeros(2, self.length, dtype=torch.long), rows)
        codes = network.code_vectors(torch.zeros(1, cells, dtype=torch.long))
        vectors = self.joined(vectors, codes[0], 0)
        vectors = self.joined(vectors, network.features(torch.zeros(1, 3, side, side))[0], 1)
        states = self.states(network, vectors)
        goals = torch.zeros(self.targets, dtype=torch.long)
        drawn, said = states[:cells], states[cells : self.targets]
        text = token_losses(partial(network.logits, rows=rows), said, goals[cells:])
        return (
            text.cross_entropy.sum()
            + token_losses(network.code_logits, drawn, goals[:cells]).cross_entropy.sum()
        )


class UniTokenModel(_Causal):
    """UniToken: codes are entries of the one table, and tiles are read by the tower."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        super().__init__(name, config)
        self.tiles = len(self.layout.collate(self.samples).parts.pictures.tiles)

    @property
    def passes(self) -> tuple[int, int]:
        return self.layout.side**2, 2

    @property
    def classes(self) -> int:
        return UniTokenVocabulary().size if self.published else int(self.layout.vocabulary.size)

    def network(self, depth: Depth | None = None) -> UniTokenNetwork:
        layers, tower = (None, None) if depth is None else (depth.language, depth.tower)
        language = self.sizes("language", num_hidden_layers=layers)
        return UniTokenNetwork(language, self.sizes("vision", num_hidden_layers=tower), self.classes)

    def language(self, network: UniTokenNetwork) -> nn.Module:
        return nn.ModuleList([*network.blocks, network.model.norm])

    def blocks(self, network: UniTokenNetwork) -> Sequence[nn.Module]:
        return [*network.blocks, *network.vit.encoder.layers]

    def step(self, network: UniTokenNetwork, rows: Rows | None) -> Tensor:
        vectors = network.embed(torch.zeros(2, self.length, dtype=torch.long), rows)
        features = network.features(torch.zeros(self.tiles, 3, self.layout.tile, self.layout.tile))
        states = self.states(network, self.joined(vectors, features.flatten(0, 1)[: self.length], 1))
        goals = torch.zeros(self.targets, dtype=torch.long)
        losses = token_losses(partial(network.logits, rows=rows), states[: self.targets], goals)
        return (losses.cross_entropy + losses.z).sum()


class BagelModel(Model):
    """BAGEL: both samples as one packed sequence under a dense mask."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        # The published option leaves sizes to the weights' own files; the defaults are what those say.
        found = {**config}
        for part, made in (("language", "qwen2_config"), ("vision", "siglip_config")):
            found[part] = found[part] or {"_target_": f"{qwen2_config.__module__}.{made}"}
        super().__init__(name, found)

    @property
    def depth(self) -> Depth:
        language, vision = self.sizes("language"), self.sizes("vision")
        return Depth(language.num_hidden_layers, vision.num_hidden_layers)

    @property
    def hidden(self) -> int:
        return int(self.sizes("language").hidden_size)

    @property
    def key_shape(self) -> tuple[int, int]:
        language = self.sizes("language")
        return language.num_key_value_heads, language.hidden_size // language.num_attention_heads

    @property
    def experts(self) -> int:
        return 2

    @property
    def passes(self) -> tuple[int, int]:
        schedule = Schedule()  # guidance acts in some of the steps only
        steps, guided = schedule.timesteps - 1, int(schedule.guided().sum())
        return steps, (self.layout.cells**2 + 2) * (steps + guided) // steps

    def read(self, network: BagelNetwork, vectors: Tensor, cache: KeyValues | None = None) -> Tensor:
        drawn = torch.zeros(vectors.shape[:2], dtype=torch.bool)
        return network.trunk(vectors, drawn, torch.arange(vectors.shape[1])[None], None, cache)

    def network(self, depth: Depth | None = None) -> BagelNetwork:
        layers, tower = (None, None) if depth is None else (depth.language, depth.tower)
        language = self.sizes("language", num_hidden_layers=layers)
        vision = self.sizes("vision", num_hidden_layers=tower)
        return BagelNetwork(language, vision, self.layout.sizes)

    def language(self, network: BagelNetwork) -> nn.Module:
        return nn.ModuleList([*network.layers, network.norm])

    def blocks(self, network: BagelNetwork) -> Sequence[nn.Module]:
        return list(network.layers)

    def image_tokenizer(self, network: BagelNetwork) -> nn.Module:
        found: nn.Module = instantiate(self.config["autoencoder"])
        return found

    def step(self, network: BagelNetwork, rows: Rows | None) -> Tensor:
        cells, total = self.layout.cells**2, self.drawing + self.answer
        said = self.targets - cells
        side, width = self.layout.vision_size, self.layout.sizes.latent_width
        seen = torch.cat(network.see([torch.zeros(3, side, side)]))
        latents = network.latent_vectors(
            torch.zeros(cells, width), torch.zeros(cells), torch.zeros(cells, dtype=torch.long)
        )
        texts = network.embed(torch.zeros(total - cells - len(seen), dtype=torch.long), rows)
        order = torch.arange(total)
        vectors = torch.cat([part.to(texts.dtype) for part in (texts, seen, latents)])[order][None]
        routes = Mixed(order[: total - cells], order[total - cells :], order)
        mask = torch.ones(1, total, total, dtype=torch.bool)
        states = network.trunk(vectors, routes, order[None], mask)[0]
        logits = network.logits(states[order[:said]], rows).float()
        text = functional.cross_entropy(logits, torch.zeros(said, dtype=torch.long), reduction="none")
        velocity = network.velocity(states[order[:cells]]).float()
        return text.sum() + ((velocity - torch.zeros(cells, width)) ** 2).mean(1).sum()


KINDS: Mapping[str, type[Model]] = {
    "showo": ShowoModel,
    "janus": JanusModel,
    "bagel": BagelModel,
    "unitoken": UniTokenModel,
}


def model(name: str) -> Model:
    """The model of an option of the group ``backbone``."""
    config = backbone_yaml(name)
    return KINDS[config["_target_"].split(".")[2]](name, config)
