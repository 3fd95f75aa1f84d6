"""Training that goes on from a stage's last checkpoint, if there is one."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

from lightning import LightningDataModule, LightningModule, Trainer

from unictk.errors import DataError
from unictk.sharding import mend

LAST = "last.ckpt"


def fit_from(trainer: Trainer, module: LightningModule, data: LightningDataModule, folder: Path) -> None:
    """Fit the module, from ``last.ckpt`` in ``folder`` where that is there; then its parameters are whole.

    A checkpoint is data: it is read with ``weights_only``, so that none can run code.

    Raises:
        DataError: the checkpoint holds more than tensors and plain values, or was cut off.
    """
    _fit(trainer, module, data, folder / LAST)
    mend(module)  # what follows asks it, or trains it in another trainer


def _fit(trainer: Trainer, module: LightningModule, data: LightningDataModule, last: Path) -> None:
    if not last.exists():
        trainer.fit(module, datamodule=data)
        return
    again = "delete it to begin the stage afresh"
    if last.is_file() and not zipfile.is_zipfile(last):
        raise DataError(f"{last}: refused: cut off, or not a checkpoint; {again}")
    try:
        trainer.fit(module, datamodule=data, ckpt_path=str(last), weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{last}: refused: it holds more than tensors and plain values, and reading that could run code; "
            f"{again}"
        ) from error
