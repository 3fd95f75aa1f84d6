"""What is measured of a stage before its first step and after its last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from unictk.callbacks.loggers import log_scores


class BeforeAndAfter(Callback, ABC):
    """Logs what :meth:`measure` finds, with ``/base`` behind the names of what was before the first step.

    A resumed stage keeps the numbers of its start.
    """

    def __init__(self) -> None:
        self.base: dict[str, float] = {}

    @abstractmethod
    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, float]:
        """The stage's numbers as it stands, by their full names; the same on every process."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure before the first step."""
        if not self.base:
            self.base = self.measure(trainer, pl_module)
        self._tell(trainer, {f"{name}/base": value for name, value in self.base.items()})

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure what the stage has made."""
        self._tell(trainer, self.measure(trainer, pl_module))

    def state_dict(self) -> dict[str, Any]:
        """The numbers of before, for a resumed stage."""
        return {"base": self.base}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the numbers of before from a checkpoint."""
        self.base = dict(state_dict["base"])

    @staticmethod
    def _tell(trainer: pl.Trainer, values: dict[str, float]) -> None:
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})
        log_scores(trainer.loggers, values, trainer.global_step)
