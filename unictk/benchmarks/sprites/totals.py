"""From scored items to metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unictk.benchmarks.work import Found, means

CORRELATIONS = {"judge_spearman": "judge_score", "judge_asked_spearman": "judge_asked"}
"""Rank correlations with ``judge_truth``."""


def totals(found: Found) -> dict[str, tuple[float, int]]:
    """Value and number of items of every metric: means, ``known``, ``compared`` and the rank correlations."""
    values = means(found)
    return values | _recognition(values, "known") | _recognition(values, "compared") | _correlations(found)


def _recognition(values: Mapping[str, tuple[float, int]], name: str) -> dict[str, tuple[float, int]]:
    """Recall of positives and the mean recall of both kinds of negatives, averaged; chance is 0.5."""
    kinds = [f"{name}_{kind}" for kind in ("positive", "random", "hard")]
    if any(kind not in values for kind in kinds):
        return {}
    positive, *negative = (values[kind][0] for kind in kinds)
    count = sum(values[kind][1] for kind in kinds)
    return {name: ((positive + sum(negative) / len(negative)) / 2, count)}


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
