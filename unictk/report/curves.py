"""Loss curves of the CSV logger's files, as numbers an SVG can take."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

from unictk.report.sources import natural

WIDTH, HEIGHT = 320, 130
"""Of the drawing area, in SVG units."""

_POINTS = 240


@dataclass(frozen=True, slots=True)
class Curve:
    """A loss over optimizer steps. ``points`` is an SVG point list inside WIDTH x HEIGHT."""

    source: str
    name: str
    points: str
    first_step: int
    last_step: int
    low: float
    high: float
    last: float


def loss_curves(run_folder: Path) -> list[Curve]:
    """A curve for each loss column, with at least two values, of the ``metrics.csv`` below the folder.

    ``logs/s2-2`` is what a resumed process added to ``logs/s2``: one curve, in which a step that was done
    twice counts once.
    """
    files = sorted(run_folder.rglob("metrics.csv"), key=lambda path: natural(path.as_posix()))
    found: dict[tuple[str, str], dict[int, float]] = {}
    for file in files:
        source = re.sub(r"-\d+$", "", file.parent.relative_to(run_folder).as_posix())
        for name, values in _losses(file).items():
            found.setdefault((source, name), {}).update(values)
    return [
        _curve(source, name, list(values.items()))
        for (source, name), values in found.items()
        if len(values) >= 2
    ]


def _losses(file: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of each column with "loss" in its name; Lightning's epoch means only where alone."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    columns = [name for name in (rows[0] if rows else ()) if name and "loss" in name.lower()]
    kept = [name for name in columns if name.removesuffix("_epoch") + "_step" not in columns]
    found: dict[str, list[tuple[int, float]]] = {}
    for name in kept:
        for row in rows:
            if row.get(name) and row.get("step"):
                step, value = int(float(row["step"])), float(row[name])
                if math.isfinite(value):
                    found.setdefault(name, []).append((step, value))
    return found


def _curve(source: str, name: str, values: list[tuple[int, float]]) -> Curve:
    thinned = _thin(sorted(values))
    steps, losses = [step for step, _ in thinned], [loss for _, loss in thinned]
    low, high = min(losses), max(losses)
    across, down = max(1e-12, steps[-1] - steps[0]), max(1e-12, high - low)
    points = " ".join(
        f"{WIDTH * (step - steps[0]) / across:.1f},{HEIGHT * (high - loss) / down:.1f}"
        for step, loss in thinned
    )
    last = max(values, key=lambda pair: pair[0])[1]
    return Curve(source, name, points, int(steps[0]), int(steps[-1]), low, high, last)


def _thin(values: list[tuple[int, float]]) -> list[tuple[float, float]]:
    """At most ``_POINTS`` points: means of neighbours, so that a long run stays small and readable."""
    size = math.ceil(len(values) / _POINTS)
    groups = [values[i : i + size] for i in range(0, len(values), size)]
    return [
        (sum(step for step, _ in group) / len(group), sum(loss for _, loss in group) / len(group))
        for group in groups
    ]
