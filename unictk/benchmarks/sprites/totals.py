"""From scored items to metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unictk.benchmarks.work import Found, means

CORRELATIONS = {"judge_spearman": "judge_score", "judge_asked_spearman": "judge_asked"}
"""Rank correlations with ``judge_truth``."""


def totals(found: Found) -> dict[str, tuple[float, int]]:
    """Value and number of items of every metric: means, ``known`` and the rank correlations."""
    values = means(found)
    return values | _known(values) | _correlations(found)


def _known(values: Mapping[str, tuple[float, int]]) -> dict[str, tuple[float, int]]:
    """Recall of positives and the mean recall of both kinds of negatives, averaged; chance is 0.5."""
    names = ("known_positive", "known_random", "known_hard")
    if any(name not in values for name in names):
        return {}
    positive, *negative = (values[name][0] for name in names)
    count = sum(values[name][1] for name in names)
    return {"known": ((positive + sum(negative) / len(negative)) / 2, count)}


def _correlations(found: Found) -> dict[str, tuple[float, int]]:
    truth = found.get("judge_truth", ())
    pairs = {name: found.get(source, ()) for name, source in CORRELATIONS.items()}
    return {name: (spearman(scores, truth), len(truth)) for name, scores in pairs.items() if truth}


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one of the two never changes."""
    if min(len(set(one)), len(set(other))) < 2:
        return 0.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1, equal values at the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = count.cumsum()
    return (last - (count - 1) / 2)[place]
