"""A running average of the weights that train (EMA): what a run keeps where it is asked for."""

from __future__ import annotations

from typing import Annotated, Any

import lightning.pytorch as pl
import torch
from annotated_types import Ge, Lt
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from unictk.sharding import joined_up, like


class WeightAverage(Callback):
    """After each optimizer step: average = decay x average + (1 - decay) x weights.

    Training goes on with the weights themselves; :meth:`apply` puts the average in their place afterwards.
    A checkpoint holds it, so a resumed run ends with the same one.

    Args:
        decay: the share of the average that stays.
    """

    def __init__(self, decay: Annotated[float, Ge(0), Lt(1)]) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self._step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the weights of before, unless a checkpoint brought an average."""
        trained = {name: p for name, p in pl_module.named_parameters() if p.requires_grad}
        self.average = {
            name: like(self.average.get(name, p.detach()), p).to(p.device, copy=True)
            for name, p in trained.items()
        }
        self._step = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the average, if this batch ended an optimizer step."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        weights = dict(pl_module.named_parameters())
        for name, average in self.average.items():
            average.lerp_(weights[name].detach(), 1 - self.decay)

    @torch.no_grad()
    def apply(self, module: pl.LightningModule) -> None:
        """Put the average in the place of the weights."""
        weights = dict(module.named_parameters())
        for name, average in self.average.items():
            weights[name].copy_(joined_up(average))

    def state_dict(self) -> dict[str, Any]:
        """The average so far."""
        return {"average": {name: joined_up(average) for name, average in self.average.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the average of a checkpoint."""
        self.average = dict(state_dict["average"])
