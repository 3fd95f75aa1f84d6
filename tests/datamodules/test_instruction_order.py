"""The order of an epoch: shares, passes, shards; a function of the seed and the place alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from unictk.datamodules.instructions.order import ROUND, Ends, Order, quotas


def order(
    *sizes: list[int], weights: list[float], neighbours: int = 100, ends: Ends = "longest", seed: int = 0
) -> Order:
    return Order([np.array(size) for size in sizes], weights, (seed, "s2"), neighbours, ends)


def test_quotas_are_the_weights() -> None:
    assert quotas([1, 1]) == [5000, 5000]
    assert quotas([3, 1, 0]) == [7500, 2500, 0]
    assert sum(quotas([1, 1, 1])) == ROUND
    assert quotas([1, 1e-9]) == [ROUND - 1, 1], "whoever has some weight is seen"


def test_shares_hold_in_every_stretch() -> None:
    made = order([500], [300, 200], [50], weights=[0.5, 0.3, 0.2])
    seen = [made.at(0, position)[0] for position in range(1000)]
    for first in range(0, 1000, 50):
        found = Counter(seen[first : first + 50])
        assert [abs(found[source] - 50 * share) <= 2 for source, share in enumerate((0.5, 0.3, 0.2))] == [
            True
        ] * 3
    assert Counter(seen)[2] == pytest.approx(200, abs=1)


@pytest.mark.parametrize("neighbours", [1, 4, 7, 1000])
def test_every_record_once_a_pass(neighbours: int) -> None:
    made = order([4, 0, 7, 2], [5], weights=[1, 1], neighbours=neighbours)
    assert made.length == 26, "13 records at half of the positions"
    for epoch in (0, 3):
        places = [made.at(epoch, position) for position in range(made.length)]
        assert sorted(number for source, number, _ in places if source == 0) == list(range(13))
        again = [[n for s, n, turn in places if (s, turn) == (1, t)] for t in (0, 1)]
        assert [sorted(one) for one in again] == [list(range(5))] * 2
    assert made.passes(0) == pytest.approx(1)
    assert made.passes(1) == pytest.approx(2.6)


def test_orders_differ_by_epoch_pass_and_seed_and_not_by_what_came_before() -> None:
    made = order([20, 20], weights=[1.0])
    first = [made.at(0, p)[1] for p in range(40)]
    assert first != sorted(first)
    assert first != [made.at(1, p)[1] for p in range(40)]
    assert first != [order([20, 20], weights=[1.0], seed=1).at(0, p)[1] for p in range(40)]
    fresh = order([20, 20], weights=[1.0])
    assert [fresh.at(0, p)[1] for p in reversed(range(40))] == first[::-1]


def test_without_shuffling_records_come_as_they_stand() -> None:
    made = order([3, 2], weights=[1.0], neighbours=1)
    assert [made.at(4, p)[1] for p in range(5)] == [0, 1, 2, 3, 4]


def test_neighbours_are_of_few_shards() -> None:
    made = order([10] * 30, weights=[1.0], neighbours=20)
    shards = [made.at(0, p)[1] // 10 for p in range(300)]
    assert all(len(set(shards[first : first + 20])) == 2 for first in range(0, 300, 20))
    assert len(set(shards)) == 30


def test_the_shortest_source_can_end_the_epoch() -> None:
    made = order([100], [10], weights=[1, 1], ends="shortest")
    assert made.length == 20
    assert Counter(made.at(0, p)[0] for p in range(20)) == {0: 10, 1: 10}
