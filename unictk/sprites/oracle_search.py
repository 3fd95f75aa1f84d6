"""Finds the scene whose rendering is nearest to a picture.

Where characters may stand is read from how the picture differs from its background: every way to place one to
three boxes is scored against what characters usually cover. The best few are then fitted: each character
given the others (those behind composited, those in front masking), in every depth order, and at the end
attribute by attribute at full resolution until no change helps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from unictk.sprites.layers import Form
from unictk.sprites.oracle_layouts import likely_layouts, mean_cover, nearest_setting, outside
from unictk.sprites.oracle_standers import Stander, composed, covered, paint, planes_of, scene_of
from unictk.sprites.oracle_tables import (
    FORMS,
    INKS,
    PLACES,
    Box,
    Look,
    Place,
    best_looks,
    covers,
)
from unictk.sprites.render import MOST_HIDDEN, most_hidden
from unictk.sprites.scenes import (
    ACCESSORIES,
    COLOURS,
    EARS,
    EYES,
    PATTERNS,
    SHAPES,
    Scene,
)
from unictk.sprites.settings import SIDE

GHOST = 3.0
"""Squared error (pixels x channels) that one more character has to save, so that none is seen in noise."""

UNSHOWN = 1.0
"""Squared error that a reading no scene could show must save against one that could be rendered."""

LAYOUTS = 8
"""How many sets of boxes are fitted at most before the best is taken."""

PATIENCE, POOR = 3, 0.12
"""So many sets in a row without a better fit are enough, once no 8 x 8 square has a larger mean error."""

NUMBER = {form: number for number, form in enumerate(FORMS)}
CHOICES = {"shape": SHAPES, "pattern": PATTERNS, "eyes": EYES, "ears": EARS, "accessory": ACCESSORIES}


@dataclass(frozen=True, slots=True)
class Fit:
    """Standers from back to front; squared error of their picture, summed over pixels and channels."""

    error: float
    standers: tuple[Stander, ...]


def search(picture: np.ndarray, layouts: int = LAYOUTS) -> tuple[Scene, Fit]:
    """The scene nearest to the picture, (3, SIDE, SIDE) float32 in [0, 1]."""
    setting = nearest_setting(picture)
    unseen = ((picture - planes_of(setting)) ** 2).sum(0)
    best: Fit | None = None
    worst, floor, waited = 0.0, 0.0, 0
    for places in likely_layouts(unseen, layouts):
        if best is not None and outside(unseen, places) + GHOST * len(places) > _cost(best):
            continue
        fit = _fitted(picture, setting, places)
        waited += 1
        if best is None or _cost(fit) < _cost(best):
            best, waited = fit, 0
            worst, floor = _worst_square(picture, setting, best)
        if worst < floor or (worst < POOR and waited == PATIENCE):
            break
    assert best is not None
    if worst >= floor:
        best = _reordered(picture, setting, best)
    best = _shown(picture, setting, _polished(picture, setting, _without_ghosts(picture, setting, best)))
    return scene_of(setting, best.standers), best


def _without_ghosts(picture: np.ndarray, setting: str, fit: Fit) -> Fit:
    """The fit without standers that others hide so much that they explain nothing."""
    for one in fit.standers if len(fit.standers) > 1 else ():
        rest = tuple(other for other in fit.standers if other != one)
        fewer = Fit(_error(picture, setting, rest), rest)
        if _cost(fewer) < _cost(fit):
            return _without_ghosts(picture, setting, fewer)
    return fit


def _cost(fit: Fit) -> float:
    return fit.error + GHOST * len(fit.standers)


def _error(picture: np.ndarray, setting: str, standers: Iterable[Stander]) -> float:
    return float(((picture - composed(setting, standers)) ** 2).sum(dtype=np.float64))


def _worst_square(picture: np.ndarray, setting: str, fit: Fit) -> tuple[float, float]:
    """Largest mean error of an 8 x 8 square, and what it stays below where noise alone is left."""
    error = ((picture - composed(setting, fit.standers)) ** 2).sum(0)
    squares = error.reshape(SIDE // 8, 8, SIDE // 8, 8).mean((1, 3))
    return float(squares.max()), 2.0 * float(np.median(squares)) + 0.002


# --- who stands there -------------------------------------------------------------------------------------


def _fitted(picture: np.ndarray, setting: str, places: tuple[Place, ...]) -> Fit:
    """The best standers at these places."""
    return _settled(picture, setting, _best_order(picture, setting, _first_guess(picture, setting, places)))


def _settled(picture: np.ndarray, setting: str, fit: Fit, rounds: int = 3) -> Fit:
    """Refit each of several standers given the others, and their order, until nothing changes."""
    for _ in range(rounds if len(fit.standers) > 1 else 0):
        before = fit.error
        for index in range(len(fit.standers)):
            fit = _refitted(picture, setting, fit, index)
        fit = _best_order(picture, setting, fit.standers)
        if fit.error > before - 1e-3:
            break
    return fit


def _reordered(picture: np.ndarray, setting: str, fit: Fit) -> Fit:
    """The best fit after starting from every other depth order: a wrong one can look right to wrong looks."""
    best = fit
    for order in itertools.permutations(fit.standers):
        error = _error(picture, setting, order)
        if error > fit.error + 1e-6:
            other = Fit(error, order)
            for index in range(len(order)):
                other = _refitted(picture, setting, other, index)
            best = min(best, _settled(picture, setting, other), key=lambda one: one.error)
    return best


def _first_guess(picture: np.ndarray, setting: str, places: tuple[Place, ...]) -> tuple[Stander, ...]:
    """Each character as if alone, looking only where the others rarely cover."""
    found = []
    behind = planes_of(setting)
    for place in places:
        weight = np.ones((SIDE, SIDE), np.float32)
        for other in places:
            if other != place:
                weight[other.window] *= (1 - mean_cover(other.size)) ** 2
        cut = place.window
        known = bool(weight[cut].min() > 0.999)
        box = Box(
            place,
            (picture - behind)[(slice(None), *cut)],
            behind[(slice(None), *cut)],
            np.ones((place.side, place.side), np.float32),
            weight[cut],
            setting if known else None,
        )
        found.append(Stander(place, _best(box, best_looks(box))))
    return tuple(found)


def _refitted(picture: np.ndarray, setting: str, fit: Fit, index: int) -> Fit:
    """The fit with one stander replaced by the best one given the others."""
    box, outside = _box_of(picture, setting, fit.standers, index)
    looks = best_looks(box)
    errors = _errors(box, looks)
    at = int(errors.argmin())
    error = outside + float(errors[at])
    if error >= fit.error:
        return fit
    standers = list(fit.standers)
    standers[index] = replace(standers[index], look=looks[at])
    return Fit(error, tuple(standers))


def _box_of(
    picture: np.ndarray, setting: str, standers: tuple[Stander, ...], index: int
) -> tuple[Box, float]:
    """What the stander at ``index`` has to explain, and the error outside its box."""
    place = standers[index].place
    cut = (slice(None), *place.window)
    behind = composed(setting, standers[:index])
    front = standers[index + 1 :]
    open_ = 1 - covered(front)
    before = behind.copy()
    for one in front:
        paint(before, one)
    wanted = picture - before
    error = wanted**2
    outside = float(error.sum(dtype=np.float64) - error[cut].sum(dtype=np.float64))
    side = (place.side, place.side)
    alone = setting if len(standers) == 1 else None
    return Box(place, wanted[cut], behind[cut], open_[cut[1:]], np.ones(side, np.float32), alone), outside


def _errors(box: Box, looks: list[Look]) -> np.ndarray:
    """Exact squared error of each look in the box, (n,)."""
    forms = np.array([look.form for look in looks])
    inks = INKS[np.array([look.inks() for look in looks])]
    planes = covers(box.place.size)[forms].astype(np.float32) / 64
    behind = box.behind.reshape(3, -1)
    change = np.matmul(inks.transpose(0, 2, 1), planes) - planes.sum(1)[:, None] * behind
    change *= box.open.reshape(-1)
    change -= box.wanted.reshape(3, -1)
    change *= change
    found: np.ndarray = change.sum(1) @ box.weight.reshape(-1)
    return found


def _best(box: Box, looks: list[Look]) -> Look:
    return looks[int(_errors(box, looks).argmin())]


def _best_order(picture: np.ndarray, setting: str, standers: tuple[Stander, ...]) -> Fit:
    """The depth order of least error; among equal ones that in reading order."""
    best: Fit | None = None
    for order in itertools.permutations(sorted(standers, key=lambda one: PLACES.index(one.place))):
        error = _error(picture, setting, order)
        if best is None or error < best.error - 1e-6:
            best = Fit(error, order)
    assert best is not None
    return best


# --- attribute by attribute -------------------------------------------------------------------------------


def _polished(picture: np.ndarray, setting: str, fit: Fit) -> Fit:
    """Change one attribute of one stander at a time as long as that helps."""
    better = True
    while better:
        better = False
        for index in range(len(fit.standers)):
            box, outside = _box_of(picture, setting, fit.standers, index)
            looks = _near(fit.standers[index].look)
            errors = _errors(box, looks)
            at = int(errors.argmin())
            if at and outside + float(errors[at]) < fit.error - 1e-4:
                standers = list(fit.standers)
                standers[index] = replace(standers[index], look=looks[at])
                fit = Fit(outside + float(errors[at]), tuple(standers))
                better = True
    return fit if len(fit.standers) == 1 else _best_order(picture, setting, fit.standers)


def _shown(picture: np.ndarray, setting: str, fit: Fit) -> Fit:
    """Of almost equal fits one that could have been rendered: no ears wholly behind another character."""
    if most_hidden(scene_of(setting, fit.standers)) <= MOST_HIDDEN:
        return fit
    found = []
    for index, one in enumerate(fit.standers):
        box, outside_box = _box_of(picture, setting, fit.standers, index)
        looks = _near(one.look)
        for look, error in zip(looks, _errors(box, looks).tolist(), strict=True):
            if outside_box + error < fit.error + UNSHOWN:
                standers = list(fit.standers)
                standers[index] = replace(one, look=look)
                found.append(Fit(outside_box + error, tuple(standers)))
    shown = [one for one in found if most_hidden(scene_of(setting, one.standers)) <= MOST_HIDDEN]
    return min(shown, key=lambda one: one.error, default=fit)


def _near(look: Look) -> list[Look]:
    """The look and every one that differs in one attribute; an accessory comes with each of its colours."""
    form = FORMS[look.form]
    words = range(len(COLOURS))
    found = [look]
    for name, values in CHOICES.items():
        for value in values:
            number = NUMBER[_with(form, name, value)]
            bare = FORMS[number].accessory == "none"
            for item in [0] if bare else words if name == "accessory" else [look.item]:
                found.append(Look(number, look.body, look.second, item))
    found += [replace(look, body=word) for word in words if word != look.second]
    found += [replace(look, second=word) for word in words if word != look.body]
    return list(dict.fromkeys(found))


def _with(form: Form, name: str, value: str) -> Form:
    parts = {one: getattr(form, one) for one in CHOICES} | {name: value}
    return Form(**parts)
