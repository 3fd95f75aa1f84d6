"""A backbone's network without weights, from its YAML, and one training step on it.

A step is one drawing and one answer. It calls the parts of a network as ``loss`` of the backbone does, on
inputs of the right shapes; ``benchmarks.planning.checks`` holds it to the real ``loss`` of small models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from unictk.app.conf_tree import conf_dir
from unictk.backbones.base import Rows
from unictk.backbones.keyvalues import KeyValues
from unictk.samples import Image, Sample, Text

PROMPT, QUESTION, ANSWER = 40, 40, 20
"""Words, each a token, of a drawing's prompt, of a question and of its answer."""


def backbone_yaml(name: str) -> dict[str, Any]:
    """The group ``backbone``'s option as plain containers, interpolations as they stand."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        found = OmegaConf.to_container(compose("config", overrides=[f"backbone={name}"]).backbone)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def sample_pair(side: int) -> tuple[Sample, Sample]:
    """One drawing and one answer about a square picture."""
    photo = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    drawing = Sample(Text(" ".join(["red"] * PROMPT)), Image(photo, target=True))
    question, answer = (Text(" ".join(["red"] * n), target=n == ANSWER) for n in (QUESTION + 1, ANSWER))
    return drawing, Sample(Image(photo), question, answer)


@dataclass(frozen=True, slots=True)
class Depth:
    """Layers of the language model and of the vision tower."""

    language: int
    tower: int


class Model(ABC):
    """One backbone's option.

    Attributes:
        name: of the option.
        layout: of its YAML, with the bundled tokenizer: pieces of texts differ, nothing else does.
        drawing, answer: positions of one drawing and of one answer.
        targets: positions of both that predict something.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name, self.config = name, config
        self.published = config["layout"]["tokenizer"] is not None
        self.layout = instantiate({**config["layout"], "tokenizer": None})
        self.samples = sample_pair(self.layout.image_size)
        self.drawing, self.answer = (self.layout.length(sample) for sample in self.samples)
        counts = [self.layout.counts(sample) for sample in self.samples]
        self.targets = sum(each.text + each.image for each in counts)

    def sizes(self, part: str, **changes: int | None) -> Any:
        """The configuration object of ``language`` or ``vision``, with what is not None changed."""
        given = {key: value for key, value in changes.items() if value is not None}
        return instantiate({**self.config[part], **given})

    @property
    @abstractmethod
    def depth(self) -> Depth:
        """As the YAML says."""

    @property
    @abstractmethod
    def key_shape(self) -> tuple[int, int]:
        """Heads of keys and values, and numbers per head."""

    @abstractmethod
    def network(self, depth: Depth | None = None) -> nn.Module:
        """The network, on the device of the context."""

    @abstractmethod
    def language(self, network: Any) -> nn.Module:
        """The layers with the last norm: what adapters go into."""

    @abstractmethod
    def blocks(self, network: Any) -> Sequence[nn.Module]:
        """Units that are sharded one by one, as the backbone's ``blocks``."""

    @abstractmethod
    def step(self, network: Any, rows: Rows | None) -> Tensor:
        """Summed losses of one drawing and one answer."""

    def read(self, network: Any, vectors: Tensor, cache: KeyValues | None = None) -> Tensor:
        """Hidden states of vectors (1, n, hidden) that all see each other."""
        n = vectors.shape[1]
        found: Tensor = network.trunk(
            vectors, torch.arange(n)[None], torch.ones(1, n, n, dtype=torch.bool), cache
        )
        return found

    def image_tokenizer(self, network: Any) -> nn.Module:
        """What makes codes or latents of pictures; it never trains."""
        found: nn.Module = instantiate(self.config["image_tokenizer"])
        return found

    @property
    def hidden(self) -> int:
        """Width of the language model."""
        return int(self.config["language"]["hidden_size"])

    @property
    def positions(self) -> int:
        """Positions that a step's layers work on."""
        return self.drawing + self.answer

    @property
    def head_bias(self) -> bool:
        """Whether a concept row has a bias in the head."""
        return False

    @property
    def lora_targets(self) -> tuple[str, ...]:
        """Linear layers that get adapters."""
        return ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj")

    @property
    def query_width(self) -> int:
        """Numbers in a token's queries, all heads together."""
        return self.hidden

    @property
    def experts(self) -> int:
        """Sets of weights per layer, of which a token meets one."""
        return 1

    @property
    @abstractmethod
    def passes(self) -> tuple[int, int]:
        """Passes one behind the other while a picture is drawn as published, and new positions of each.

        Positions of both branches of guidance are counted.
        """

    @property
    def drawing_keys(self) -> int:
        """Positions whose keys are held while one guided picture is drawn."""
        return 2 * self.drawing
