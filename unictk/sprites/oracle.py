"""Reads the attributes of a sprites scene back from any picture, and scores prompts and pairs by them.

The reading is the scene whose rendering has the least squared error (:mod:`unictk.sprites.oracle_search`).
Its residual tells how far the picture is from being a rendering at all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PILImage

from unictk.sprites.asked import ATTRIBUTES, SETTING, Asked
from unictk.sprites.oracle_search import Fit, search
from unictk.sprites.oracle_standers import composed, covered
from unictk.sprites.scenes import Character, Scene, above, bigger, left_of
from unictk.sprites.settings import SIDE

if TYPE_CHECKING:
    from torch import Tensor

    Picture = np.ndarray | PILImage.Image | Tensor

UNREADABLE = 0.12
"""A picture of a larger residual than this is not a scene, and nothing in it counts as right.

Ninety-nine of a hundred reconstructions of held-out scenes lie below it: see
``benchmarks/sprites_unreadable.py``.
"""

TYPICAL, MOST = 0.0155, 0.65
"""Nor is a picture a scene in which the mean colours of fewer cells than ``MOST`` are right to ``TYPICAL``.

A reconstruction is exact but at edges, and few cells have one. Of a picture half drawn every other cell is
wrong, sometimes by so little that the error of the whole does not show it.
"""

CELL = 4
"""Pixels a side of the cells in which a picture is also compared as a whole.

A tokenizer blurs edges, which hardly changes the mean colour of a cell; codes that are wrong do. The error
of the means counts this many times, so that white noise has the same residual in pixels and in cells.
"""

_HOLDS = {"left": left_of, "above": above, "bigger": bigger}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a picture shows.

    ``residual`` is the root mean squared error (0 to 1) between the picture and the best rendering over the
    whole picture or over one character, or :data:`CELL` times that of the means of cells, whichever is
    largest: a right background cannot hide a wrong character, nor a small character a wrong background.
    ``readable`` is whether it is at most :data:`UNREADABLE` and most cells are exact (:data:`TYPICAL`);
    ``scene`` is the best guess anyway. Characters are in the order they are painted; where they do not
    overlap, row by row.
    """

    scene: Scene
    residual: float
    readable: bool


def read(image: Picture) -> Reading:
    """The scene in a picture.

    Args:
        image: (H, W, 3) uint8 array, Pillow image, or float tensor or array (3, H, W) in [0, 1]; square, and
            resized if it is not as large as a scene.

    Raises:
        ValueError: not a square picture of one of these kinds, or a value that is not finite.
    """
    picture = _planes(image)
    scene, fit = search(picture)
    wrong = (picture - composed(scene.setting, fit.standers)).astype(np.float64)
    residual, typical = _errors(wrong, fit)
    return Reading(scene, residual, residual <= UNREADABLE and typical <= TYPICAL)


def read_many(images: Iterable[Picture]) -> list[Reading]:
    """The scene in each picture."""
    return [read(image) for image in images]


def _errors(wrong: np.ndarray, fit: Fit) -> tuple[float, float]:
    """The residual of (3, SIDE, SIDE) errors, and the error of means that most cells keep below."""
    error = (wrong**2).mean(0)
    shares = [covered([one]) for one in fit.standers]
    side = SIDE // CELL
    cells = (wrong.reshape(-1, side, CELL, side, CELL).mean((2, 4)) ** 2).mean(0)
    apart = [(error * share).sum() / share.sum() for share in shares]
    residual = max([error.mean(), CELL**2 * cells.mean(), *apart])
    return math.sqrt(residual), math.sqrt(np.quantile(cells, MOST))


def _planes(image: Picture) -> np.ndarray:
    """The picture as (3, SIDE, SIDE) float32 in [0, 1]."""
    if isinstance(image, PILImage.Image):
        return _planes(np.asarray(image.convert("RGB")))
    array = image if isinstance(image, np.ndarray) else image.detach().float().cpu().numpy()
    if (
        array.ndim == 3
        and array.dtype == np.uint8
        and array.shape[2] == 3
        and array.shape[0] == array.shape[1]
    ):
        if array.shape[0] != SIDE:
            how = PILImage.Resampling.BOX if array.shape[0] > SIDE else PILImage.Resampling.BICUBIC
            array = np.asarray(PILImage.fromarray(array).resize((SIDE, SIDE), how))
        return np.ascontiguousarray(array.transpose(2, 0, 1), np.float32) / np.float32(255)
    square = array.ndim == 3 and array.shape == (3, array.shape[1], array.shape[1])
    if not (square and np.issubdtype(array.dtype, np.floating)):
        raise ValueError(
            f"image: {array.dtype} of shape {array.shape}; expected square (H, W, 3) uint8 or (3, H, W) float"
        )
    if not np.isfinite(array).all():
        raise ValueError("image: a value is not finite; expected floats in [0, 1]")
    if array.shape[1] == SIDE:
        return np.ascontiguousarray(array, np.float32).clip(0, 1)
    return _planes((array.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))


@dataclass(frozen=True, slots=True)
class Score:
    """How far a picture follows a prompt.

    ``each`` says for every point of :meth:`Asked.points` whether it is right; ``right`` of ``asked`` are.
    ``all_right`` also needs the number of characters the prompt describes.
    """

    right: int
    asked: int
    all_right: bool
    each: dict[str, bool]


def score(asked: Asked, reading: Reading) -> Score:
    """Point by point, with characters matched to descriptions so that most points are right.

    A described character that is missing makes all its points wrong, and so do its relations. In an
    unreadable picture everything is wrong.
    """
    if not reading.readable:
        each = dict.fromkeys(asked.points(), False)
        return Score(0, len(each), False, each)
    each = _points(asked, reading.scene, matched(asked, reading.scene))
    counted = not asked.number or asked.number == len(reading.scene.characters)
    return Score(sum(each.values()), len(each), all(each.values()) and counted, each)


def matched(asked: Asked, scene: Scene) -> tuple[Character | None, ...]:
    """Who of the scene is each described character, so that most points are right; None: missing."""
    seen = scene.characters
    places = max(len(seen), len(asked.characters))
    padded = [*seen, *[None] * (places - len(seen))]
    orders = itertools.permutations(padded, len(asked.characters))
    return max(orders, key=lambda order: sum(_points(asked, scene, order).values()))


def _points(asked: Asked, scene: Scene, matched: tuple[Character | None, ...]) -> dict[str, bool]:
    """Whether each point holds when ``matched`` are the described characters; keys as ``Asked.points``."""
    values = [{} if one is None else one.attributes() for one in matched]
    found: dict[str, bool] = {}
    if asked.setting is not None:
        found["setting"] = scene.setting == asked.setting
    for index, named in enumerate(asked.characters):
        for name in ATTRIBUTES:
            if name in named:
                found[f"{index}.{name}"] = values[index].get(name) == named[name]
    for name, first, second in asked.relations:
        one, other = matched[first], matched[second]
        found[f"{name} {first} {second}"] = one is not None and other is not None and _HOLDS[name](one, other)
    if asked.count is not None:
        found["count"] = asked.count == len(scene.characters)
    for index, name, value in asked.refused:
        if index == SETTING:
            found[f"not setting {value}"] = scene.setting != value
        else:
            found[f"not {index}.{name} {value}"] = values[index].get(name, value) != value
    return found


def compare(one: Reading, other: Reading) -> dict[str, float]:
    """Attribute by attribute, the share of characters in which two pictures agree.

    Characters are matched so that most attributes agree; those that only one picture has are left out and
    show in ``count`` (1 or 0, like ``setting``). Two characters without an accessory agree in ``item``.
    If one of the pictures is unreadable everything is 0.
    """
    if not (one.readable and other.readable):
        return dict.fromkeys((*ATTRIBUTES, "setting", "count"), 0.0)
    few, many = sorted((one.scene.characters, other.scene.characters), key=len)
    matched = max(
        (list(zip(few, order, strict=True)) for order in itertools.permutations(many, len(few))),
        key=lambda pairs: sum(len(_agreed(*pair)) for pair in pairs),
    )
    agreed = [_agreed(*pair) for pair in matched]
    shares = {name: sum(name in names for names in agreed) / len(matched) for name in ATTRIBUTES}
    same = {
        "setting": one.scene.setting == other.scene.setting,
        "count": len(few) == len(many),
    }
    return shares | {name: float(value) for name, value in same.items()}


def _agreed(one: Character, other: Character) -> set[str]:
    values = other.attributes()
    return {name for name, value in one.attributes().items() if values[name] == value}
