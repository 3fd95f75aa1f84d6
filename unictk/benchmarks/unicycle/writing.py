"""Writing the questions of a prompt, as a state machine: what to ask next, given all that was answered.

A model writes questions; asked anew, it lists what the prompt says about the task type and which questions
ask it. A set is complete if every fact is asked by exactly one question and no question asks anything else
(UniCorn, appendix D). One that is not is written again, with the complaint, a few times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unictk.benchmarks.unicycle.questions import Cycle, Question
from unictk.benchmarks.unicycle.rows import RowError, read_question
from unictk.benchmarks.unicycle.writer_wording import to_check, to_write
from unictk.judges.scores import read_field
from unictk.metrics.answers import normalise
from unictk.selfplay.wording import Question as Asked

Role = Literal["write", "check"]


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask; ``attempt`` counts from 0."""

    role: Role
    attempt: int
    question: Asked


class Writing:
    """The questions of one prompt.

    Args:
        prompt_id: unique in the file that is written.
        prompt: what is drawn.
        category: the task type that the questions are about.
        attempts: sets of questions before the prompt is given up.
    """

    def __init__(self, prompt_id: str, prompt: str, category: str, attempts: int = 3) -> None:
        self.prompt_id, self.prompt, self.category = prompt_id, prompt, category
        self.attempts = attempts
        self.cycle: Cycle | None = None
        self.complaint = ""
        self._attempt = 0
        self._written: tuple[Question, ...] = ()

    @property
    def done(self) -> bool:
        """Whether there is a complete set, or none will come; ``complaint`` then says why not."""
        return self.cycle is not None or self._attempt >= self.attempts

    def wanted(self) -> Ask | None:
        """What to ask now; None when it is done."""
        if self.done:
            return None
        if self._written:
            return Ask("check", self._attempt, to_check(self.prompt, self.category, self._written))
        return Ask("write", self._attempt, to_write(self.prompt, self.category, self.complaint))

    def tell(self, answer: str) -> None:
        """The answer to what was wanted."""
        if self.done:
            raise ValueError(f"{self.prompt_id}: nothing was asked")
        if not self._written:
            found = read_questions(answer)
            if isinstance(found, str):
                self._again(found)
            else:
                self._written = found
            return
        if complaint := incomplete(answer, len(self._written)):
            self._again(complaint)
        else:
            self.cycle = Cycle(self.prompt_id, self.prompt, self.category, self._written)
            self.complaint = ""

    def _again(self, complaint: str) -> None:
        self.complaint, self._written = complaint, ()
        self._attempt += 1


def read_questions(answer: str) -> tuple[Question, ...] | str:
    """The questions in a writer's answer, numbered from 1; or what is wrong with them."""
    rows = read_field(answer, "questions")
    if not isinstance(rows, list) or not rows:
        return 'the reply has no JSON object with a list "questions".'
    found = []
    for number, row in enumerate(rows, 1):
        try:
            one = read_question({**row, "qid": str(number)} if isinstance(row, dict) else row, str(number))
        except RowError as error:
            return f"question {number} {error}."
        if word := told(one):
            return f"question {number} contains its answer, {word!r}."
        found.append(one)
    texts = [normalise(one.text) for one in found]
    if twice := next((number for number, text in enumerate(texts) if text in texts[:number]), None):
        return f"question {twice + 1} is asked twice."
    return tuple(found)


def told(question: Question) -> str:
    """What of its answer an open or keyword question says itself; empty where it says nothing."""
    right = {"open": (question.reference,), "keywords": question.keywords}.get(question.kind, ())
    said = normalise(question.text)
    return next((one for one in right if re.search(rf"(?<!\w){re.escape(normalise(one))}(?!\w)", said)), "")


def incomplete(answer: str, count: int) -> str:
    """Why ``count`` questions are no complete set, by a checker's answer; empty where they are one."""
    facts = read_field(answer, "facts")
    if not isinstance(facts, list) or not all(isinstance(one, dict) for one in facts):
        return 'the check of the questions has no JSON object with a list "facts".'
    if not facts:
        return "the prompt says nothing about the task type."
    asked: list[int] = []
    complaints = []
    for one in facts:
        numbers, name = _numbers(one.get("questions"), count), str(one.get("fact") or "").strip()
        if numbers is None or not name:
            return f"the check of the questions has the fact {name!r} with no list of numbers 1 to {count}."
        if not numbers:
            complaints.append(f"no question asks {name!r}")
        if len(numbers) > 1:
            complaints.append(f"questions {_listed(numbers)} all ask {name!r}")
        asked += numbers
    if others := sorted(set(range(1, count + 1)) - set(asked)):
        complaints.append(f"what question {_listed(others)} asks is not in the prompt")
    if several := sorted({number for number in asked if asked.count(number) > 1}):
        complaints.append(f"question {_listed(several)} asks several facts at once")
    return "; ".join(complaints) + ("." if complaints else "")


def as_row(cycle: Cycle) -> dict[str, Any]:
    """The row of a question file that reads back as this."""
    questions = []
    for one in cycle.questions:
        row: dict[str, Any] = {"qid": one.qid, "format": one.kind, "question": one.text}
        row |= {"options": list(one.options)} if one.options else {}
        row |= {"keywords": list(one.keywords)} if one.keywords else {}
        questions.append(row | ({"reference": one.reference} if one.reference else {}))
    return {
        "prompt_id": cycle.prompt_id,
        "category": cycle.category,
        "prompt": cycle.prompt,
        "questions": questions,
    }


def _numbers(value: object, count: int) -> list[int] | None:
    """Distinct numbers from 1 to ``count``; None where it is no list of such."""
    if not isinstance(value, list):
        return None
    good = all(type(one) is int and 1 <= one <= count for one in value)
    return sorted(set(value)) if good else None


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
