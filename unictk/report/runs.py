"""Runs below folders, read for a comparison: what each was asked, how it ended, what it scored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unictk.errors import DataError
from unictk.report.concept_card import concept_name, task_name
from unictk.report.scores import BASE, names_of, number
from unictk.report.sources import natural, read_object, read_settings, stage_seconds

STATUS = "status.json"
UNREADABLE = "unreadable"
"""State of a run whose records are damaged."""

WITHOUT_SCORES = ("report", "generate", "chat", "export", "adopt", "check_data")
"""Tasks whose folders hold nothing to compare."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``overrides`` are what was typed, by key; ``config`` is everything, by dotted key.

    ``scores`` and ``before`` (training) are by metric; a score that is not finite is absent.
    """

    name: str
    folder: Path
    state: str
    reason: str = ""
    overrides: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    concept: str = ""
    seconds: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)

    @property
    def seed(self) -> str:
        """The run's seed."""
        return str(self.config.get("seed", self.overrides.get("seed", "")))


def find_runs(folders: Sequence[Path]) -> tuple[list[Run], int]:
    """The runs at any depth below the folders, and how many runs of tasks without scores were left out.

    Names are relative to the folder, or to what the folders have in common. A run whose files are damaged
    is among them, with the reason.
    """
    base = Path(os.path.commonpath([folder.resolve() for folder in folders]))
    places = dict.fromkeys(place for folder in folders for place in _run_folders(folder.resolve()))
    found, left_out = [], 0
    for place in sorted(places, key=lambda path: natural(path.as_posix())):
        run = _read(place, place.name if place == base else place.relative_to(base).as_posix())
        if run is None:
            left_out += 1
        else:
            found.append(run)
    return found, left_out


def settings_that_differ(runs: Sequence[Run]) -> dict[str, list[str]]:
    """By key, each run's value of the overrides in which the runs differ; empty text where it is unknown."""
    keys = dict.fromkeys(key for run in runs for key in run.overrides if key != "tags")
    table = {key: [_setting(run, key) for run in runs] for key in sorted(keys, key=natural)}
    return {key: values for key, values in table.items() if len(set(values)) > 1}


def metrics_of(runs: Sequence[Run]) -> list[str]:
    """Every metric that a run has, scores before losses."""
    return names_of(dict.fromkeys(sorted({name for run in runs for name in run.scores}), 0.0))


def _run_folders(folder: Path) -> Iterator[Path]:
    """Folders with a status; what lies inside of one belongs to it."""
    for place, inside, files in os.walk(folder):
        if STATUS in files:
            inside.clear()
            yield Path(place)
        else:
            inside[:] = [name for name in inside if not name.startswith(".")]


def _read(folder: Path, name: str) -> Run | None:
    try:
        status = read_object(folder / STATUS)
        metrics = read_object(folder / "metrics.json")
        config = read_settings(folder / "config.yaml")
        seconds = [value for value in stage_seconds(status).values() if value is not None]
    except DataError as error:
        return Run(name, folder, UNREADABLE, str(error).replace(f"{folder}{os.sep}", ""))
    if task_name(config) in WITHOUT_SCORES:
        return None
    typed = status.get("overrides")
    tags = config.get("tags")
    names = names_of(metrics)
    return Run(
        name=name,
        folder=folder,
        state=str(status.get("state") or "unknown"),
        reason=str(status.get("reason") or ""),
        overrides=dict(_override(str(line)) for line in (typed if isinstance(typed, list) else ())),
        config=flat(config),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        concept=concept_name(config) or "",
        seconds=sum(seconds) if seconds else None,
        scores={one: value for one in names if (value := number(metrics.get(one))) is not None},
        before={one: value for one in names if (value := number(metrics.get(f"{one}/{BASE}"))) is not None},
    )


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key -> value; lists are values."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found


def _override(line: str) -> tuple[str, str]:
    """A typed line as key and value: ``+a.b=1`` gives a.b and 1, ``~a`` gives a and "removed"."""
    key, equals, value = line.partition("=")
    return key.lstrip("+~"), "removed" if key.startswith("~") else value if equals else ""


def _setting(run: Run, key: str) -> str:
    """What was typed for the key, else what the configuration says; empty where it says nothing so short."""
    if key in run.overrides:
        return run.overrides[key]
    value = run.config.get(key)
    return "" if value is None or isinstance(value, list | Mapping) else _as_typed(value)


def _as_typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
