"""Scenes to pixels: deterministic, NumPy and Pillow only."""

from __future__ import annotations

import numpy as np

from unictk.sprites.layers import BOX, PAINTS, Form, layers
from unictk.sprites.scenes import COLUMNS, ROWS, Character, Scene
from unictk.sprites.settings import SIDE, background

PALETTE = {
    "red": (214, 40, 40),
    "orange": (243, 134, 25),
    "yellow": (250, 218, 66),
    "green": (52, 164, 70),
    "blue": (48, 102, 218),
    "purple": (136, 64, 184),
    "pink": (246, 142, 190),
    "white": (246, 246, 246),
}
"""RGB of the colour words."""

INK = (34, 30, 44)
PAPER = (252, 252, 252)
MOST_HIDDEN = 0.4
"""A character of which others hide a larger share than this, or of one of whose parts they do, is not
rendered: nobody could read it."""


PITCH = SIDE // 4
"""Pixels between neighbouring places: a multiple of an image cell, so that every place shares its codes."""


def corner(character: Character) -> tuple[int, int]:
    """Upper left pixel (x, y) of the character's box; the nine places are :data:`PITCH` apart."""
    first = PITCH - BOX[character.size] // 2
    return first + PITCH * COLUMNS.index(character.column), first + PITCH * ROWS.index(character.row)


def form_of(character: Character) -> Form:
    """The character without colours, place and size."""
    who = character.identity
    return Form(who.shape, who.pattern, who.eyes, who.ears, character.accessory)


def paints(character: Character) -> np.ndarray:
    """The RGB of each layer, (5, 3) float32; an item without a colour is never painted."""
    who = character.identity
    item = PALETTE.get(character.item, (0, 0, 0))
    return np.array([PALETTE[who.colour], PALETTE[who.second], item, INK, PAPER], np.float32)


def canvas(scene: Scene) -> np.ndarray:
    """The scene before rounding, (48, 48, 3) float32 in [0, 255]."""
    picture = background(scene.setting).copy()
    for character in scene.characters:
        cover = layers(character.size, form_of(character))
        x, y = corner(character)
        side = cover.shape[-1]
        part = picture[y : y + side, x : x + side]
        part *= 1 - cover.sum(0)[..., None]
        part += np.tensordot(cover, paints(character), axes=(0, 0))
    return picture


def render(scene: Scene) -> np.ndarray:
    """The scene as (48, 48, 3) uint8.

    Raises:
        ValueError: characters hide each other too much (see :data:`MOST_HIDDEN`).
    """
    if (hidden := most_hidden(scene)) > MOST_HIDDEN:
        raise ValueError(f"a character is hidden to {hidden:.0%}; at most {MOST_HIDDEN:.0%} is rendered")
    return canvas(scene).round().clip(0, 255).astype(np.uint8)


def covered(scene: Scene, cells: int) -> np.ndarray:
    """Which of (cells, cells) squares of the picture a character touches, or the square beside one."""
    drawn = (canvas(scene) != background(scene.setting)).any(-1)
    side = SIDE // cells
    touched = np.pad(drawn.reshape(cells, side, cells, side).any((1, 3)), 1)
    near = touched[:-2] | touched[1:-1] | touched[2:]
    return near[:, :-2] | near[:, 1:-1] | near[:, 2:]


def most_hidden(scene: Scene) -> float:
    """Largest share, over characters and over the parts that tell attributes, that later ones cover."""
    if len(scene.characters) == 1:
        return 0.0
    before = np.zeros((SIDE, SIDE), np.float32)
    worst = 0.0
    for character in reversed(scene.characters):
        x, y = corner(character)
        cover = layers(character.size, form_of(character))
        side = cover.shape[-1]
        over = before[y : y + side, x : x + side]
        for part in (cover.sum(0), *cover[: len(PAINTS)]):
            if (total := float(part.sum())) > 0:
                worst = max(worst, float((part * over).sum()) / total)
        np.maximum(over, cover.sum(0), out=over)
    return worst
