"""Confidence intervals over concepts and seeds by the bootstrap, in NumPy alone.

Scores come as concept -> seed -> score. A resample draws concepts with replacement first, then, within each
concept drawn, as many of its seeds with replacement; its value is the mean over concepts of the mean over
seeds. The interval is that between percentiles of the resamples' values. Concepts are what varies most and
what a claim is about, hence they are drawn first; with one concept only its seeds are drawn, and the interval
says nothing about other concepts.

Percentile intervals are too narrow for few concepts: of five, those meant to hold the true mean in 95 % of
cases do so in about 85 %. Noise of seeds is in the concepts' means and is drawn once more, so that intervals
are too wide, at most by a factor of 1.4, where seeds differ more than concepts do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Scores = Mapping[str, Mapping[int | str, float]]
"""Concept -> seed -> score."""

LEVEL = 0.95
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the interval around it, and how many concepts and scores it comes from.

    ``low`` and ``high`` are None where a single score leaves nothing to resample.
    """

    mean: float
    low: float | None
    high: float | None
    concepts: int
    count: int


def bootstrap_mean(
    scores: Scores, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The mean over concepts of the mean over seeds, with its interval.

    The order of concepts and seeds does not matter; equal scores and ``seed`` give equal intervals.

    Raises:
        ValueError: there is no score, a concept has none, one is not finite, or ``level`` is no share.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    values = _in_order(scores)
    mean = float(np.mean([one.mean() for one in values]))
    flat = np.concatenate(values)
    if len(flat) == 1:
        return Interval(mean, None, None, 1, 1)
    sizes = tuple(len(one) for one in values)
    means = _weights(sizes, resamples, seed) @ flat
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), len(values), len(flat))


def paired_difference(
    one: Scores, other: Scores, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """``one`` minus ``other`` where both have a score of the same concept and seed; None where they never do.

    Pairs share what makes a concept easy or a seed lucky, so that their difference varies less than the
    difference of two means.

    Raises:
        ValueError: as :func:`bootstrap_mean`, of the pairs.
    """
    pairs = {
        concept: {seed: seeds[seed] - other[concept][seed] for seed in seeds if seed in other[concept]}
        for concept, seeds in one.items()
        if concept in other
    }
    shared = {concept: seeds for concept, seeds in pairs.items() if seeds}
    return bootstrap_mean(shared, level, resamples, seed) if shared else None


def _in_order(scores: Scores) -> list[NDArray[np.float64]]:
    """The scores of each concept, sorted by name and seed, so that no order of files takes part."""
    if not scores or not all(scores.values()):
        raise ValueError("every concept needs a score, and there must be one")
    values = [
        np.array([seeds[seed] for seed in sorted(seeds, key=str)], dtype=np.float64)
        for _, seeds in sorted(scores.items())
    ]
    if not all(np.isfinite(one).all() for one in values):
        raise ValueError("a score is not finite")
    return values


@lru_cache(maxsize=8)
def _weights(sizes: tuple[int, ...], resamples: int, seed: int) -> NDArray[np.float64]:
    """Each score's weight in each resample, (resamples, scores); rows add up to 1.

    They depend on how many seeds each concept has and on nothing else, hence serve every metric.
    """
    chance = np.random.default_rng(seed)
    count = len(sizes)
    concepts = chance.multinomial(count, np.full(count, 1 / count), size=resamples)
    # A concept drawn k times has its seeds drawn k times anew: k * size draws among its seeds.
    drawn = [
        chance.multinomial(concepts[:, i] * size, np.full(size, 1 / size)) / (size * count)
        for i, size in enumerate(sizes)
    ]
    return np.concatenate(drawn, axis=1)
