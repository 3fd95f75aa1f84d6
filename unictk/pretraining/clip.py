"""A small CLIP of the world, by open_clip: not a part of the backbone, but of what scores its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Interval
from lightning import LightningDataModule, LightningModule

from unictk.backbones.base import Backbone
from unictk.datamodules.scene_captions import SceneCaptions
from unictk.metrics.clip_model import Clip, load_clip
from unictk.metrics.small_clip import make_clip, save_clip
from unictk.modules.clip_pretraining import ClipPretraining
from unictk.pretraining.base import Precision
from unictk.sprites.clip_report import clip_report

FOLDER = "clip"
"""Where it lies, in the layout of hub repositories."""


class ClipPart:
    """Train a CLIP from nothing on scenes and their prompts.

    Args:
        steps: optimizer steps.
        batch: pictures in a step.
        twins: share of the pictures that come in twos which differ in one value.
        couples: share of the scenes that have two characters.
        lr: of Muon and AdamW.
        table_lr: of the tables.
        warmup: steps of the linear start.
        clip: largest gradient norm.
        precision: of the products; bf16 is slower at this size.
    """

    def __init__(
        self,
        steps: Annotated[int, Ge(1)] = 2600,
        batch: Annotated[int, Ge(2)] = 128,
        twins: Annotated[float, Interval(ge=0, le=1)] = 0.75,
        couples: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        lr: Annotated[float, Gt(0)] = 3e-3,
        table_lr: Annotated[float, Gt(0)] = 6e-3,
        warmup: Annotated[int, Ge(0)] = 100,
        clip: Annotated[float, Gt(0)] = 1.0,
        precision: Precision = "32-true",
    ) -> None:
        self.steps, self.batch, self.twins, self.couples = steps, batch, twins, couples
        self.lr, self.table_lr, self.warmup = lr, table_lr, warmup
        self.clip, self.precision = clip, precision
        self._model: Clip | None = None

    def begin(
        self, backbone: Backbone, seed: int, folder: Path, weights: Path
    ) -> tuple[LightningModule, LightningDataModule]:
        """A new CLIP drawn from ``seed``, and the stream of pictures with prompts."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._model = make_clip()
        module = ClipPretraining(self._model, self.lr, self.table_lr, warmup=self.warmup)
        return module, SceneCaptions(seed, self.batch, self.twins, self.couples)

    def write(self, folder: Path) -> dict[str, float]:
        """As open_clip reads it, fp16; what it sees of held-out scenes."""
        if self._model is None:
            raise RuntimeError("the CLIP has not begun")
        save_clip(self._model, folder / FOLDER)
        return clip_report(load_clip(str(folder / FOLDER)), 0)

    def read(self, folder: Path, backbone: Backbone) -> None:
        """Nothing: the backbone does not know it."""
