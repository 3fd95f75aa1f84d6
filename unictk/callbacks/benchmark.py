"""Runs a benchmark before, during and after a stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import lightning.pytorch as pl
import torch
from annotated_types import Ge
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_warn

from unictk.benchmarks.base import Benchmark
from unictk.callbacks.evaluating import evaluating
from unictk.callbacks.loggers import log_scores
from unictk.callbacks.meter import Meter
from unictk.callbacks.stage import stage_of
from unictk.judges.answers import Grader
from unictk.judges.base import Judge
from unictk.records import FILE, ItemRecord, merge_records, read_records
from unictk.samples import Sampling
from unictk.sharding import whole

BASE = "base"
"""The phase of the scores before any training."""


class BenchmarkCallback(Callback):
    """Evaluates the stage's concept, writes item records and logs the scores.

    ``benchmark`` None evaluates nothing. ``before``: also before the first step of the run's first stage;
    those scores end in ``/base``. ``after``: at the end of each stage, or of the pipeline's last one only.
    ``judge`` None: what only a judge can score is left out.
    ``every_n_epochs``: also between, in phases named ``<stage>@<epoch>``; None only at the end.

    Records go to ``items.parquet`` of the run folder after every batch, so a killed evaluation resumes
    where it stopped. ``metrics`` holds the newest scores and those of before, for ``metrics.json``; they
    also enter ``trainer.callback_metrics``, where a checkpoint callback can monitor them. Rank zero asks,
    the other ranks wait.
    """

    def __init__(
        self,
        benchmark: Benchmark | None,
        sampling: Sampling | None = None,
        every_n_epochs: Annotated[int, Ge(1)] | None = None,
        before: bool = True,
        judge: Judge | Grader | None = None,
        after: Literal["each", "last"] = "each",
    ) -> None:
        self.benchmark = benchmark
        self.after = after
        self.judge = judge
        self.sampling = sampling or Sampling()
        self.every_n_epochs = every_n_epochs
        self.before = before
        self.metrics: dict[str, float] = {}

    @property
    def judged_by(self) -> dict[str, str]:
        """``<benchmark>/judge`` and the judge's name, for ``metrics.json``; empty without a judge."""
        if self.benchmark is None or self.judge is None:
            return {}
        return {f"{self.benchmark.name}/judge": self.judge.name}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the concept before any training, once per run."""
        if self.before:
            self._run(trainer, pl_module, BASE, f"/{BASE}", only_known=self._has_learnt(trainer, pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score every n epochs; the last epoch is left to the end of the stage."""
        epoch = trainer.current_epoch + 1
        last = epoch == trainer.max_epochs or trainer.global_step == trainer.max_steps
        if self.every_n_epochs and epoch % self.every_n_epochs == 0 and not last:
            self._run(trainer, pl_module, f"{stage_of(pl_module).stage_name}@{epoch}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score what the stage has made."""
        stage = stage_of(pl_module)
        if self.after == "each" or stage.is_last:
            self._run(trainer, pl_module, stage.stage_name)

    def _has_learnt(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> bool:
        """Whether training has begun: this stage was resumed, or another one left records."""
        phases = {record.phase for record in read_records(_file(trainer))}
        stage = stage_of(pl_module).stage_name
        return trainer.global_step > 0 or any(phase != BASE and _stage(phase) != stage for phase in phases)

    def _run(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        phase: str,
        suffix: str = "",
        only_known: bool = False,
    ) -> None:
        if self.benchmark is None:
            return
        scores: dict[str, float] = {}
        with whole(pl_module):
            if trainer.is_global_zero:
                scores = self._evaluate(self.benchmark, trainer, pl_module, phase, suffix, only_known)
            trainer.strategy.barrier("benchmark")
        # Every rank gets them: a checkpoint callback watches its own rank's scores.
        scores = trainer.strategy.broadcast(scores)
        self.metrics |= scores
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in scores.items()})
        log_scores(trainer.loggers, scores, trainer.global_step)

    def _evaluate(
        self,
        benchmark: Benchmark,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        phase: str,
        suffix: str,
        only_known: bool,
    ) -> dict[str, float]:
        file, stage = _file(trainer), stage_of(pl_module)
        done = read_records(file)
        pending = benchmark.pending(stage.data, phase, done, self.judge)
        if only_known and pending:
            rank_zero_warn(f"{file}: no complete scores of before training; left out, since it has begun")
            return {}

        def save(records: Sequence[ItemRecord]) -> None:
            merge_records(file, records)

        with evaluating(pl_module), Meter(f"{benchmark.name} ({phase})", None) as meter:

            def progress(answered: int, total: int) -> None:
                if pending:  # what is known already is no news
                    meter.total = total
                    meter.show(answered)

            result = benchmark.evaluate(
                stage.backbone,
                stage.concept,
                stage.data,
                self.sampling,
                stage.seed,
                phase=phase,
                judge=self.judge,
                suffix=suffix,
                folder=file.parent,
                done=done,
                save=save,
                progress=progress,
            )
        return result.metrics


def _file(trainer: pl.Trainer) -> Path:
    return Path(trainer.default_root_dir) / FILE


def _stage(phase: str) -> str:
    return phase.split("@")[0]
