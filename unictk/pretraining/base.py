"""What a part of pretraining is: something that trains, writes its weights and reads them back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from lightning import LightningDataModule, LightningModule

from unictk.backbones.base import Backbone

Precision = Literal["32-true", "bf16-mixed"]


class Part(Protocol):
    """One part. ``steps`` and ``precision`` go to its trainer, ``clip`` is its gradient's largest norm."""

    steps: int
    precision: Precision
    clip: float

    def begin(
        self, backbone: Backbone, seed: int, folder: Path, weights: Path
    ) -> tuple[LightningModule, LightningDataModule]:
        """What trains (in place, where it belongs to the backbone), and what it is fed.

        ``folder`` is its checkpoint folder, for whatever should survive a kill; below ``weights`` lies what
        earlier parts wrote.
        """
        ...

    def write(self, folder: Path) -> dict[str, float]:
        """Write the finished weights below ``folder``, after training; what was measured of them.

        Only the first of several processes does.
        """
        ...

    def read(self, folder: Path, backbone: Backbone) -> None:
        """Give the backbone what was written below ``folder``, by whichever process, ready to be asked."""
        ...
