"""The tables of a report: what changed, stage by stage, and the answers behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unictk.records import ItemRecord
from unictk.report.meanings import MEANING
from unictk.report.sources import in_order

BASE = "base"

LOSSES = {
    "loss": "weighted loss",
    "text_loss": "mean loss per answer token",
    "image_loss": "mean loss per masked code",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the headline table.

    ``change`` is after minus before, ``better`` whether that is for the better (a loss should fall), and
    ``items`` how many were scored.
    """

    metric: str
    meaning: str
    before: float | None
    after: float | None
    change: float | None
    items: int | None

    @property
    def better(self) -> bool:
        """Whether the change is an improvement; false when there is none."""
        if not self.change:
            return False
        return (self.change < 0) == self.metric.endswith("loss")


@dataclass(frozen=True, slots=True)
class Answer:
    """A record with what the model answered to the same question before training, if it was asked."""

    record: ItemRecord
    before: str | None


def _meaning(name: str) -> str:
    stage, _, kind = name.rpartition("/")
    if stage and kind in LOSSES:
        return f"{LOSSES[kind]} of stage {stage}, same draws before and after"
    return MEANING.get(name, "")


def _number(value: object) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric else None  # type: ignore[arg-type]


def headline(metrics: Mapping[str, Any]) -> list[Change]:
    """One line a metric, scores before losses; ``/base`` and ``/n`` become columns."""
    names = [
        name.removesuffix(f"/{BASE}")
        for name, value in metrics.items()
        if not name.endswith("/n") and not isinstance(value, str) and "/train_" not in name  # curves show it
    ]
    lines = []
    for name in sorted(dict.fromkeys(names), key=lambda name: name.endswith("loss")):
        before, after = _number(metrics.get(f"{name}/{BASE}")), _number(metrics.get(name))
        count = _number(metrics.get(f"{name}/n"))
        change = None if before is None or after is None else after - before
        items = None if count is None else int(count)
        lines.append(Change(name, _meaning(name), before, after, change, items))
    return lines


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
    """The phase's answers, the most wrong first. Second scores of an answer (``*_bleu``) are left out."""
    before = {record.key[1:]: record.answer for record in records if record.phase == BASE}
    chosen = [record for record in records if record.phase == phase and not record.metric.endswith("_bleu")]
    chosen.sort(key=lambda record: (record.score, record.metric, record.item_id))
    return [Answer(record, before.get(record.key[1:]) if phase != BASE else None) for record in chosen]
