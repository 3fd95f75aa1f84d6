"""What a sprite concept's data set knows beside the published files: what each of its prompts must show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unictk.errors import DataError
from unictk.sprites.asked import Asked

FILE = "sprites.json"
"""In the concept's data set folder."""

SETTING = "setting"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a prompt asks; ``told`` are the points that only the concept's facts tell."""

    asked: Asked
    told: tuple[str, ...] = ()

    @property
    def looks(self) -> tuple[str, ...]:
        """The other points: what the concept looks like."""
        return tuple(point for point in self.asked.points() if point not in self.told)


@dataclass(frozen=True, slots=True)
class Truth:
    """The concept's identity by attribute, and what each knowledge-driven prompt must show."""

    identity: Mapping[str, str]
    prompts: Mapping[str, Expected]

    def expected(self, prompt: str) -> Expected:
        """Of a knowledge-driven prompt its own, of any other that the concept is there."""
        return self.prompts.get(prompt) or Expected(Asked(None, (self.identity,)))


def read_truth(root: Path) -> Truth | None:
    """The data set's truth; None where it has none, as photos.

    Raises:
        DataError: the file is damaged.
    """
    file = root / FILE
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        prompts = {one["prompt"]: _expected(one) for one in content["conditions"]}
        return Truth(dict(content["identity"]), prompts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{file}: not the truth of a sprite concept ({reason})") from error


def _expected(condition: Mapping[str, object]) -> Expected:
    characters = condition["characters"]
    told = condition["knowledge"]
    assert isinstance(characters, list)
    assert isinstance(told, list)
    setting = condition["setting"]
    asked = Asked(None if setting is None else str(setting), tuple(dict(one) for one in characters))
    return Expected(asked, tuple(name if name == SETTING else f"0.{name}" for name in told))
