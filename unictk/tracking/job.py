"""The W&B run of a job: opened before its task, given its scores, and ended with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from unictk.app.composition import resolved
from unictk.app.folder import RunFolder, process_rank
from unictk.tracking.about import about

if TYPE_CHECKING:
    from unictk.tracking.logger import RunLogger

LOGGER = "unictk.tracking.logger.RunLogger"


@contextmanager
def tracked(config: DictConfig, folder: RunFolder) -> Iterator[None]:
    """Inside, the job has a W&B run, if one of its loggers is W&B's and this is the first process.

    What ``metrics.json`` holds at the end is the run's summary. A job that fails is a failed run, and keeps
    what it has measured.
    """
    node = next((one for one in _loggers(config) if one.get("_target_") == LOGGER), None)
    if node is None or process_rank() > 0:
        yield
        return
    logger: RunLogger = instantiate(node)
    own = HydraConfig.get()
    named = about(
        folder.path,
        Path(own.sweep.dir).absolute(),
        [str(line) for line in own.overrides.task],
        own.runtime.choices,
        logger.tags,
    )
    run = logger.open(named, resolved(config), folder.resuming)
    code = 1
    try:
        yield
        code = 0
    finally:
        run.summary.update(summary(folder.metrics()))
        run.finish(exit_code=code)
        if logger.offline:
            _say_where(folder.path)


def summary(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``metrics.json`` W&B can compare: every key but those without a value."""
    return {name: value for name, value in metrics.items() if value is not None}


def close_strays() -> None:
    """End a W&B run that somebody else's code left open: the next job would write into it."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.finish()


def _loggers(config: DictConfig) -> list[DictConfig]:
    return [node for node in (config.get("logger") or {}).values() if node is not None]


def _say_where(folder: Path) -> None:
    from unictk.tracking.logger import saved_in

    saved = saved_in(folder)
    if saved is not None:
        print(f"W&B, offline: wandb sync {saved}")
