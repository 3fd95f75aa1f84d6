"""The eight places a scene can play in, each one fixed picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

SIDE = 48
"""Side of a scene in pixels: 144 image cells of 4 pixels, the least that carries every detail."""

SPAN = 64
"""Places are written on a square of this many units."""

FINE = 6
"""Pixels of the fine canvas per unit; the fine canvas is then averaged, for smooth edges."""

Colour = tuple[int, int, int]
Draw = ImageDraw.ImageDraw


@cache
def background(setting: str) -> np.ndarray:
    """The place as (48, 48, 3) float32 in [0, 255]; do not write to it."""
    top, bottom, paint = _PLACES[setting]
    side = SPAN * FINE
    share = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    sky = (1 - share) * np.array(top, np.float32) + share * np.array(bottom, np.float32)
    canvas = Image.fromarray(np.broadcast_to(sky, (side, side, 3)).round().astype(np.uint8))
    paint(ImageDraw.Draw(canvas))
    block = side // SIDE
    fine = np.asarray(canvas, dtype=np.float32).reshape(SIDE, block, SIDE, block, 3)
    picture = fine.mean((1, 3)).astype(np.float32)
    picture.setflags(write=False)
    return picture


def _disc(draw: Draw, x: float, y: float, radius: float, colour: Colour) -> None:
    box = [(x - radius) * FINE, (y - radius) * FINE, (x + radius) * FINE, (y + radius) * FINE]
    draw.ellipse(box, fill=colour)


def _box(draw: Draw, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    draw.rectangle([left * FINE, top * FINE, right * FINE - 1, bottom * FINE - 1], fill=colour)


def _land(draw: Draw, height: Callable[[float], float], colour: Colour) -> None:
    """Everything below the curve ``height`` (a row for each column), to the lower edge."""
    line = [(x * FINE, height(x) * FINE) for x in range(-1, SPAN + 2)]
    draw.polygon([*line, (SPAN * FINE + FINE, SPAN * FINE), (-FINE, SPAN * FINE)], fill=colour)


def _wave(level: float, swing: float, length: float, shift: float = 0) -> Callable[[float], float]:
    return lambda x: level + swing * math.sin((x + shift) * 2 * math.pi / length)


def _beach(draw: Draw) -> None:
    _disc(draw, 54, 9, 5, (255, 244, 190))
    _box(draw, 0, 30, 64, 46, (64, 150, 190))
    _land(draw, _wave(44, 1.5, 32), (238, 214, 160))
    for x, y in ((6, 54), (20, 59), (33, 52), (47, 58), (58, 53)):
        _disc(draw, x, y, 1, (214, 186, 130))


def _forest(draw: Draw) -> None:
    for x in (4, 14, 27, 38, 49, 60):
        _box(draw, x - 1.5, 18, x + 1.5, 56, (72, 60, 48))
        _disc(draw, x, 14, 7, (46, 92, 66))
    _land(draw, _wave(53, 1.5, 40), (44, 74, 50))


def _city(draw: Draw) -> None:
    tops = (30, 22, 34, 16, 28, 20, 36, 25)
    for number, top in enumerate(tops):
        shade = 120 + 14 * (number % 3)
        _box(draw, number * 8, top, number * 8 + 8, 64, (shade, shade, shade + 14))
        for row in range(top + 3, 56, 6):
            _box(draw, number * 8 + 2, row, number * 8 + 4, row + 2, (246, 226, 150))
    _box(draw, 0, 57, 64, 64, (84, 84, 92))


def _space(draw: Draw) -> None:
    _disc(draw, 53, 11, 6, (120, 110, 150))
    _disc(draw, 51, 9, 1.4, (96, 86, 124))
    stars = ((5, 8), (16, 25), (24, 5), (36, 15), (44, 30), (9, 41), (28, 37), (59, 43), (19, 56), (39, 52))
    for x, y in stars:
        _disc(draw, x, y, 0.8, (230, 230, 250))


def _desert(draw: Draw) -> None:
    _disc(draw, 11, 11, 5, (255, 240, 200))
    _land(draw, _wave(38, 4, 44), (222, 160, 100))
    _land(draw, _wave(50, 3, 36, 12), (200, 132, 78))


def _snow(draw: Draw) -> None:
    _land(draw, lambda x: 22 + abs(x - 20) * 0.8, (176, 196, 216))
    _land(draw, lambda x: 28 + abs(x - 50) * 0.8, (160, 182, 206))
    _land(draw, _wave(46, 2, 50), (226, 236, 244))


def _meadow(draw: Draw) -> None:
    for x in (10, 16, 45, 52):
        _disc(draw, x, 10, 4, (250, 250, 250))
    _land(draw, _wave(34, 4, 70, 10), (150, 200, 110))
    _land(draw, _wave(48, 2, 46), (124, 180, 90))
    for x, y in ((5, 58), (17, 54), (30, 60), (43, 55), (57, 59)):
        _disc(draw, x, y, 1.2, (250, 236, 140))


def _sea(draw: Draw) -> None:
    for x, y in ((8, 12), (12, 24), (54, 10), (57, 30), (34, 6)):
        _disc(draw, x, y, 1.6, (150, 214, 226))
    _land(draw, _wave(56, 1.5, 30), (190, 176, 130))
    for x in (5, 31, 59):
        _box(draw, x - 1, 42, x + 1, 58, (40, 120, 96))


_PLACES: dict[str, tuple[Colour, Colour, Callable[[Draw], None]]] = {
    "beach": ((140, 200, 235), (200, 230, 240), _beach),
    "forest": ((112, 150, 122), (74, 108, 84), _forest),
    "city": ((196, 202, 214), (232, 222, 214), _city),
    "space": ((18, 18, 44), (40, 34, 74), _space),
    "desert": ((250, 214, 160), (250, 190, 130), _desert),
    "snow": ((196, 216, 236), (226, 234, 244), _snow),
    "meadow": ((150, 206, 240), (206, 232, 244), _meadow),
    "sea": ((70, 160, 190), (24, 90, 130), _sea),
}
"""Per setting: colour of the upper and of the lower edge, and what is painted between them."""
