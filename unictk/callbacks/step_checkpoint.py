"""A checkpoint every so many steps, of training that has no epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import lightning.pytorch as pl
from annotated_types import Ge
from lightning.pytorch.callbacks import ModelCheckpoint

from unictk.callbacks.checkpoint import LAST


class StepCheckpoint(ModelCheckpoint):
    """Writes ``checkpoints/<part>/last.ckpt`` every ``every_n_steps``, replacing the one before."""

    def __init__(self, every_n_steps: Annotated[int, Ge(1)] = 500) -> None:
        super().__init__(
            filename=LAST, every_n_train_steps=every_n_steps, save_top_k=1, enable_version_counter=False
        )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Choose the part's folder."""
        name = str(getattr(pl_module, "stage_name", type(pl_module).__name__))
        self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints" / name)
        super().setup(trainer, pl_module, stage)
