import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.metrics.bootstrap import Interval, bootstrap_mean, paired_difference

SCORE = st.floats(-100, 100).map(lambda x: round(x, 3))
SCORES = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 9), SCORE, min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)


def table(rows: np.ndarray) -> dict[str, dict[int | str, float]]:
    return {f"c{i}": {j: float(x) for j, x in enumerate(row)} for i, row in enumerate(rows)}


def covered(concepts: int, seeds: int, spread: float, trials: int = 300) -> float:
    """Share of intervals that hold the true mean 0; concepts vary by ``spread``, seeds by 0.5."""
    chance = np.random.default_rng(1)
    hits = 0
    for _ in range(trials):
        rows = chance.normal(0, spread, (concepts, 1)) + chance.normal(0, 0.5, (concepts, seeds))
        found = bootstrap_mean(table(rows), resamples=400)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0 <= found.high
    return hits / trials


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    assert 0.90 <= covered(20, 3, spread=1.0) <= 0.985
    assert 0.88 <= covered(20, 1, spread=1.0) <= 0.975
    # What the documentation warns of: with five concepts they are too narrow.
    assert 0.78 <= covered(5, 3, spread=1.0) <= 0.92


def test_seeds_alone_would_promise_too_much() -> None:
    chance = np.random.default_rng(2)
    rows = chance.normal(0, 1, (12, 1)) + chance.normal(0, 0.05, (12, 8))
    whole = bootstrap_mean(table(rows))
    pooled = bootstrap_mean({"all": {i: float(x) for i, x in enumerate(rows.ravel())}})
    assert whole.mean == pytest.approx(pooled.mean)
    assert width(whole) > 2 * width(pooled)


def width(found: Interval) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_one_concept_resamples_its_seeds() -> None:
    scores = {"bo": {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}}
    found = bootstrap_mean(scores)
    values = np.random.default_rng(5).choice([0.0, 1.0, 2.0, 3.0], (20000, 4)).mean(axis=1)
    low, high = np.quantile(values, [0.025, 0.975])
    assert (found.mean, found.concepts, found.count) == (1.5, 1, 4)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05)


def test_one_score_has_no_interval() -> None:
    assert bootstrap_mean({"bo": {0: 0.7}}) == Interval(0.7, None, None, 1, 1)


def test_a_concept_counts_once_however_many_seeds_it_has() -> None:
    scores = {"a": dict.fromkeys(range(99), 0.0), "b": {0: 1.0}}
    found = bootstrap_mean(scores)
    assert (found.mean, found.low, found.high, found.count) == (0.5, 0.0, 1.0, 100)


@settings(max_examples=60, deadline=None)
@given(SCORES, st.randoms(use_true_random=False))
def test_properties(scores: dict, chance: object) -> None:
    found = bootstrap_mean(scores, resamples=100)
    means = [np.mean(list(seeds.values())) for seeds in scores.values()]
    assert found.mean == pytest.approx(np.mean(means))
    assert found.concepts == len(scores)
    if found.low is not None and found.high is not None:
        flat = [x for seeds in scores.values() for x in seeds.values()]
        assert min(flat) - 1e-9 <= found.low <= found.high <= max(flat) + 1e-9
    shuffled = list(scores.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    again = {name: dict(reversed(list(seeds.items()))) for name, seeds in shuffled}
    assert bootstrap_mean(again, resamples=100) == found
    assert bootstrap_mean(
        {n: {s: x + 1 for s, x in v.items()} for n, v in scores.items()}, resamples=100
    ) == (Interval(*(shifted(x) for x in dataclasses.astuple(found)[:3]), found.concepts, found.count))


def shifted(value: float | None) -> object:
    return None if value is None else pytest.approx(value + 1)


def test_pairs_remove_what_both_arms_share() -> None:
    chance = np.random.default_rng(3)
    easy = chance.normal(0, 5, (10, 1))
    one = easy + 0.3 + chance.normal(0, 0.1, (10, 3))
    other = easy + chance.normal(0, 0.1, (10, 3))
    found = paired_difference(table(one), table(other))
    assert found is not None
    assert found.low is not None
    assert 0 < found.low < 0.3 < (found.high or 0)
    assert found.mean == pytest.approx(bootstrap_mean(table(one)).mean - bootstrap_mean(table(other)).mean)
    assert width(found) < width(bootstrap_mean(table(one))) / 20
    back = paired_difference(table(other), table(one))
    assert back is not None
    assert (back.mean, back.low) == pytest.approx((-found.mean, -(found.high or 0)), abs=1e-9)


def test_only_pairs_count() -> None:
    one = {"a": {0: 1.0, 1: 5.0}, "b": {0: 9.0}, "c": {2: 0.0}}
    other = {"a": {0: 0.5, 7: 9.0}, "b": {1: 9.0}, "d": {0: 0.0}}
    assert paired_difference(one, other) == Interval(0.5, None, None, 1, 1)
    assert paired_difference({"a": {0: 1.0}}, {"a": {1: 1.0}}) is None


@pytest.mark.parametrize("scores", [{}, {"a": {}}, {"a": {0: float("nan")}}, {"a": {0: 1.0}, "b": {}}])
def test_what_is_no_table_of_scores_is_refused(scores: dict) -> None:
    with pytest.raises(ValueError, match="score"):
        bootstrap_mean(scores)


def test_a_level_is_a_share() -> None:
    with pytest.raises(ValueError, match="level"):
        bootstrap_mean({"a": {0: 1.0, 1: 2.0}}, level=95)


def test_many_scores_give_the_interval_of_the_normal_distribution() -> None:
    chance = np.random.default_rng(0)
    rows = chance.normal(0, 1, (700, 1)) + chance.normal(0, 0.3, (700, 10))
    found = bootstrap_mean(table(rows), resamples=300)
    assert width(found) == pytest.approx(2 * 1.96 * rows.mean(axis=1).std() / 700**0.5, rel=0.2)
