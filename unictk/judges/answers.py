"""What a grader is: questions, references and answers in words in, grades out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

GRADES = (0.0, 0.5, 1.0)
"""Wrong, partly right, right (UniCTokens, section 4)."""


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """An answer to be compared with the reference; ``name`` is the concept's, which counts for nothing."""

    question: str
    reference: str
    answer: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """One of :data:`GRADES`, or None where the grader's words held none; ``analysis``: its words."""

    score: float | None
    analysis: str = ""
    status: Literal["ok", "unparsable"] = "ok"


@runtime_checkable
class Grader(Protocol):
    """Grades answers. ``name`` stands in every result that it gave."""

    name: str

    def grade(self, requests: Sequence[AnswerRequest]) -> list[Grade]:
        """A grade per request, each what the request alone would get."""
        ...


@runtime_checkable
class Converser(Protocol):
    """Replies to whole conversations, for whoever has words of his own to ask a judge with."""

    name: str

    def ask(self, conversations: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
        """The reply to each conversation (messages with ``role`` and ``content``), on its own."""
        ...
