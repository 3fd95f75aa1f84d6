"""A work list: items that are asked in batches, every answer kept, gone on with after a kill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from unictk.benchmarks.base import Progress, Save
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import DataError
from unictk.records import ItemRecord

DIGITS = 5
"""Scores are rounded as records are, so that a resumed run has the same metrics."""

Scores = dict[str, float]
"""An item's score under every metric it counts towards, without the benchmark's name."""

Found = Mapping[str, Sequence[float]]
"""Every item's score by metric, in the order of the work list."""


class WorkItem(Protocol):
    """One thing to ask. ``metric`` and ``item_id`` together are unique; the rest is what a reader sees."""

    @property
    def metric(self) -> str:
        """What its main record counts towards."""
        ...

    @property
    def item_id(self) -> str:
        """Its name within the metric."""
        ...

    @property
    def image(self) -> str | None:
        """The picture it is about: a key, or the picture in words."""
        ...

    @property
    def question(self) -> str:
        """What is asked."""
        ...

    @property
    def reference(self) -> str:
        """What would be right."""
        ...


I = TypeVar("I", bound=WorkItem)  # noqa: E741
Key = tuple[str, str]


class Subject(Protocol[I]):
    """Some items that are asked and scored alike, with the concepts that they name."""

    @property
    def items(self) -> Sequence[I]:
        """The work list."""
        ...

    @property
    def concepts(self) -> Sequence[ConceptTokens]:
        """What the backbone must know to be asked."""
        ...

    def ask(self, items: Sequence[I]) -> list[str]:
        """An answer per item: text from which alone it can be scored."""
        ...

    def scores(self, items: Sequence[I], answers: Sequence[str]) -> list[Scores]:
        """Scores of all items that have an answer so far, in the order of the work list."""
        ...


class Work:
    """The subjects of a benchmark in one phase, and which answers there are.

    An answer of ``done`` is taken for an item of equal phase, metric and id if question, reference and
    picture are the same too.

    Raises:
        DataError: two items share metric and id.
    """

    def __init__(
        self, name: str, subjects: Sequence[Subject[Any]], phase: str, done: Iterable[ItemRecord]
    ) -> None:
        self.name, self.subjects, self.phase = name, subjects, phase
        items = [item for subject in subjects for item in subject.items]
        self.answers = answered(name, items, phase, done)

    @property
    def size(self) -> int:
        """Number of items."""
        return sum(len(subject.items) for subject in self.subjects)

    def run(
        self,
        size: int,
        attach: Callable[[Sequence[ConceptTokens]], None] | None = None,
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> list[ItemRecord]:
        """Ask what has no answer, ``size`` items a call; the records of all.

        ``attach`` makes the backbone know a subject's concepts. Batches depend on the work list only.
        """
        for subject in self.subjects:
            for batch in batches(subject.items, size):
                if missing := [item for item in batch if key_of(item) not in self.answers]:
                    if attach is not None:
                        attach(subject.concepts)
                    said = subject.ask(missing)
                    self.answers |= dict(zip(map(key_of, missing), said, strict=True))
                    if save is not None:
                        save(self._records(subject, missing))
                if progress is not None:
                    progress(len(self.answers), self.size)
        return [record for subject in self.subjects for record in self._records(subject, subject.items)]

    def found(self, records: Iterable[ItemRecord]) -> dict[str, list[float]]:
        """The records' scores by metric."""
        found: dict[str, list[float]] = defaultdict(list)
        for record in records:
            found[record.metric.removeprefix(f"{self.name}/")].append(record.score)
        return dict(found)

    def _records(self, subject: Subject[Any], wanted: Sequence[WorkItem]) -> list[ItemRecord]:
        """The records of these items, scored among all that are answered so far."""
        keys = set(map(key_of, wanted))
        items = [item for item in subject.items if key_of(item) in self.answers]
        scored = subject.scores(items, [self.answers[key_of(item)] for item in items])
        return [
            self._record(item, metric, score)
            for item, scores in zip(items, scored, strict=True)
            if key_of(item) in keys
            for metric, score in scores.items()
        ]

    def _record(self, item: WorkItem, metric: str, score: float) -> ItemRecord:
        image, question, reference = _asked(item)
        return ItemRecord(
            metric=f"{self.name}/{metric}",
            item_id=item.item_id,
            image=image,
            question=question,
            reference=reference,
            answer=self.answers[key_of(item)],
            score=round(score, DIGITS),
            phase=self.phase,
        )


def answered(name: str, items: Sequence[WorkItem], phase: str, done: Iterable[ItemRecord]) -> dict[Key, str]:
    """The answers that ``done`` has; see :class:`Work`."""
    known = {record.key: record for record in done}
    found: dict[Key, str] = {}
    seen: set[Key] = set()
    for item in items:
        if key_of(item) in seen:
            raise DataError(f"evaluation item {item.item_id!r} of {item.metric}: two items share this id")
        seen.add(key_of(item))
        record = known.get((phase, f"{name}/{item.metric}", item.item_id))
        if record and (record.image, record.question, record.reference) == _asked(item):
            found[key_of(item)] = record.answer
    return found


def unanswered(name: str, items: Sequence[WorkItem], phase: str, done: Iterable[ItemRecord]) -> int:
    """How many of the items ``done`` does not answer."""
    return len(items) - len(answered(name, items, phase, done))


def key_of(item: WorkItem) -> Key:
    """Unique in the whole work list."""
    return item.metric, item.item_id


def _asked(item: WorkItem) -> tuple[str | None, str, str]:
    return item.image, item.question, item.reference


def batches(items: Sequence[I], size: int) -> Iterator[list[I]]:
    """Batches of at most ``size`` items; those about one picture stay together, so that it is read once."""
    by_picture: dict[object, list[I]] = {}
    for number, item in enumerate(items):
        by_picture.setdefault(number if item.image is None else item.image, []).append(item)
    batch: list[I] = []
    for unit in by_picture.values():
        if batch and len(batch) + len(unit) > size:
            yield batch
            batch = []
        batch = batch + unit
        while len(batch) > size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def means(found: Found) -> dict[str, tuple[float, int]]:
    """Mean and number of every metric's scores."""
    return {name: (sum(scores) / len(scores), len(scores)) for name, scores in found.items()}


def named(name: str, totals: Mapping[str, tuple[float, int]], suffix: str = "") -> dict[str, float]:
    """Flat metrics: values by full name and suffix; counts, which end in ``/n``, take no suffix."""
    flat: dict[str, float] = {}
    for metric, (value, count) in totals.items():
        flat[f"{name}/{metric}{suffix}"] = value
        flat[f"{name}/{metric}/n"] = float(count)
    return flat
