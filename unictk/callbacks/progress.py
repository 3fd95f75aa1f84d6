"""Training progress of a stage: one bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import math
from typing import Annotated, Any

import lightning.pytorch as pl
from annotated_types import Gt
from lightning.pytorch.callbacks.progress.progress_bar import ProgressBar as LightningProgressBar

from unictk.callbacks.meter import Meter


class ProgressBar(LightningProgressBar):
    """Optimizer steps of the whole stage, with the epoch and what the module logs to the bar.

    Plain lines, printed where standard output is no terminal, come every ``every_seconds``.
    """

    def __init__(self, every_seconds: Annotated[float, Gt(0)] = 10.0) -> None:
        super().__init__()
        self.every_seconds = every_seconds
        self._enabled = True
        self._meter: Meter | None = None

    def disable(self) -> None:
        """Show nothing: every rank but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show progress."""
        self._enabled = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Open the stage's bar with the first batch: an evaluation before it takes none of its time."""
        if not self._enabled or self._meter is not None:
            return
        steps = trainer.estimated_stepping_batches
        total = int(steps) if math.isfinite(steps) and steps > 0 else None
        name = getattr(pl_module, "stage_name", type(pl_module).__name__)
        meter = Meter(f"{name} steps", total, self.every_seconds, before=trainer.global_step)
        self._meter = meter.__enter__()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._meter is not None:
            self._meter.show(trainer.global_step, self._note(trainer, pl_module))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, so that the error is readable."""
        self._close()

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print without breaking the bar."""
        if self._meter is None:
            print(*args, **kwargs)
        else:
            self._meter.say(str(kwargs.get("sep", " ")).join(str(arg) for arg in args))

    def _note(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> str:
        logged = self.get_metrics(trainer, pl_module)
        logged.pop("v_num", None)
        words = [
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in logged.items()
        ]
        return ", ".join([f"epoch {trainer.current_epoch + 1}", *words])

    def _close(self) -> None:
        if self._meter is not None:
            self._meter.__exit__(None, None, None)
            self._meter = None
