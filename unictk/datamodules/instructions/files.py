"""Instruction data in files of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from unictk.datamodules.instructions.sources import Source


class InstructionData(Protocol):
    """Some sources below one folder."""

    root: Path

    def prepare(self) -> None:
        """Write what is written on the fly; called in one process, before anything is read."""
        ...

    def sources(self) -> Mapping[str, Source]:
        """The sources by name."""
        ...


class InstructionFiles:
    """Sources that are there.

    Args:
        root: what their paths are relative to.
        files: the sources by name.
    """

    def __init__(self, root: str, files: dict[str, Source]) -> None:
        self.root, self.files = Path(root), files

    def prepare(self) -> None:
        """Nothing is to be written."""

    def sources(self) -> Mapping[str, Source]:
        """As given."""
        return self.files
