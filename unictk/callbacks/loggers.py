"""Sending scores and pictures to whatever loggers a run has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from PIL import Image as PILImage

if TYPE_CHECKING:
    from unictk.tracking.origin import Origin

Table = tuple[list[str], list[Any]]
"""Columns and rows."""


def log_scores(loggers: Iterable[Logger], scores: Mapping[str, float], step: int) -> None:
    """Send the scores to every logger, item counts (``/n``) left out."""
    shown = {name: value for name, value in scores.items() if not name.endswith("/n")}
    for logger in loggers:
        logger.log_metrics(shown, step)


def log_picture(
    loggers: Iterable[Logger], name: str, picture: PILImage.Image, caption: str, step: int
) -> None:
    """Send the picture to the loggers that take pictures: TensorBoard and Weights & Biases."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, np.asarray(picture), step, dataformats="HWC")
        elif isinstance(logger, WandbLogger):
            # With a step of ours W&B would shift the axis of every other curve.
            logger.log_image(name, [picture], caption=[caption])


def log_table(loggers: Iterable[Logger], name: str, make: Callable[[], Table]) -> None:
    """Send a table with pictures to Weights & Biases; without it ``make`` is not asked for one."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            columns, rows = make()
            logger.log_table(name, columns, rows)


def log_concept(loggers: Iterable[Logger], directory: Path, stage: str, origin: Origin) -> None:
    """Send a saved concept to Weights & Biases as an artifact that knows what it was made from."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            from unictk.tracking.artifacts import log_concept as log_artifact

            log_artifact(logger.experiment, directory, stage, origin)
