"""Best of n: which picture of a prompt wins, which loses, and whether the prompt is kept (appendix A).

Written out, so that everybody gets the same from the same scores:

* a picture whose judgement has no score takes part in nothing;
* a group needs ``least_valid`` scores (of all its rollouts, if it has fewer), and its best at least
  ``threshold``: else it is rejected;
* the winner has the highest score; of equal ones the highest expected score, one without an expected score
  behind those with one; of these the lowest rollout;
* the loser has the lowest score; of equal ones the lowest expected score, again those without behind; of
  these the lowest rollout. Its score is lower than the winner's and its picture another, pixel by pixel;
  where there is no such rollout, there is no loser.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le

from unictk.selfplay.answers import HIGHEST, judgement_text

if TYPE_CHECKING:
    from torch import Tensor

DIGITS = 5
"""Expected scores are rounded as records are."""

SCORES = tuple(str(score) for score in range(HIGHEST + 1))
"""The scores as closed answers for ``Backbone.choose``, where the question asks for the number alone."""

Reason = Literal["kept", "too_few_scores", "below_threshold"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rollout with what the judge gave it; ``image_sha256`` tells equal pictures."""

    rollout: int
    score: float | None
    expected: float | None = None
    image_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """What becomes of a group. ``best`` is also told of rejected groups, if anything has a score.

    ``ranked`` are all candidates with a score, best first; ``loser`` is None where there is none. ``gap`` is
    how far it is behind the winner: their scores' difference, 0 without a loser.
    """

    reason: Reason
    ranked: tuple[Candidate, ...]
    loser: Candidate | None
    gap: float = 0.0

    @property
    def kept(self) -> bool:
        """Whether the group is trained on."""
        return self.reason == "kept"

    @property
    def best(self) -> Candidate | None:
        """The winner, or None where nothing has a score."""
        return self.ranked[0] if self.ranked else None


def select(
    group: Sequence[Candidate],
    threshold: Annotated[float, Ge(0), Le(HIGHEST)] = 7.0,
    least_valid: Annotated[int, Ge(1)] = 4,
) -> Selection:
    """Winner, loser and verdict on the group, by the rules above."""
    valid = [one for one in group if one.score is not None]
    ranked = tuple(sorted(valid, key=lambda one: (-_score(one), -_expected(one, -math.inf), one.rollout)))
    if len(valid) < min(least_valid, len(group)) or not valid:
        return Selection("too_few_scores", ranked, None)
    worse = [
        one
        for one in ranked
        if _score(one) < _score(ranked[0])
        and (not one.image_sha256 or one.image_sha256 != ranked[0].image_sha256)
    ]
    loser = min(worse, key=lambda one: (_score(one), _expected(one, math.inf), one.rollout), default=None)
    gap = 0.0 if loser is None else _score(ranked[0]) - _score(loser)
    return Selection("kept" if _score(ranked[0]) >= threshold else "below_threshold", ranked, loser, gap)


def expected_score(log_probabilities: Tensor) -> list[float]:
    """Mean score under the judge's own probabilities.

    Args:
        log_probabilities: (n, 11) as ``Backbone.choose`` gives them for :data:`SCORES` or
            :func:`score_options`; they need not sum to one.

    Returns:
        n numbers from 0 to 10, rounded.

    Raises:
        ValueError: another number of options, or a row in which nothing has a probability.
    """
    if log_probabilities.ndim != 2 or log_probabilities.shape[1] != len(SCORES):
        raise ValueError(
            f"expected (n, {len(SCORES)}) log probabilities, found {tuple(log_probabilities.shape)}"
        )
    shares = log_probabilities.detach().double().cpu().softmax(-1)
    if not bool(shares.isfinite().all()):
        raise ValueError("a row of log probabilities is not finite: no score has a probability")
    scale = shares.new_tensor([float(score) for score in SCORES])
    return [round(one, DIGITS) for one in (shares @ scale).tolist()]


def score_options(analysis: str) -> tuple[str, ...]:
    """The scores as ends of a whole judgement with these reasons, where reasons are to be given first."""
    return tuple(judgement_text(analysis, float(score)) for score in SCORES)


def _score(one: Candidate) -> float:
    assert one.score is not None
    return one.score


def _expected(one: Candidate, missing: float) -> float:
    return missing if one.expected is None else one.expected
