"""One checkpoint per stage, to go on from after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import lightning.pytorch as pl
from annotated_types import Ge
from lightning.pytorch.callbacks import ModelCheckpoint

from unictk.callbacks.stage import stage_of

LAST = "last"


class StageCheckpoint(ModelCheckpoint):
    """Writes ``checkpoints/<stage>/last.ckpt`` every ``every_n_epochs``, replacing the one before.

    It holds the stage's rows, the optimizer and the place in the data; never the frozen model. The file
    appears whole or not at all. The last epoch writes none: Lightning would take its checkpoint for a
    finished stage and leave out what is measured at the end; what a stage has made is its concept directory.
    """

    def __init__(self, every_n_epochs: Annotated[int, Ge(1)] = 1) -> None:
        super().__init__(
            filename=LAST,
            every_n_epochs=every_n_epochs,
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Choose the stage's folder."""
        self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints" / stage_of(pl_module).stage_name)
        super().setup(trainer, pl_module, stage)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, unless this was the last epoch."""
        steps_done = 0 < trainer.max_steps <= trainer.global_step
        if not steps_done and trainer.current_epoch + 1 != trainer.max_epochs:
            super().on_train_epoch_end(trainer, pl_module)
