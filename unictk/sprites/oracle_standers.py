"""Looks at places: the picture they make before a background, and the scene they are in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from unictk.sprites.oracle_tables import FORMS, INKS, Look, Place, cover
from unictk.sprites.scenes import COLOURS, Character, Identity, Scene
from unictk.sprites.settings import SIDE, background


@dataclass(frozen=True, slots=True)
class Stander:
    """A look at a place."""

    place: Place
    look: Look


@cache
def planes_of(setting: str) -> np.ndarray:
    """The background as (3, SIDE, SIDE) float32 in [0, 1]; do not write to it."""
    found = np.ascontiguousarray(background(setting).transpose(2, 0, 1)) / np.float32(255)
    found.setflags(write=False)
    return found


def composed(setting: str, standers: Iterable[Stander]) -> np.ndarray:
    """The picture before rounding, (3, SIDE, SIDE) in [0, 1]."""
    picture = planes_of(setting).copy()
    for one in standers:
        paint(picture, one)
    return picture


def paint(picture: np.ndarray, one: Stander) -> None:
    """Paint the stander over the picture (3, SIDE, SIDE), in place."""
    planes = cover(one.place.size, one.look.form)
    part = picture[(slice(None), *one.place.window)]
    part *= 1 - planes.sum(0)
    part += np.tensordot(INKS[list(one.look.inks())], planes, axes=(0, 0))


def covered(standers: Iterable[Stander]) -> np.ndarray:
    """Share of each pixel that the standers cover together, (SIDE, SIDE)."""
    open_ = np.ones((SIDE, SIDE), np.float32)
    for one in standers:
        open_[one.place.window] *= 1 - cover(one.place.size, one.look.form).sum(0)
    return 1 - open_


def scene_of(setting: str, standers: Iterable[Stander]) -> Scene:
    """The standers in words."""
    return Scene(setting, tuple(_character(one) for one in standers))


def _character(one: Stander) -> Character:
    form, look = FORMS[one.look.form], one.look
    who = Identity(form.shape, COLOURS[look.body], COLOURS[look.second], form.pattern, form.eyes, form.ears)
    item = "none" if form.accessory == "none" else COLOURS[look.item]
    place = one.place
    return Character(who, form.accessory, item, place.column, place.row, place.size)
