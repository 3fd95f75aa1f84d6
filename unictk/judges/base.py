"""What a judge is: prompts and pictures in, verdicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from unictk.sprites.asked import Asked

Status = Literal["ok", "miscounted", "unreadable", "unparsable"]
"""How judging went: ``miscounted`` is a picture with another number of things than the prompt describes,
``unreadable`` one in which nothing can be made out, ``unparsable`` a prompt that this judge cannot read."""


BEST = 10
"""The highest score."""


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """A picture (3, H, W) of floats in [0, 1] that was drawn from ``prompt``.

    ``category`` is the prompt's, if it has one. ``expected`` is what the prompt asks, where whoever wrote the
    prompt knows it; a judge that reads prompts itself does so only where it is None. ``about`` is what a
    judge must know beside the prompt: who a concept is, and which of its facts the prompt implies. ``codes``
    are those that a backbone drew the picture in: exactly what it sees of its own picture.
    """

    prompt: str
    image: Tensor
    category: str = ""
    expected: Asked | None = None
    about: str = ""
    codes: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score from 0 to 10 (None: there is none), what is right point by point, and the judge's words."""

    score: float | None
    right: Mapping[str, bool] = field(default_factory=dict)
    analysis: str = ""
    status: Status = "ok"

    @property
    def share(self) -> float:
        """Share of points that are right; of a judge that names no points, a tenth of its score."""
        if self.right:
            return sum(self.right.values()) / len(self.right)
        return (self.score or 0.0) / BEST

    @property
    def all_right(self) -> bool:
        """Whether every point and the number of things are right."""
        right = all(self.right.values()) if self.right else self.score == BEST
        return self.status == "ok" and right


@runtime_checkable
class Judge(Protocol):
    """Scores pictures. ``name`` stands in every result that it gave."""

    name: str

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """A verdict per request, each what the request alone would get."""
        ...
