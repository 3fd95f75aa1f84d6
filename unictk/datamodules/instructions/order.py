"""Which record stands at which position of an epoch: a function of the seed, whatever came before.

Sources take turns as their weights say, evenly spread; the records of each come in an order of their own,
shards at random and records at random among their neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from unictk.chance import seed_of

ROUND = 10_000
"""Positions after which every source has had exactly its share; a weight is a multiple of one of them."""

Ends = Literal["longest", "shortest"]


def quotas(weights: Sequence[float], total: int = ROUND) -> list[int]:
    """``total`` shared out by weight, largest remainders first; whoever has some weight has at least one."""
    whole = sum(weights)
    exact = [weight / whole * total for weight in weights]
    found = [max(1, int(value)) if value else 0 for value in exact]
    places = sorted(range(len(exact)), key=lambda i: (int(exact[i]) - exact[i], i))
    while (left := total - sum(found)) > 0:
        for place in places[:left]:
            found[place] += 1
    while sum(found) > total:
        found[found.index(max(found))] -= 1
    return found


class Order:
    """Positions of all epochs.

    Args:
        sizes: of each source, records by shard.
        weights: of each source.
        seed: the parts of the seed of every draw.
        neighbours: records among which the order is random; 1: as they stand.
        ends: an epoch ends with the source that lasts ``longest`` (others start again, in a new order), or
            with the ``shortest``.
    """

    def __init__(
        self,
        sizes: Sequence[np.ndarray],
        weights: Sequence[float],
        seed: Sequence[object],
        neighbours: int,
        ends: Ends,
    ) -> None:
        self.sizes, self.seed, self.neighbours = [np.asarray(size) for size in sizes], tuple(seed), neighbours
        self.quotas = quotas(weights)
        self.counts = [int(size.sum()) for size in self.sizes]
        lasts = [
            -(-count * ROUND // quota) for count, quota in zip(self.counts, self.quotas, strict=True) if quota
        ]
        self.length = max(lasts) if ends == "longest" else min(lasts)
        self._turns: tuple[tuple[int, int], np.ndarray, np.ndarray] | None = None
        self._shards: dict[tuple[int, int, int], np.ndarray] = {}
        self._mixed: dict[tuple[int, int, int, int], np.ndarray] = {}

    def at(self, epoch: int, position: int) -> tuple[int, int, int]:
        """Source, number of its record, and how often the source has begun again before."""
        whole, place = divmod(position, ROUND)
        source, number = self._turn(epoch, whole, place)
        again, number = divmod(number, self.counts[source])
        return source, self._record(source, epoch, again, number), again

    def passes(self, source: int) -> float:
        """How often a record of the source is seen in an epoch, on average."""
        return self.length * self.quotas[source] / ROUND / self.counts[source]

    def _turn(self, epoch: int, whole: int, place: int) -> tuple[int, int]:
        """Whose turn it is, and how many it had in this epoch before."""
        key = (epoch, whole)
        if self._turns is None or self._turns[0] != key:
            chance = _chance(*self.seed, "turns", *key)
            times = [
                (np.arange(quota) + chance.random()) / max(1, quota) for quota in self.quotas
            ]  # evenly spread, each with its own start
            sources = np.repeat(np.arange(len(times)), self.quotas)
            order = np.lexsort((sources, np.concatenate(times)))
            within = np.concatenate([np.arange(quota) for quota in self.quotas])
            self._turns = (key, sources[order], within[order])
        source = int(self._turns[1][place])
        return source, whole * self.quotas[source] + int(self._turns[2][place])

    def _record(self, source: int, epoch: int, again: int, number: int) -> int:
        """The record that comes at this place of a pass."""
        key = (source, epoch, again)
        if key not in self._shards:
            if len(self._shards) > 64:
                self._shards.clear()
            count = len(self.sizes[source])
            plain = np.arange(count)
            self._shards[key] = plain if self.neighbours == 1 else self._permuted(count, "shards", *key)
        shards = self._shards[key]
        size = self.neighbours
        block, inside = divmod(number, size)
        if size > 1:
            here = min(size, self.counts[source] - block * size)
            mixed = (*key, block)
            if mixed not in self._mixed:
                if len(self._mixed) > 64:
                    self._mixed.clear()
                self._mixed[mixed] = self._permuted(here, "records", *mixed)
            number = block * size + int(self._mixed[mixed][inside])
        ends = np.cumsum(self.sizes[source][shards])
        shard = int(np.searchsorted(ends, number, side="right"))
        first = int(np.cumsum(self.sizes[source])[shards[shard]] - self.sizes[source][shards[shard]])
        return first + number - int(ends[shard] - self.sizes[source][shards[shard]])

    def _permuted(self, count: int, *parts: object) -> np.ndarray:
        return _chance(*self.seed, *parts).permutation(count)


def _chance(*parts: object) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed_of(*parts)))
