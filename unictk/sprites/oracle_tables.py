"""How well every form and colouring explains one box of a picture, by tables of inner products.

Before a known background a character is linear in its colours: with layers M_k, colours c_k, background B and
the share T of each pixel that nothing in front hides, it changes the picture by ``T * sum_k M_k (c_k - B)``.
The squared error against the change D that is wanted is therefore

    |D|^2 - 2 sum_k <D T, M_k (c_k - B)> + sum_kl <T^2 M_k (c_k - B), M_l (c_l - B)>,

which needs only the sums of M_k, and of products M_k M_l, against a few planes. Both are tabulated here for
all 1,536 forms at half the resolution: enough to rank; the search decides at full resolution.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

from unictk.sprites.layers import BOX, PAINTS, Form, layers
from unictk.sprites.render import INK, PALETTE, PAPER, PITCH
from unictk.sprites.scenes import ACCESSORIES, COLOURS, COLUMNS, EARS, EYES, PATTERNS, ROWS, SHAPES, SIZES
from unictk.sprites.settings import background

FORMS = tuple(Form(*v) for v in itertools.product(SHAPES, PATTERNS, EYES, EARS, ACCESSORIES))
"""All 1,536 forms, in the tables' order."""

INKS = np.array([*(PALETTE[name] for name in COLOURS), INK, PAPER], np.float32) / 255
"""RGB in [0, 1] of the colour words, then of ink and paper, (10, 3)."""

FREE = 3
"""The first three paints (body, second, item) take any colour; ink and paper are what they are."""

PAIRS = tuple(itertools.combinations_with_replacement(range(len(PAINTS)), 2))


@dataclass(frozen=True, slots=True)
class Place:
    """One of the 18 boxes a character can stand in; ``window`` cuts it from a picture."""

    column: str
    row: str
    size: str

    @property
    def side(self) -> int:
        """Side in pixels."""
        return BOX[self.size]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of a (SIDE, SIDE, ...) picture."""
        first = PITCH - self.side // 2
        x, y = first + PITCH * COLUMNS.index(self.column), first + PITCH * ROWS.index(self.row)
        return slice(y, y + self.side), slice(x, x + self.side)


PLACES = tuple(Place(c, r, s) for r, c, s in itertools.product(ROWS, COLUMNS, SIZES))


@dataclass(frozen=True, slots=True)
class Look:
    """A form and the numbers of its three colours in :data:`~unictk.sprites.scenes.COLOURS`."""

    form: int
    body: int
    second: int
    item: int

    def inks(self) -> tuple[int, int, int, int, int]:
        """Rows of :data:`INKS` for the five paints."""
        return self.body, self.second, self.item, len(COLOURS), len(COLOURS) + 1


@cache
def covers(size: str) -> np.ndarray:
    """Layers of every form in 64ths, which is exact, (1536, 5, pixels) uint8."""
    planes = [(layers.__wrapped__(size, form) * 64).round().astype(np.uint8) for form in FORMS]
    return np.stack(planes).reshape(len(FORMS), len(PAINTS), -1)


def cover(size: str, form: int) -> np.ndarray:
    """Layers of one form, (5, side, side) float32 in [0, 1]."""
    return covers(size)[form].reshape(len(PAINTS), BOX[size], BOX[size]).astype(np.float32) / 64


def halved(planes: np.ndarray) -> np.ndarray:
    """Means over squares of 2 x 2, (..., h, w) to (..., h/2, w/2)."""
    return 0.25 * (
        planes[..., ::2, ::2] + planes[..., 1::2, ::2] + planes[..., ::2, 1::2] + planes[..., 1::2, 1::2]
    )


@cache
def _half(size: str) -> np.ndarray:
    """Layers at half the resolution, (1536 x 5, pixels / 4) float32."""
    side = BOX[size]
    found = halved(covers(size).reshape(-1, side, side).astype(np.float32))
    return (found / 64).reshape(len(found), -1)


@cache
def _half_products(size: str) -> np.ndarray:
    """Products of every two layers at half the resolution, (1536 x 15, pixels / 4) float32."""
    half = _half(size).reshape(len(FORMS), len(PAINTS), -1)
    found = np.empty((len(FORMS), len(PAIRS), half.shape[-1]), np.float32)
    for number, (one, other) in enumerate(PAIRS):
        np.multiply(half[:, one], half[:, other], out=found[:, number])
    return found.reshape(-1, half.shape[-1])


def _quadratic(size: str, behind: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sums of layer products against weight x (1, -B, |B|^2), (1536, 15, 5); planes are halved."""
    planes = np.concatenate([weight[None], -weight * behind, (weight * (behind**2).sum(0))[None]])
    return (_half_products(size) @ planes.reshape(5, -1).T).reshape(len(FORMS), len(PAIRS), 5)


@cache
def _known_quadratic(setting: str, place: Place) -> np.ndarray:
    """The same for a character alone before a setting."""
    behind = halved(background(setting)[place.window].transpose(2, 0, 1) / 255)
    return _quadratic(place.size, behind, np.ones(behind.shape[1:], np.float32))


def _pair_basis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Coefficients of (1, -B, |B|^2) in (c - B)(c' - B), (5, n, m)."""
    products = first @ second.T
    sums = (first[:, None] + second[None]).transpose(2, 0, 1)
    return np.concatenate([products[None], sums, np.ones_like(products)[None]])


_WORDS = INKS[: len(COLOURS)]
_WITH_WORD = _pair_basis(_WORDS, _WORDS).reshape(5, -1)
_WITH_ITSELF = _pair_basis(_WORDS, _WORDS).diagonal(axis1=1, axis2=2)
_WITH_FIXED = _pair_basis(_WORDS, INKS[len(COLOURS) :])
_FIXED = _pair_basis(INKS[len(COLOURS) :], INKS[len(COLOURS) :])


@dataclass(frozen=True, slots=True)
class Box:
    """What a box of the picture looks like to a character: planes (3, side, side) and (side, side) in [0, 1].

    ``wanted`` is D above, ``behind`` B, ``open`` T; ``weight`` says how much a pixel's error counts.
    ``setting`` names the background where nothing else stands behind or in front and all weights are 1.
    """

    place: Place
    wanted: np.ndarray
    behind: np.ndarray
    open: np.ndarray
    weight: np.ndarray
    setting: str | None = None


def best_looks(box: Box, forms: int = 40, most: int = 24) -> list[Look]:
    """The ``most`` looks of least error at half resolution, best first, from the best ``forms`` forms."""
    alone, pairs = _energies(box)
    chosen = _descend(alone, pairs)
    kept = np.argpartition(chosen, forms)[:forms]
    alone, pairs = [a[kept] for a in alone], [p[kept] for p in pairs]
    every = (
        alone[0][:, :, None, None]
        + alone[1][:, None, :, None]
        + alone[2][:, None, None, :]
        + pairs[0][:, :, :, None]
        + pairs[1][:, :, None, :]
        + pairs[2][:, None, :, :]
    )
    same = np.arange(len(COLOURS))
    every[:, same, same] = np.inf
    bare = np.array([FORMS[form].accessory == "none" for form in kept])
    every[bare, :, :, 1:] = np.inf
    flat = every.reshape(-1)
    best = np.argpartition(flat, most)[:most]
    best = best[np.argsort(flat[best], kind="stable")]
    rows = np.stack(np.unravel_index(best, every.shape), 1).tolist()
    return [Look(int(kept[form]), body, second, item) for form, body, second, item in rows]


def _energies(box: Box) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Error of each free paint's colour alone, 3 of (1536, 8), and of two together, 3 of (1536, 8, 8)."""
    size = box.place.size
    behind, open_ = halved(box.behind), halved(box.open)
    weight = halved(box.weight)
    pull = halved(box.wanted) * open_ * weight
    planes = np.concatenate([pull, -(pull * behind).sum(0)[None]]).reshape(4, -1)
    linear = (_half(size) @ planes.T).reshape(len(FORMS), len(PAINTS), 4)
    if box.setting is not None:
        quadratic = _known_quadratic(box.setting, box.place)
    else:
        quadratic = _quadratic(size, behind, weight * open_**2)
    along = np.concatenate([INKS, np.ones((len(INKS), 1), np.float32)], 1)
    fixed = -2 * linear[:, FREE] @ along[-2] - 2 * linear[:, FREE + 1] @ along[-1]
    for one, other, times in ((0, 0, 1), (0, 1, 2), (1, 1, 1)):
        fixed += times * quadratic[:, PAIRS.index((FREE + one, FREE + other))] @ _FIXED[:, one, other]
    alone = []
    for paint in range(FREE):
        error = -2 * linear[:, paint] @ along[: len(COLOURS)].T
        error += quadratic[:, PAIRS.index((paint, paint))] @ _WITH_ITSELF
        for one in range(2):
            error += 2 * quadratic[:, PAIRS.index((paint, FREE + one))] @ _WITH_FIXED[:, :, one]
        alone.append(error)
    alone[0] += fixed[:, None]
    pairs = [
        (2 * quadratic[:, PAIRS.index(pair)] @ _WITH_WORD).reshape(len(FORMS), len(COLOURS), len(COLOURS))
        for pair in ((0, 1), (0, 2), (1, 2))
    ]
    return alone, pairs


def _descend(alone: list[np.ndarray], pairs: list[np.ndarray], rounds: int = 2) -> np.ndarray:
    """Least error of each form over its colours, one colour at a time, (1536,)."""
    rows = np.arange(len(FORMS))
    body = alone[0].argmin(1)
    second = (alone[1] + pairs[0][rows, body]).argmin(1)
    for _ in range(rounds):
        item = (alone[2] + pairs[1][rows, body] + pairs[2][rows, second]).argmin(1)
        body = (alone[0] + pairs[0][rows, :, second] + pairs[1][rows, :, item]).argmin(1)
        given = alone[1] + pairs[0][rows, body] + pairs[2][rows, :, item]
        second = given.argmin(1)
    least: np.ndarray = (
        given.min(1) + alone[0][rows, body] + alone[2][rows, item] + pairs[1][rows, body, item]
    )
    return least
