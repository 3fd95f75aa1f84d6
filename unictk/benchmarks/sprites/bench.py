"""Everything a backbone can do in the sprites world, on held-out scenes and phrasings, from one model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from unictk.backbones.base import Backbone
from unictk.benchmarks.base import Progress, Result, Save
from unictk.benchmarks.sprites.drawing import drawing, reconstructions, reflections
from unictk.benchmarks.sprites.items import NAME, Asking, Item, Scale, Scores, Subject
from unictk.benchmarks.sprites.looking import looking
from unictk.benchmarks.sprites.personal import BUNDLED, personal
from unictk.benchmarks.sprites.roles import judgements, proposals
from unictk.benchmarks.sprites.totals import totals
from unictk.concepts.known_rows import load_known
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import DataError
from unictk.judges.base import Judge
from unictk.records import ItemRecord
from unictk.samples import Sampling

DIGITS = 5
"""Scores are rounded as records are, so that a resumed run has the same metrics."""


class SpritesBenchmark:
    """Asks, draws and judges; every number is a mean or a rank correlation of its records' scores.

    Args:
        scale: ``full`` is good to about 0.015 where a share is near 0.95; ``quick`` asks an eighth.
        known: file of known characters' rows (see :mod:`unictk.concepts.known_rows`). None: the file beside
            the bundled backbone, and where that is absent too the ``known`` metrics are left out.
        batch_size: items a call; after each its records are saved.
    """

    name = NAME
    needs_judge = True

    def __init__(
        self,
        scale: Scale = "full",
        known: str | None = None,
        batch_size: Annotated[int, Ge(1)] = 48,
    ) -> None:
        self.scale: Scale = scale
        self.known = known
        self.batch_size = batch_size

    def evaluate(
        self,
        backbone: Backbone,
        judge: Judge,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Ask what ``done`` does not answer yet for this phase, and score everything.

        No concept stays attached.

        Raises:
            WeightsError: the known characters' file is missing, damaged, or of another backbone.
        """
        subjects = self.subjects(Asking(backbone, judge, sampling, seed))
        run = _Run(subjects, phase, list(done))
        for subject, batch in run.batches(self.batch_size):
            if missing := [item for item in batch if item.key not in run.answers]:
                backbone.attach(subject.concepts)
                run.answers |= dict(zip((item.key for item in missing), subject.ask(missing), strict=True))
                if save is not None:
                    save(run.records(subject, missing))
            if progress is not None:
                progress(len(run.answers), run.size)
        backbone.attach([])
        return run.result()

    def subjects(self, asking: Asking) -> list[Subject]:
        """The whole work list; equal seeds and scales give equal ones."""
        return [
            *reconstructions(asking, self.scale),
            *looking(asking, self.scale),
            *personal(asking, self.scale, self._known(asking.backbone)),
            *drawing(asking, self.scale),
            *proposals(asking, self.scale),
            *judgements(asking, self.scale),
            *reflections(asking, self.scale),
        ]

    def _known(self, backbone: Backbone) -> list[ConceptTokens]:
        if self.known is None and not BUNDLED.is_file():
            print(f"{NAME}: no rows of known characters; the metrics {NAME}/known... are left out")
            return []
        return load_known(Path(self.known or BUNDLED), backbone.row_shape, backbone.fresh_rows)


@dataclass(slots=True)
class _Run:
    """Which answers there are, and what they make."""

    subjects: list[Subject]
    phase: str
    answers: dict[tuple[str, str], str]

    def __init__(self, subjects: list[Subject], phase: str, done: Sequence[ItemRecord]) -> None:
        self.subjects, self.phase = subjects, phase
        known = {record.key: record for record in done}
        self.answers = {}
        for item in (item for subject in subjects for item in subject.items):
            if item.key in self.answers:
                raise DataError(f"{item.metric} {item.item_id}: two items share this id")
            record = known.get((phase, f"{NAME}/{item.metric}", item.item_id))
            if record and (record.question, record.reference, record.image) == (
                item.question,
                item.reference,
                item.image,
            ):
                self.answers[item.key] = record.answer

    @property
    def size(self) -> int:
        return sum(len(subject.items) for subject in self.subjects)

    def batches(self, size: int) -> Iterator[tuple[Subject, Sequence[Item]]]:
        """Batches that depend on the work list only."""
        for subject in self.subjects:
            for first in range(0, len(subject.items), size):
                yield subject, subject.items[first : first + size]

    def records(self, subject: Subject, wanted: Sequence[Item]) -> list[ItemRecord]:
        """The records of these items, scored among all that are answered so far."""
        keys = {item.key for item in wanted}
        return [
            self._record(item, metric, score)
            for item, scores in self._scored(subject)
            if item.key in keys
            for metric, score in scores.items()
        ]

    def _scored(self, subject: Subject) -> Iterator[tuple[Item, Scores]]:
        items = [item for item in subject.items if item.key in self.answers]
        return zip(items, subject.scores(items, [self.answers[item.key] for item in items]), strict=True)

    def _record(self, item: Item, metric: str, score: float) -> ItemRecord:
        return ItemRecord(
            metric=f"{NAME}/{metric}",
            item_id=item.item_id,
            image=item.image,
            question=item.question,
            reference=item.reference,
            answer=self.answers[item.key],
            score=round(score, DIGITS),
            phase=self.phase,
        )

    def result(self) -> Result:
        """All records, and the metrics with their counts."""
        records = [record for subject in self.subjects for record in self.records(subject, subject.items)]
        found: dict[str, list[float]] = defaultdict(list)
        for record in records:
            found[record.metric.removeprefix(f"{NAME}/")].append(record.score)
        metrics: dict[str, float] = {}
        for name, (value, count) in totals(found).items():
            metrics[f"{NAME}/{name}"] = value
            metrics[f"{NAME}/{name}/n"] = float(count)
        return Result(metrics, records)
