"""Who says whether an answer is right: a rule, an external judge that reads the prompt, or any other grader.

Like the published one, the external judge sees words only. It is told the task type, the prompt, question,
answer and reference, and says yes or no; of keywords, how many the answer has (UniCorn, appendix D). Its
wording here is our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from unictk.benchmarks.unicycle.questions import Cycle, Question
from unictk.benchmarks.unicycle.rules import score_of
from unictk.judges.answers import AnswerRequest, Converser, Grader
from unictk.judges.base import Judge
from unictk.judges.rules import RulesJudge
from unictk.judges.scores import read_field

ANSWERS = (
    "You check answers to questions about a picture that you do not see. The picture was to show what the "
    "image prompt says, so the prompt alone tells what is right. Look only at what the task type is about "
    "and at what the question asks; the reference answer tells which wordings mean the same. An answer "
    "that refuses, hedges, says several different things, or says what the prompt does not support is "
    "wrong. Upper and lower case, punctuation, spaces and small misspellings do not matter. Reply with "
    'one JSON object and nothing else: {"question": "<the question>", "answer": "<the answer>", '
    '"evaluation": "yes" or "no"}.'
)

KEYWORDS = (
    "You check which words somebody has read in a picture that you do not see. The picture was to show "
    "what the image prompt says. Count how many of the required words the answer has; a word that is "
    "required twice counts twice if it is there twice. Upper and lower case, punctuation, spaces and "
    "small misspellings do not matter; words that are not required do not count. Reply with one JSON "
    'object and nothing else: {"question": "<the question>", "answer": "<the answer>", "evaluation": '
    '"<the number>"}.'
)

_COUNT = re.compile(r"\s*(\d+)\s*(?:/\s*(\d+)\s*)?")


@dataclass(frozen=True, slots=True)
class Answered:
    """What the model answered to a question about its own picture."""

    cycle: Cycle
    question: Question
    answer: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A score from 0 to 1 and a judge's words; where ``parsed`` is false they held none, so it is 0."""

    score: float
    reply: str = ""
    parsed: bool = True


class Marker(Protocol):
    """Marks answers. ``replies``: it has words of its own, which are worth keeping."""

    name: str
    replies: bool

    def mark(self, asked: Sequence[Answered]) -> list[Mark]:
        """A mark per answer, each what the answer alone would get."""
        ...


class RuleMarker:
    """By rule; ``strict``: see :func:`~unictk.benchmarks.unicycle.rules.score_of`."""

    name = "rules"
    replies = False

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict

    def mark(self, asked: Sequence[Answered]) -> list[Mark]:
        """A mark per answer."""
        return [Mark(score_of(one.question, one.answer, self.strict)) for one in asked]


class ExternalMarker:
    """By a model that is told the prompt."""

    replies = True

    def __init__(self, judge: Converser) -> None:
        self.judge = judge
        self.name = judge.name

    def mark(self, asked: Sequence[Answered]) -> list[Mark]:
        """A mark per answer."""
        replies = self.judge.ask([conversation(one) for one in asked])
        return [read_mark(one.question, reply) for one, reply in zip(asked, replies, strict=True)]


class GraderMarker:
    """By a grader that compares answers with references: right is right, partly right is not.

    Keywords are counted by rule: a grade says nothing of how many there are.
    """

    replies = True

    def __init__(self, grader: Grader) -> None:
        self.grader = grader
        self.name = grader.name

    def mark(self, asked: Sequence[Answered]) -> list[Mark]:
        """A mark per answer."""
        graded = [one for one in asked if one.question.kind != "keywords"]
        requests = [
            AnswerRequest(one.question.listed(), one.question.reference, one.answer) for one in graded
        ]
        grades = iter(self.grader.grade(requests) if requests else ())
        found = []
        for one in asked:
            if one.question.kind == "keywords":
                found.append(Mark(score_of(one.question, one.answer)))
                continue
            grade = next(grades)
            found.append(Mark(float(grade.score == 1), grade.analysis, grade.status == "ok"))
        return found


def marker_of(judge: Judge | Grader | None) -> Marker:
    """Who marks when this judge is configured: it itself if it grades answers, else the rule."""
    if isinstance(judge, Converser):
        return ExternalMarker(judge)
    if isinstance(judge, Grader) and not isinstance(judge, RulesJudge):
        return GraderMarker(judge)
    return RuleMarker()


def conversation(asked: Answered) -> list[dict[str, Any]]:
    """What the external judge is told."""
    question = asked.question
    wanted = "REQUIRED_WORDS" if question.kind == "keywords" else "REFERENCE"
    lines = {
        "TASK_TYPE": asked.cycle.category,
        "IMAGE_PROMPT": asked.cycle.prompt,
        "QUESTION": question.lettered() if question.options else question.text,
        "ANSWER": asked.answer,
        wanted: f"{question.letter}. {question.reference}" if question.options else question.expected,
    }
    return [
        {"role": "system", "content": KEYWORDS if question.kind == "keywords" else ANSWERS},
        {"role": "user", "content": "\n".join(f"{name}: {value}" for name, value in lines.items())},
    ]


def read_mark(question: Question, reply: str) -> Mark:
    """The mark in a reply: yes or no, or a number of keywords that is not larger than there are."""
    said = read_field(reply, "evaluation")
    if isinstance(said, int) and not isinstance(said, bool):
        said = str(said)
    if isinstance(said, str):
        if question.kind != "keywords" and said.strip().lower() in ("yes", "no"):
            return Mark(float(said.strip().lower() == "yes"), reply)
        most, count = len(question.keywords), _COUNT.fullmatch(said)
        if question.kind == "keywords" and count and int(count[1]) <= most == int(count[2] or most):
            return Mark(int(count[1]) / most, reply)
    return Mark(0.0, reply, parsed=False)
