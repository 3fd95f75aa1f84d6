"""Which prompts are shown to the proposer as examples: the best of a draw from what it wrote so far.

UniCorn, section 3.3.1: of a first batch, written without examples, the best by the model's own score is the
first example; from then on, after every period, some prompts are drawn from the library and scored, and the
best become the next examples. The scores are of prompts alone, without a picture.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from unictk.chance import seed_of
from unictk.selfplay.answers import Scored, read_judgement
from unictk.selfplay.rows import RatingRow
from unictk.selfplay.shards import DIGITS
from unictk.selfplay.wording import Demonstration

AGAIN = 0.3
"""Temperature of the one more try where an answer holds no score; the first is greedy."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A drawn prompt: its place in the library and in the draw, and what was said of it."""

    number: int
    place: int
    shown: Demonstration
    first: str | None
    again: str | None

    @property
    def scored(self) -> Scored:
        """The score: of the first answer, or where that cannot be read, of the second."""
        if self.first is None:
            return Scored(None, "unparsed")
        return read_judgement(self.first if self.again is None else self.again)


def drawn(library: int, count: int, event: int, *chance: object) -> list[int]:
    """Places in a library of that size: all of it in order for the first event, else ``count`` by chance."""
    if event == 0:
        return list(range(library))
    return random.Random(seed_of("draw", event, *chance)).sample(range(library), min(count, library))


def chosen(rated: Sequence[Rated], count: int, before: Sequence[Demonstration]) -> list[Rated]:
    """The best ``count``, best first.

    Higher scores come first, of equal ones the longer prompt, of these the earlier one; then, in the order of
    the draw, those without a score. If that gives the very prompts shown before, the last one makes way for
    the next best, if there is one.
    """
    scored = [one for one in rated if one.scored.score is not None]
    ranked = sorted(scored, key=lambda one: (-(one.scored.score or 0.0), -len(one.shown.prompt), one.number))
    ranked += [one for one in rated if one.scored.score is None]
    best = ranked[:count]
    if len(ranked) > count > 0 and {one.shown for one in best} == set(before):
        best[-1] = ranked[count]
    return best


def rating_rows(
    rated: Sequence[Rated],
    best: Sequence[Rated],
    step: str,
    event: int,
    round_number: int,
    category: str,
    seeds: Sequence[int],
) -> list[RatingRow]:
    """What is kept of the event, in the order of the draw."""
    return [
        RatingRow(
            sample_id=f"{step}-{one.place:02d}",
            round=round_number,
            category=category,
            event=event,
            place=one.place,
            prompt_uid=one.shown.prompt_uid,
            seed=seed,
            raw_text=one.first,
            again_text=one.again,
            score=None if one.scored.score is None else round(one.scored.score, DIGITS),
            status="unasked" if one.first is None else one.scored.status,
            chosen=best.index(one) if one in best else -1,
        )
        for one, seed in zip(rated, seeds, strict=True)
    ]
