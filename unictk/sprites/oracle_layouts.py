"""Where a picture plays and where its characters may stand, from how it differs from the backgrounds.

Every way to place one to three boxes is scored against what characters usually cover: each pixel votes for
"covered" as surely as it differs from the background (independent Bernoulli votes).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

import numpy as np

from unictk.sprites.layers import BOX
from unictk.sprites.oracle_standers import planes_of
from unictk.sprites.oracle_tables import PLACES, Place, covers, halved
from unictk.sprites.scenes import MOST, SETTINGS
from unictk.sprites.settings import SIDE

CAPPED = 0.1
"""A pixel's squared difference from a background counts at most this: characters must not decide it."""

SPECK = 0.03
"""Squared difference from the background at which a pixel's vote is undecided, beside the picture's noise."""

MISSED, SEEN = 0.05, 0.85
"""How often a pixel differs from the background where nobody stands, and where somebody does."""


def nearest_setting(picture: np.ndarray) -> str:
    """The background that most of the picture (3, SIDE, SIDE) agrees with."""
    errors = [
        np.minimum(((picture - planes_of(name)) ** 2).sum(0), CAPPED).sum(dtype=np.float64)
        for name in SETTINGS
    ]
    return SETTINGS[int(np.argmin(errors))]


@cache
def mean_cover(size: str) -> np.ndarray:
    """How often a pixel of the box is covered, over all forms, (side, side) float32."""
    return (covers(size).sum(1, dtype=np.int32).mean(0) / 64).reshape(BOX[size], -1).astype(np.float32)


@cache
def _arrangements() -> tuple[list[tuple[Place, ...]], np.ndarray, np.ndarray]:
    """Every way to place one to three characters, with log odds and log of the usual cover (n, cells)."""
    ways = [
        chosen
        for count in range(1, MOST + 1)
        for chosen in itertools.combinations(PLACES, count)
        if len({(place.column, place.row) for place in chosen}) == count
    ]
    singles = {}
    for place in PLACES:
        open_ = np.ones((SIDE, SIDE), np.float32)
        open_[place.window] -= mean_cover(place.size)
        singles[place] = halved(open_).reshape(-1)
    odds = np.empty((len(ways), (SIDE // 2) ** 2), np.float32)
    rest = np.empty(len(ways), np.float32)
    for number, chosen in enumerate(ways):
        open_ = np.prod([singles[place] for place in chosen], axis=0)
        seen = MISSED + (SEEN - MISSED) * (1 - open_)
        odds[number] = np.log(seen / (1 - seen))
        rest[number] = np.log(1 - seen).sum()
    return ways, odds, rest


def likely_layouts(unseen: np.ndarray, most: int) -> Iterator[tuple[Place, ...]]:
    """The likeliest sets of places for this squared difference from the background, likeliest first."""
    ways, odds, rest = _arrangements()
    apart = halved(unseen).reshape(-1)
    seen = apart / (apart + SPECK + 4 * np.median(apart))
    likely = odds @ seen + rest
    best = np.argpartition(-likely, most)[:most]
    for number in best[np.argsort(-likely[best], kind="stable")]:
        yield ways[number]


def outside(unseen: np.ndarray, places: tuple[Place, ...]) -> float:
    """Error that characters at these places cannot explain."""
    left = unseen.copy()
    for place in places:
        left[place.window] = 0
    return float(left.sum(dtype=np.float64))
