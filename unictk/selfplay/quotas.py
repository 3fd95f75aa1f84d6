"""How many samples of each kind, and which ones: dealt evenly over categories, whatever is read first."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from annotated_types import Ge

BINS = ((0.0, 4.0), (4.0, 7.0), (7.0, 9.0), (9.0, math.inf))
"""Scores are drawn evenly from these bins (0 to 3, 4 to 6, 7 to 8, 9 to 10); each includes its lower end."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Quotas:
    """Most samples of each kind. The paper's are 5,000, 5,000, 3,000 and 1,000 of 5,000 prompts."""

    generation: Annotated[int, Ge(0)]
    caption: Annotated[int, Ge(0)]
    judgement: Annotated[int, Ge(0)]
    reflection: Annotated[int, Ge(0)]

    @classmethod
    def of(cls, prompts: int) -> Quotas:
        """The paper's proportions, 5 : 5 : 3 : 1, where 5 stands for one sample a prompt."""
        return cls(prompts, prompts, prompts * 3 // 5, prompts // 5)


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas as a request gives them: of each kind a number (0 leaves it out), or None for the paper's share.

    The paper's share is of the groups that are kept, which nobody knows before.
    """

    generation: Annotated[int, Ge(0)] | None = None
    caption: Annotated[int, Ge(0)] | None = None
    judgement: Annotated[int, Ge(0)] | None = None
    reflection: Annotated[int, Ge(0)] | None = None

    def of(self, kept: int) -> Quotas:
        """The quotas where so many groups are kept."""
        share = Quotas.of(kept)
        return Quotas(
            share.generation if self.generation is None else self.generation,
            share.caption if self.caption is None else self.caption,
            share.judgement if self.judgement is None else self.judgement,
            share.reflection if self.reflection is None else self.reflection,
        )


def bin_of(score: float) -> int:
    """Which of :data:`BINS` a score from 0 to 10 is in."""
    return next(number for number, (low, high) in enumerate(BINS) if low <= score < high)


def dealt(cells: Mapping[K, Sequence[T]], count: int) -> list[T]:
    """``count`` things, one of each cell by turns, each cell's in their order; fewer if there are no more."""
    found: list[T] = []
    left: dict[K, Iterator[T]] = {cell: iter(things) for cell, things in cells.items()}
    while left and len(found) < count:
        for cell in list(left):
            thing = next(left[cell], None)
            if thing is None:
                del left[cell]
            elif len(found) < count:
                found.append(thing)
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """A picture that could be a judgement: where it is from, its score's bin, and its place in a lottery."""

    category: str
    group: str
    rollout: int
    bin: int
    lot: int


def stratified(places: Iterable[Place], categories: Sequence[str], count: int, each: int) -> list[Place]:
    """At most ``count`` places, at most ``each`` of a group: even over categories, then over bins of scores.

    Categories take turns; in its turn a category takes from the bin from which it has taken least (of equal
    ones the lowest) the place with the lowest lot. As many are taken as the groups allow, in this order.
    """
    cells: dict[str, dict[int, list[Place]]] = {name: defaultdict(list) for name in categories}
    for one in sorted(places, key=lambda place: (place.lot, place.group, place.rollout), reverse=True):
        cells[one.category][one.bin].append(one)
    used: Counter[str] = Counter()
    taken: Counter[tuple[str, int]] = Counter()
    found: list[Place] = []
    waiting = list(categories)
    while waiting and len(found) < count:
        for name in list(waiting):
            place = _next(cells[name], used, each, {number: taken[name, number] for number in cells[name]})
            if place is None:
                waiting.remove(name)
            elif len(found) < count:
                found.append(place)
                used[place.group] += 1
                taken[name, place.bin] += 1
    return found


def _next(
    bins: dict[int, list[Place]], used: Counter[str], each: int, taken: Mapping[int, int]
) -> Place | None:
    for number in sorted(bins, key=lambda one: (taken[one], one)):
        while bins[number]:
            place = bins[number].pop()
            if used[place.group] < each:
                return place
    return None
