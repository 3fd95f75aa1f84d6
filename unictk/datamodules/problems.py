"""What is wrong with a data set: one record a finding, gathered instead of raised one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unictk.errors import DataError

COMMAND = "python run.py task=check_data"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder, what was expected there, and what was found; each a part of one line."""

    path: Path
    expected: str
    found: str

    def __str__(self) -> str:
        said = f"expected {self.expected}; found {self.found}"
        return f"{self.path}: {' '.join(said.split())}"


def data_error(problems: Sequence[Problem]) -> DataError:
    """The first problem in full, how many more there are, and the command that lists them."""
    more = len(problems) - 1
    if not more:
        return DataError(str(problems[0]))
    return DataError(f"{problems[0]} (and {more} more problem{'s' * (more > 1)}: {COMMAND})")
