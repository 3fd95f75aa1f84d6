"""Runs that are the same but for their seeds, put together: means over concepts with intervals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unictk.metrics.bootstrap import Interval, bootstrap_mean, paired_difference
from unictk.report.runs import Run

SEEDS = ("seed", "concept.seed", "concept.name")
"""Keys in which the runs of a group may differ."""

ALL_PAIRS = 12
"""Up to so many groups each is compared with each; with more, each with the first."""


@dataclass(frozen=True, slots=True)
class Group:
    """Finished runs of one design. ``letter`` names it; ``other`` tells what no typed setting does."""

    letter: str
    runs: tuple[Run, ...]
    other: str = ""

    @property
    def concepts(self) -> int:
        """Number of different concepts."""
        return len({run.concept for run in self.runs})

    def table(self, metric: str) -> dict[str, dict[int | str, float]]:
        """Concept -> seed -> score; runs of the very same concept and seed count once, with their mean."""
        found: dict[str, dict[int | str, list[float]]] = {}
        for run in self.runs:
            if metric in run.scores:
                found.setdefault(run.concept, {}).setdefault(run.seed, []).append(run.scores[metric])
        return {
            concept: {seed: sum(values) / len(values) for seed, values in seeds.items()}
            for concept, seeds in found.items()
        }

    def interval(self, metric: str) -> Interval | None:
        """The metric's mean over concepts with its 95 % interval; None where no run has it."""
        table = self.table(metric)
        return bootstrap_mean(table) if table else None


def groups_of(runs: Sequence[Run]) -> list[Group]:
    """Groups of the runs that are done, in the order of their first runs."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.state == "done":
            found.setdefault(_design(run), []).append(run)
    told = _untold(list(found.values()))
    return [
        Group(_letter(i), tuple(members), other)
        for i, (members, other) in enumerate(zip(found.values(), told, strict=True))
    ]


def differences(
    groups: Sequence[Group], metrics: Sequence[str]
) -> dict[tuple[str, str], list[Interval | None]]:
    """(one, other) -> by metric one minus other over the concepts and seeds that both have."""
    pairs = list(itertools.combinations(groups, 2))
    if len(groups) > ALL_PAIRS:
        pairs = [(groups[0], other) for other in groups[1:]]
    return {
        (one.letter, other.letter): [
            paired_difference(one.table(metric), other.table(metric)) for metric in metrics
        ]
        for one, other in pairs
    }


def _design(run: Run) -> str:
    """Text that two runs share if they differ in seeds only.

    Seeds that follow the run's (that of sample pictures, say) are left out; one that was typed counts.
    """
    typed = {
        key: value
        for key, value in run.overrides.items()
        if key not in SEEDS and (key.endswith(".seed") or not run.config)
    }
    return json.dumps([_settings(run.config), typed], sort_keys=True, default=str)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in config.items() if key not in SEEDS and key.rpartition(".")[2] != "seed"
    }


def _untold(groups: Sequence[Sequence[Run]]) -> list[str]:
    """What makes groups different whose typed settings are the same: runs of different versions, mostly."""
    typed = [
        json.dumps({k: v for k, v in members[0].overrides.items() if k not in SEEDS}, sort_keys=True)
        for members in groups
    ]
    configs = [_settings(members[0].config) for members in groups]
    told = []
    for mine, config in zip(typed, configs, strict=True):
        alike = [other for text, other in zip(typed, configs, strict=True) if text == mine]
        keys = sorted(
            {key for other in alike for key in {*config, *other} if config.get(key) != other.get(key)}
        )
        shown = [f"{key}={config.get(key)}" for key in keys[:4]]
        told.append(", ".join(shown + ([f"and {len(keys) - 4} more"] if len(keys) > 4 else [])))
    return told


def _letter(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)
