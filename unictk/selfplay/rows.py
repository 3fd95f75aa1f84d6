"""The records of self-play: one row a proposal, a rating, a rollout, a judgement, a lesson.

All are keyed by ``sample_id``, which says what a row is and not who made it. They hold relative paths only,
and are equal between two equal runs except for columns named by :data:`VOLATILE`.
"""

from __future__ import annotations

from dataclasses import dataclass

VOLATILE = ("time", "seconds", "host", "run_id")
"""Columns whose names contain one of these may differ between two equal runs."""


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """One attempt at a prompt: what the proposer wrote, and what became of it.

    ``status``: ``accepted``, or why not (see :data:`~unictk.selfplay.acceptance.Refusal`). ``prompt_uid`` and
    ``number`` (among the accepted ones of its category) are those of the accepted prompt, else empty and -1.
    """

    sample_id: str
    round: int
    category: str
    subcategory: str
    asked_subcategory: str
    slot: int
    attempt: int
    seed: int
    demonstrations: tuple[str, ...]
    raw_text: str
    status: str
    prompt: str
    number: int
    prompt_uid: str


@dataclass(frozen=True, slots=True)
class RatingRow:
    """What the model said of one of its prompts when demonstrations were chosen.

    ``event`` counts the choices of a category from 0. ``place`` is the place in the draw, ``chosen`` the one
    among the demonstrations, or -1. ``raw_text`` is None where the model cannot be asked (``unasked``).
    """

    sample_id: str
    round: int
    category: str
    event: int
    place: int
    prompt_uid: str
    seed: int
    raw_text: str | None
    again_text: str | None
    score: float | None
    status: str
    chosen: int


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One picture of a prompt. ``image`` is its file, relative to the run folder.

    ``codes`` are the bytes of what the model itself drew (codes or latents): they re-train exactly. ``plan``
    is what it drew from, where it first put the prompt into words of its own; else empty.
    """

    sample_id: str
    round: int
    prompt_uid: str
    category: str
    subcategory: str
    prompt: str
    rollout: int
    seed: int
    guidance: float
    temperature: float
    steps: int
    solver: str
    image: str
    image_sha256: str
    width: int
    height: int
    codes: bytes | None
    codes_dtype: str
    codes_shape: tuple[int, ...]
    seconds: float
    plan: str = ""


@dataclass(frozen=True, slots=True)
class JudgementRow:
    """What the judge said of the rollout with the same ``sample_id``.

    ``score`` is None unless ``status`` is ok. ``expected`` is the mean of the scores by their probabilities,
    where it was asked for. ``attempts``: 2 where the question had to be asked again.
    """

    sample_id: str
    round: int
    prompt_uid: str
    category: str
    rollout: int
    judge: str
    wording: str
    status: str
    score: float | None
    expected: float | None
    analysis: str
    raw_text: str
    rung: str
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment of a sample: text, or a picture by its path and, if they are known, its codes."""

    text: str | None
    image: str | None
    target: bool
    key: str
    codes: bytes | None
    codes_dtype: str
    codes_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LessonRow:
    """A sample to train on: what kind it is, which rollouts it comes from, and its segments.

    ``winner`` and ``loser`` are ``sample_id`` of rollouts. A judgement's picture stands as ``winner``,
    whatever its score is; ``loser`` is empty but for reflection. ``score`` is the winner's, ``gap`` how much
    lower the loser's is; None where somebody else than the judge has chosen a picture without a score.
    """

    sample_id: str
    kind: str
    round: int
    category: str
    prompt_uid: str
    prompt: str
    flavour: str
    winner: str
    loser: str
    score: float | None
    gap: float | None
    segments: tuple[SegmentRow, ...]


Row = ProposalRow | RatingRow | RolloutRow | JudgementRow | LessonRow
"""Anything that lies in a shard."""
