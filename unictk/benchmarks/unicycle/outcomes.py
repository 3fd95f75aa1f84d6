"""What came of a cycle, as records, and back from records: an evaluation goes on where it was killed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from unictk.benchmarks.unicycle.asking import Asking, picture_key
from unictk.benchmarks.unicycle.judging import Mark, Marker
from unictk.benchmarks.unicycle.questions import NAME, Cycle, Question
from unictk.benchmarks.work import DIGITS
from unictk.judges.base import BEST, Judge, Verdict
from unictk.metrics.unicycle import hard_of, soft_of
from unictk.records import ItemRecord

Known = Mapping[tuple[str, str, str], ItemRecord]
"""Records by their key."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers to a cycle's questions with their marks, in order, and a judge's verdict on the picture."""

    cycle: Cycle
    answers: tuple[str, ...]
    marks: tuple[Mark, ...]
    verdict: Verdict | None = None

    @property
    def scores(self) -> list[float]:
        """Of the questions, in order, rounded as records are."""
        return [round(mark.score, DIGITS) for mark in self.marks]

    def agreed(self) -> dict[str, bool]:
        """By question: whether its answer and the judge say the same of what was asked.

        Only questions that decide one thing (:class:`~unictk.benchmarks.unicycle.questions.Question`), and
        only where the judge names its points.
        """
        if self.verdict is None or not self.verdict.right:
            return {}
        return {
            question.qid: (score == 1) == self.verdict.right.get(question.points[0], False)
            for question, score in zip(self.cycle.questions, self.scores, strict=True)
            if question.decides
        }


@dataclass(frozen=True, slots=True)
class Book:
    """Writes outcomes down and reads them back. ``judge``: of pictures, if there is one."""

    asking: Asking
    marker: Marker
    judge: Judge | None
    phase: str
    threshold: float

    def records(self, outcome: Outcome) -> list[ItemRecord]:
        """A record per question; per prompt its scores, also under its groups; and what the judge sees."""
        return [*self._of_questions(outcome), *self._of_prompt(outcome), *self._of_judge(outcome)]

    def recalled(self, cycle: Cycle, known: Known) -> Outcome | None:
        """The outcome that the records tell; None unless all of it is there, to the same questions."""
        found = [known.get(self._key(q.kind, f"{cycle.key}/{q.qid}")) for q in cycle.questions]
        whole = known.get(self._key("soft", cycle.key))
        if whole is None or (whole.question, whole.reference) != (cycle.prompt, self._marked_by(cycle)):
            return None
        answers, marks = [], []
        for question, record in zip(cycle.questions, found, strict=True):
            if record is None or (record.question, record.reference) != self._asked(question):
                return None
            mark = self._mark(cycle, question, record.score, known)
            if mark is None:
                return None
            answers.append(record.answer)
            marks.append(mark)
        verdict = None
        if self.judge is not None:
            seen = known.get(self._key("truth_soft", cycle.key))
            if seen is None or seen.reference != self._judged_by(cycle, self.judge):
                return None
            verdict = Verdict(**json.loads(seen.answer))
        return Outcome(cycle, tuple(answers), tuple(marks), verdict)

    def _mark(self, cycle: Cycle, question: Question, score: float, known: Known) -> Mark | None:
        if not self.marker.replies:
            return Mark(score)
        record = known.get(self._key("unparsable", f"{cycle.key}/{question.qid}"))
        return None if record is None else Mark(score, record.answer, record.score == 0)

    def _of_questions(self, outcome: Outcome) -> Iterator[ItemRecord]:
        cycle, agreed = outcome.cycle, outcome.agreed()
        answered = zip(cycle.questions, outcome.answers, outcome.marks, outcome.scores, strict=True)
        for question, answer, mark, score in answered:
            item, asked = f"{cycle.key}/{question.qid}", self._asked(question)
            yield self._record(question.kind, item, cycle, *asked, answer, score)
            if self.marker.replies:
                yield self._record("unparsable", item, cycle, *asked, mark.reply, float(not mark.parsed))
            if question.qid in agreed:
                value = float(agreed[question.qid])
                for metric in named("agreement", cycle):
                    yield self._record(metric, item, cycle, *asked, answer, value)

    def _of_prompt(self, outcome: Outcome) -> Iterator[ItemRecord]:
        """The answer is told like a judge's verdict: the questions are its points."""
        cycle, scores = outcome.cycle, outcome.scores
        soft, hard = soft_of(scores), hard_of(scores, self.threshold)
        right = {
            f"{question.qid}: {question.text}": score >= self.threshold
            for question, score in zip(cycle.questions, scores, strict=True)
        }
        told = json.dumps(asdict(Verdict(round(BEST * soft, DIGITS), right)))
        yield from self._prompt_records("soft", cycle, self._marked_by(cycle), told, soft)
        yield from self._prompt_records("hard", cycle, self._marked_by(cycle), told, float(hard))

    def _of_judge(self, outcome: Outcome) -> Iterator[ItemRecord]:
        if outcome.verdict is None or self.judge is None:
            return
        verdict, told = outcome.verdict, json.dumps(asdict(outcome.verdict))
        reference = self._judged_by(outcome.cycle, self.judge)
        yield from self._prompt_records("truth_soft", outcome.cycle, reference, told, verdict.share)
        yield from self._prompt_records(
            "truth_hard", outcome.cycle, reference, told, float(verdict.all_right)
        )

    def _prompt_records(
        self, metric: str, cycle: Cycle, reference: str, answer: str, score: float
    ) -> Iterator[ItemRecord]:
        for name in named(metric, cycle):
            yield self._record(name, cycle.key, cycle, cycle.prompt, reference, answer, score)

    def _record(
        self,
        metric: str,
        item_id: str,
        cycle: Cycle,
        question: str,
        reference: str,
        answer: str,
        score: float,
    ) -> ItemRecord:
        return ItemRecord(
            metric=f"{NAME}/{metric}",
            item_id=item_id,
            image=picture_key(cycle, self.phase) if self.asking.folder else cycle.prompt,
            question=question,
            reference=reference,
            answer=answer,
            score=round(score, DIGITS),
            phase=self.phase,
        )

    def _key(self, metric: str, item_id: str) -> tuple[str, str, str]:
        return self.phase, f"{NAME}/{metric}", item_id

    def _asked(self, question: Question) -> tuple[str, str]:
        return self.asking.shown(question), question.expected

    def _marked_by(self, cycle: Cycle) -> str:
        return f"{self.marker.name}: {len(cycle.questions)} questions"

    @staticmethod
    def _judged_by(cycle: Cycle, judge: Judge) -> str:
        points = cycle.expected.points() if cycle.expected else ()
        return f"{judge.name}: {', '.join(points)}"


def named(metric: str, cycle: Cycle) -> Sequence[str]:
    """The metric, and the same under each of the cycle's groups: ``soft``, ``soft_two``."""
    return [metric, *(f"{metric}_{group}" for group in cycle.groups)]
