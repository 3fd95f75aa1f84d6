"""The tables of a report: what changed, stage by stage, and the answers behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unictk.records import ItemRecord
from unictk.report.drawn import is_drawn
from unictk.report.meanings import MEANING
from unictk.report.sources import in_order
from unictk.report.verdicts import Drawing, read_drawings

BASE, AFTER = "base", "after"
"""Columns: before training; and after it, where records do not tell the phase."""

LOSSES = {
    "loss": "weighted loss",
    "text_loss": "mean loss per answer token",
    "image_loss": "mean loss per image code",
}

SECOND = re.compile(r"_bleu$|/unparsable$|/agreement(_\w+)?$")
"""Metrics that score an answer once more."""


@dataclass(frozen=True, slots=True)
class Line:
    """A metric in the table of scores or of losses.

    ``values`` are by column, None where it was not measured. ``change`` is the last finished column minus
    the first one, None without a first one. ``items`` says how many were scored.
    """

    metric: str
    meaning: str
    values: list[float | None]
    change: float | None
    items: int | None

    @property
    def better(self) -> bool:
        """Whether the change is an improvement; false when there is none."""
        if not self.change:
            return False
        return (self.change < 0) == less_is_better(self.metric)


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Metrics by phase. ``unfinished`` are columns whose phase was cut short: means of what is there."""

    columns: list[str]
    unfinished: frozenset[str]
    lines: list[Line]

    @property
    def compares(self) -> bool:
        """Whether there is a column before training."""
        return BASE in self.columns and len(self.columns) > 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A record with what the model answered to the same question before training, if it was asked."""

    record: ItemRecord
    before: str | None

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """What the answer tells of drawn pictures; none for an answer in words."""
        return read_drawings(self.record.answer)


def is_loss(metric: str) -> bool:
    """Whether it is what training minimises."""
    return metric.endswith("loss")


def less_is_better(metric: str) -> bool:
    """Whether a fall is an improvement: losses, and shares of what failed."""
    return is_loss(metric) or "unreadable" in metric or "unparsable" in metric


def meaning(name: str) -> str:
    """A metric in a few words; empty for one that is not known here."""
    stage, _, kind = name.rpartition("/")
    if stage and kind in LOSSES:
        return f"{LOSSES[kind]} of stage {stage}, same draws before and after"
    return MEANING.get(name, "")


def number(value: object) -> float | None:
    """The value if it is a number."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric else None  # type: ignore[arg-type]


def names_of(metrics: Mapping[str, Any]) -> list[str]:
    """Metrics worth a line: without their ``/base`` and ``/n``, and without what the curves show.

    Those of :data:`MEANING` come first, in its order; losses come last.
    """
    names = [
        name.removesuffix(f"/{BASE}")
        for name, value in metrics.items()
        if not name.endswith("/n") and not isinstance(value, str) and "/train_" not in name
    ]
    place = {name: i for i, name in enumerate(MEANING)}
    return sorted(dict.fromkeys(names), key=lambda name: (is_loss(name), place.get(name, len(place))))


def score_table(
    metrics: Mapping[str, Any],
    records: Sequence[ItemRecord],
    phases: Sequence[str],
    unfinished: Iterable[str] = (),
) -> ScoreTable:
    """Every score at each phase: what ``metrics.json`` says of the first and last, records of those between.

    A phase in ``unfinished`` has what its records say so far, and no part in the change.
    """
    names = [name for name in names_of(metrics) if not is_loss(name)]
    cut = frozenset(unfinished) & set(phases)
    whole = [phase for phase in phases if phase not in cut and phase != BASE]
    last = whole[-1] if whole else AFTER
    columns = [phase for phase in phases if phase != BASE]
    if not whole and any(number(metrics.get(name)) is not None for name in names):
        columns = [AFTER, *columns]
    if BASE in phases or any(f"{name}/{BASE}" in metrics for name in names):
        columns = [BASE, *columns]
    means = by_phase(records, columns)
    lines = []
    for name in names:
        known = {BASE: number(metrics.get(f"{name}/{BASE}")), last: number(metrics.get(name))}
        between = means.get(name) or _combined(name, means, known.get(last), columns, last)
        values = [
            between[i] if known.get(column) is None and between else known.get(column)
            for i, column in enumerate(columns)
        ]
        lines.append(_line(name, metrics, values, known[BASE], known[last]))
    return ScoreTable(columns, cut, lines)


def loss_table(metrics: Mapping[str, Any]) -> list[Line]:
    """Losses before and after the stage that trained on them."""
    lines = []
    for name in filter(is_loss, names_of(metrics)):
        before, after = number(metrics.get(f"{name}/{BASE}")), number(metrics.get(name))
        lines.append(_line(name, metrics, [before, after], before, after))
    return lines


def _line(
    name: str,
    metrics: Mapping[str, Any],
    values: list[float | None],
    before: float | None,
    after: float | None,
) -> Line:
    count = number(metrics.get(f"{name}/n"))
    change = None if before is None or after is None else after - before
    return Line(name, meaning(name), values, change, None if count is None else int(count))


def _combined(
    name: str,
    means: Mapping[str, list[float | None]],
    after: float | None,
    columns: Sequence[str],
    last: str,
) -> list[float | None] | None:
    """Recognition at each phase: it is no mean of records, but the balance of three recalls that are.

    Used only if it gives what ``metrics.json`` says of the last phase.
    """
    parts = [means.get(f"{name}_{kind}") for kind in ("positive", "random", "hard")]
    if after is None or last not in columns or not all(parts):
        return None
    found = [
        None if None in recalls else (recalls[0] + (recalls[1] + recalls[2]) / 2) / 2
        for recalls in zip(*parts, strict=True)
    ]
    here = found[columns.index(last)]
    return found if here is not None and abs(here - after) < 1e-4 else None


def remarks(metrics: Mapping[str, Any]) -> dict[str, str]:
    """What ``metrics.json`` says in words, such as which judge scored."""
    return {name: value for name, value in metrics.items() if isinstance(value, str)}


def phases_of(records: Iterable[ItemRecord], stages: Iterable[str] = ()) -> list[str]:
    """Before training, then the ends of stages in order; epochs inside a stage are left out."""
    names = {record.phase for record in records if "@" not in record.phase}
    return in_order(names, (BASE, *stages))


def by_phase(records: Sequence[ItemRecord], phases: Sequence[str]) -> dict[str, list[float | None]]:
    """Mean score of each metric at each phase, None where it was not asked."""
    scores: dict[tuple[str, str], list[float]] = {}
    for record in records:
        scores.setdefault((record.metric, record.phase), []).append(record.score)
    return {
        metric: [
            sum(found) / len(found) if (found := scores.get((metric, phase))) else None for phase in phases
        ]
        for metric in in_order(metric for metric, _ in scores)
    }


def answers(records: Sequence[ItemRecord], phase: str) -> list[Answer]:
    """The phase's answers, the most wrong first.

    Left out are second scores of an answer (:data:`SECOND`) and drawn pictures, which have a place of their
    own.
    """
    before = {record.key[1:]: record.answer for record in records if record.phase == BASE}
    chosen = [
        record
        for record in records
        if record.phase == phase
        and not SECOND.search(record.metric)
        and not (is_drawn(record) and read_drawings(record.answer))
    ]
    chosen.sort(key=lambda record: (record.score, record.metric, record.item_id))
    return [Answer(record, before.get(record.key[1:]) if phase != BASE else None) for record in chosen]
