"""A character as layers: how much of each pixel its body, second colour, item, ink and white cover.

The layers do not depend on the colours, so a picture is linear in its colours given the layers; the
oracle rests on that. They are drawn as vector shapes at eight times the size and then averaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

BOX = {"small": 18, "big": 24}
"""Side of the square a character is drawn in, in pixels."""

PAINTS = ("body", "second", "item", "ink", "white")
"""The layers' order; the last two have fixed colours."""

FINE = 8
UNIT = 32
"""Shapes are written in a square of 32 units."""

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Form:
    """Everything of a character that is not colour, place or size."""

    shape: str
    pattern: str
    eyes: str
    ears: str
    accessory: str


@cache
def layers(size: str, form: Form) -> np.ndarray:
    """Cover of each paint, (5, side, side) float32 in [0, 1]; they add up to the character's cover."""
    easel = _Easel(BOX[size])
    _ears(easel, form.ears)
    _feet(easel, form.shape)
    body = _outline(form.shape)
    easel.polygon(body, "body")
    easel.clipped(body, form.pattern)
    easel.gloss(body)
    _face(easel, form)
    _accessory(easel, form.accessory)
    found = easel.cover()
    found.setflags(write=False)
    return found


class _Easel:
    """A fine canvas of paint numbers (0 is nothing), with an outline around what is drawn."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.scale = side * FINE / UNIT
        self.line = 0.85 * FINE * side / 28
        self.canvas = Image.new("L", (side * FINE, side * FINE), 0)
        self.draw = ImageDraw.Draw(self.canvas)

    def _scaled(self, points: Points) -> Points:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def polygon(self, points: Points, paint: str, outline: bool = True) -> None:
        scaled = self._scaled(points)
        self.draw.polygon(scaled, fill=PAINTS.index(paint) + 1)
        if outline:
            ink = PAINTS.index("ink") + 1
            self.draw.line([*scaled, scaled[0], scaled[1]], fill=ink, width=round(self.line), joint="curve")

    def disc(self, x: float, y: float, radius: float, paint: str, outline: bool = False) -> None:
        self.polygon(_ellipse(x, y, radius, radius), paint, outline)

    def stroke(self, points: Points, paint: str, width: float) -> None:
        self.draw.line(
            self._scaled(points),
            fill=PAINTS.index(paint) + 1,
            width=round(width * self.scale),
            joint="curve",
        )

    def clipped(self, body: Points, pattern: str) -> None:
        """Paint the pattern in the second colour where the body is."""
        inside = np.asarray(self.canvas) == PAINTS.index("body") + 1
        marks = Image.new("L", self.canvas.size, 0)
        draw = ImageDraw.Draw(marks)
        s = self.scale
        if pattern == "striped":
            for top in (8.6, 15.4, 22.2):
                draw.rectangle([0, top * s, UNIT * s, (top + 3.4) * s], fill=1)
        elif pattern == "dotted":
            for row, y in enumerate((7.0, 12.6, 18.2, 23.8)):
                for x in range(6):
                    across = x * 6.4 + (3.2 if row % 2 else 0)
                    draw.ellipse([(across - 2) * s, (y - 2) * s, (across + 2) * s, (y + 2) * s], fill=1)
        elif pattern == "split":
            draw.rectangle([16 * s, 0, UNIT * s, UNIT * s], fill=1)
        pixels = np.array(self.canvas)
        pixels[inside & (np.asarray(marks) == 1)] = PAINTS.index("second") + 1
        self._replace(pixels)

    def gloss(self, body: Points) -> None:
        """A small light at the upper left of the body."""
        inside = np.isin(np.asarray(self.canvas), (1, 2))
        left, top = min(x for x, _ in body), min(y for _, y in body)
        width = max(x for x, _ in body) - left
        marks = Image.new("L", self.canvas.size, 0)
        light = self._scaled(_ellipse(left + width * 0.3, top + 4.6, 1.5, 1.0))
        ImageDraw.Draw(marks).polygon(light, fill=1)
        pixels = np.array(self.canvas)
        pixels[inside & (np.asarray(marks) == 1)] = PAINTS.index("white") + 1
        self._replace(pixels)

    def _replace(self, pixels: np.ndarray) -> None:
        self.canvas = Image.fromarray(pixels)
        self.draw = ImageDraw.Draw(self.canvas)

    def cover(self) -> np.ndarray:
        fine = np.asarray(self.canvas).reshape(self.side, FINE, self.side, FINE)
        planes = [(fine == number + 1).mean((1, 3)) for number in range(len(PAINTS))]
        return np.stack(planes).astype(np.float32)


def _ellipse(x: float, y: float, across: float, down: float, count: int = 48) -> Points:
    angles = [2 * math.pi * i / count for i in range(count)]
    return [(x + across * math.cos(a), y + down * math.sin(a)) for a in angles]


def _outline(shape: str) -> Points:
    """The body's outline; all bodies have about the same size, their centre is near (16, 18)."""
    polygons: dict[str, Points] = {
        "square": [(7.6, 9.4), (24.4, 9.4), (24.4, 26.6), (7.6, 26.6)],
        "triangle": [(16, 6.4), (26.6, 27), (5.4, 27)],
        "diamond": [(16, 6), (26.4, 17.4), (16, 28.8), (5.6, 17.4)],
    }
    if shape in polygons:
        return polygons[shape]
    curves = {"circle": _circle, "star": _star, "heart": _heart, "drop": _drop, "flower": _flower}
    return curves[shape]()


def _circle() -> Points:
    return _ellipse(16, 18, 9.2, 9.2)


def _star() -> Points:
    radii = [12.0 if i % 2 == 0 else 6.6 for i in range(10)]
    angles = [-math.pi / 2 + i * math.pi / 5 for i in range(10)]
    return [(16 + r * math.cos(a), 18.2 + r * math.sin(a)) for a, r in zip(angles, radii, strict=True)]


def _heart() -> Points:
    turns = [2 * math.pi * i / 64 for i in range(64)]
    down = [13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) for t in turns]
    return [(16 + 10.4 * math.sin(t) ** 3, 16.6 - 0.66 * y) for t, y in zip(turns, down, strict=True)]


def _drop() -> Points:
    angles = [math.radians(d) for d in range(-35, 216, 8)]
    return [(16, 5.6), *((16 + 8.9 * math.cos(a), 19.2 + 8.6 * math.sin(a)) for a in angles)]


def _flower() -> Points:
    turns = [2 * math.pi * i / 96 for i in range(96)]
    radii = [8.6 + 2.5 * math.cos(6 * t) for t in turns]
    return [(16 + r * math.sin(t), 18 - r * math.cos(t)) for t, r in zip(turns, radii, strict=True)]


def _ears(easel: _Easel, ears: str) -> None:
    for side in (-1, 1):
        if ears == "round":
            easel.disc(16 + side * 7.6, 8.6, 3.8, "second", outline=True)
        elif ears == "pointed":
            tip = [(16 + side * 3.4, 12.5), (16 + side * 9.8, 2.6), (16 + side * 11.2, 14.5)]
            easel.polygon([(x, y) for x, y in tip], "second")
        elif ears == "long":
            easel.polygon(_ellipse(16 + side * 6.6, 7.4, 2.5, 6.6), "second")


def _feet(easel: _Easel, shape: str) -> None:
    apart = {"diamond": 3.9, "heart": 3.9, "drop": 4.6, "star": 6.6}.get(shape, 5.2)
    for side in (-1, 1):
        easel.polygon(_ellipse(16 + side * apart, 28.2, 3.2, 2.5), "second")


def _face(easel: _Easel, form: Form) -> None:
    y = {"triangle": 18.6, "heart": 14.6, "drop": 18.6}.get(form.shape, 16.6)
    for side in (-1, 1):
        x = 16 + side * 3.7
        if form.eyes == "round":
            easel.disc(x, y, 1.7, "ink")
        elif form.eyes == "wide":
            easel.disc(x, y, 2.9, "white", outline=True)
            easel.disc(x, y + 0.2, 1.15, "ink")
        else:
            easel.stroke(
                [(x - 2.1, y - 0.5), (x - 0.9, y + 0.8), (x + 0.9, y + 0.8), (x + 2.1, y - 0.5)], "ink", 1.2
            )
    easel.stroke([(14.2, y + 4.2), (15.2, y + 5.0), (16.8, y + 5.0), (17.8, y + 4.2)], "ink", 0.9)


def _accessory(easel: _Easel, accessory: str) -> None:
    if accessory == "hat":
        easel.polygon([(12.2, 0.8), (19.8, 0.8), (20.2, 7.2), (11.8, 7.2)], "item")
        easel.polygon([(9.2, 7.0), (22.8, 7.0), (22.8, 9.4), (9.2, 9.4)], "item")
    elif accessory == "scarf":
        easel.polygon([(18.2, 24.0), (22.2, 24.0), (22.6, 30.6), (18.6, 30.6)], "item")
        easel.polygon([(7.4, 22.2), (24.6, 22.2), (24.0, 25.6), (8.0, 25.6)], "item")
    elif accessory == "balloon":
        easel.stroke([(28.0, 12.0), (27.4, 18.0), (25.4, 22.0)], "ink", 0.7)
        easel.polygon(_ellipse(27.6, 6.6, 3.7, 4.8), "item")
