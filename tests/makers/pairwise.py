"""Choices of options such that every two options of two groups meet in one of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import combinations

Choice = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]
TRIES = 24


def pairs_of(choice: Mapping[str, str]) -> set[Pair]:
    """Every two options of the choice, in the order of their groups."""
    return set(combinations(sorted(choice.items()), 2))


def every_pair(groups: Mapping[str, Sequence[str]]) -> set[Pair]:
    """Every two options of two groups."""
    return {
        ((one, left), (other, right))
        for one, other in combinations(sorted(groups), 2)
        for left in groups[one]
        for right in groups[other]
    }


def covering(groups: Mapping[str, Sequence[str]], least: int, seed: int = 0) -> list[Choice]:
    """At least so many choices, the same for a seed, that together hold every pair.

    Each begins with a pair that is not there yet; of a few ways to go on, that with most new pairs is taken.
    """
    chance = random.Random(seed)
    left = every_pair(groups)
    found: list[Choice] = []
    while left or len(found) < least:
        begin = dict(min(left)) if left else {}
        tries = [_completed(begin, groups, left, chance) for _ in range(TRIES if left else 1)]
        best = max(tries, key=lambda choice: len(pairs_of(choice) & left))
        left -= pairs_of(best)
        found.append(best)
    return found


def _completed(
    begin: Choice, groups: Mapping[str, Sequence[str]], left: set[Pair], chance: random.Random
) -> Choice:
    """The rest of a choice, group by group in any order: the option that meets most new partners."""
    choice = dict(begin)
    rest = [group for group in sorted(groups) if group not in choice]
    chance.shuffle(rest)
    for group in rest:
        options = chance.sample(list(groups[group]), len(groups[group]))
        choice[group] = max(
            options,
            key=lambda option, group=group: sum(  # type: ignore[misc]
                tuple(sorted([(group, option), item])) in left for item in choice.items()
            ),
        )
    return choice
