"""The image tokenizer's part: MAGVIT-v2 with look-up-free codes on rendered scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import torch
from annotated_types import Ge, Gt, Interval
from lightning import LightningDataModule, LightningModule

from unictk.backbones.base import Backbone
from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.weights import load_magvit, write_published
from unictk.datamodules.scenes import READ, ScenePictures
from unictk.modules.code_alignment import CodeAlignment
from unictk.modules.tokenizer_pretraining import AlignmentWeights, MakeOptimizer, TokenizerPretraining
from unictk.pretraining.base import Precision
from unictk.pretraining.files import halved
from unictk.sprites.scenes import SETTINGS

FOLDER = "magvit"
"""Where its weights lie, in the published layout."""


class TokenizerPart:
    """Train the backbone's image tokenizer on scenes of the pretraining part.

    Args:
        steps: optimizer steps.
        batch: pictures in a step.
        pool: scenes that are rendered, once.
        optimizer: makes the optimizer of its parameters.
        alignment: weights of the readouts that align the codes.
        character_weight: weight of a character's pixel beside a setting's.
        entropy: weight of the bonus for bits that are used evenly.
        warmup: steps of the linear start.
        decay: share of the steps in which the learning rate falls.
        clip: largest gradient norm.
        precision: of the products.
    """

    def __init__(
        self,
        optimizer: MakeOptimizer,
        steps: Annotated[int, Ge(1)] = 9000,
        batch: Annotated[int, Ge(1)] = 32,
        pool: Annotated[int, Ge(1)] = 24000,
        alignment: AlignmentWeights | None = None,
        character_weight: Annotated[float, Gt(0)] = 4.0,
        entropy: Annotated[float, Ge(0)] = 0.02,
        warmup: Annotated[int, Ge(0)] = 100,
        decay: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        clip: Annotated[float, Gt(0)] = 1.0,
        precision: Precision = "32-true",
    ) -> None:
        self.optimizer, self.steps, self.batch, self.pool = optimizer, steps, batch, pool
        self.alignment = alignment
        self.character_weight, self.entropy = character_weight, entropy
        self.warmup, self.decay, self.clip, self.precision = warmup, decay, clip, precision
        self._tokenizer: MagvitV2 | None = None

    def begin(
        self, backbone: Backbone, seed: int, folder: Path, weights: Path
    ) -> tuple[LightningModule, LightningDataModule]:
        """The tokenizer of the backbone, and the stream of pictures."""
        self._tokenizer = _tokenizer(backbone)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sizes = {name: len(values) for name, values in READ.items()}
            readouts = CodeAlignment(self._tokenizer.codebook_size.bit_length() - 1, len(SETTINGS), sizes)
        module = TokenizerPretraining(
            self._tokenizer,
            self.optimizer,
            readouts,
            self.alignment,
            self.character_weight,
            self.entropy,
            self.warmup,
            self.decay,
        )
        return module, ScenePictures(seed, pool=self.pool, batch=self.batch)

    def write(self, folder: Path) -> dict[str, float]:
        """In the published layout, bf16."""
        if self._tokenizer is None:
            raise RuntimeError("the tokenizer has not begun")
        write_published(folder / FOLDER, halved(self._tokenizer.state_dict()), {}, prefix="")
        return {}

    def read(self, folder: Path, backbone: Backbone) -> None:
        """Into the backbone's tokenizer, frozen."""
        tokenizer = _tokenizer(backbone).eval().requires_grad_(False)
        shapes = {name: tuple(tensor.shape) for name, tensor in tokenizer.state_dict().items()}
        tokenizer.load_state_dict(load_magvit(folder / FOLDER, shapes))
        cast(Showo, backbone).tokenizer_changed()


def _tokenizer(backbone: Backbone) -> MagvitV2:
    return cast(MagvitV2, backbone.parts()["tokenizer"])
