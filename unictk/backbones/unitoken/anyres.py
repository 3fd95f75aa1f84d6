"""Pictures of any shape as tiles: which canvas, which tiles, and which of their features are read where.

All of it follows from a picture's width and height alone, so the length of a sequence is known without
reading any picture. Every picture has one tile that shows the whole of it, squeezed into a square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from PIL import Image as PILImage
from torch import Tensor

FEATURE = -2
"""Stands in a sequence where a continuous image vector will be."""

CANVASES = ((1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
"""Widths and heights of the published canvases in tiles: none is a single tile."""

Canvases = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ContinuousHalf:
    """The continuous half of one picture.

    ``ids``: :data:`FEATURE` where a vector stands, the newline's id where a row ends. ``index`` (vectors,):
    which of the picture's features each of them is, counted through its tiles one after another.
    """

    ids: tuple[int, ...]
    index: Tensor
    tiles: int

    def __len__(self) -> int:
        return len(self.ids)


def whole_half(tokens: int) -> ContinuousHalf:
    """The half of the base model: every feature of the one tile (729 as published)."""
    return ContinuousHalf((FEATURE,) * tokens, torch.arange(tokens), 1)


@lru_cache(maxsize=4096)
def tiled_half(
    size: tuple[int, int], tile: int, side: int, newline: int, canvases: Canvases
) -> ContinuousHalf:
    """The half of the any-resolution model: the whole picture's features, then the rows of the canvas.

    Rows and columns that show only the canvas's border are left out, and every row ends with a newline.

    Args:
        size: width and height of the picture in pixels.
        tile: side of a tile in pixels.
        side: features to a side of a tile (27 as published).
        newline: id of the newline.
        canvases: widths and heights in tiles, in order of preference.
    """
    wide, high = choose_canvas(size, tile, canvases)
    rows, columns = unpadded(size, (side * wide, side * high))
    global_count = side * side
    number = torch.arange(wide * high * global_count) + global_count
    grid = number.view(high, wide, side, side).transpose(1, 2).reshape(high * side, wide * side)
    kept = grid[rows, columns]
    lines = ((FEATURE,) * kept.shape[1] + (newline,)) * kept.shape[0]
    index = torch.cat([torch.arange(global_count), kept.flatten()])
    return ContinuousHalf((FEATURE,) * global_count + lines, index, 1 + wide * high)


def choose_canvas(size: tuple[int, int], tile: int, canvases: Canvases) -> tuple[int, int]:
    """Width and height in tiles of the canvas that keeps the most pixels, wastes least, and comes first."""
    width, height = size

    def merit(canvas: tuple[int, int]) -> tuple[int, int]:
        wide, high = canvas[0] * tile, canvas[1] * tile
        scale = min(wide / width, high / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - wide * high

    return max(canvases, key=merit)


def unpadded(size: tuple[int, int], grid: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a feature grid (width, height) that show the picture.

    Rounded down where the picture was rounded up, as published: a row of border may survive.
    """
    width, height = size
    wide, high = grid
    if width / height > wide / high:
        border = (high - int(height * (wide / width))) // 2
        return slice(border, high - border), slice(None)
    border = (wide - int(width * (high / height))) // 2
    return slice(None), slice(border, wide - border)


def letterbox(picture: PILImage.Image, canvas: tuple[int, int]) -> PILImage.Image:
    """The picture in the middle of a black canvas (width, height in pixels), its shape kept."""
    width, height = picture.size
    across, down = canvas[0] / width, canvas[1] / height
    if across < down:
        fitted = (canvas[0], min(math.ceil(height * across), canvas[1]))
    else:
        fitted = (min(math.ceil(width * down), canvas[0]), canvas[1])
    whole = PILImage.new("RGB", canvas)
    place = ((canvas[0] - fitted[0]) // 2, (canvas[1] - fitted[1]) // 2)
    whole.paste(picture.resize(fitted, PILImage.Resampling.BICUBIC), place)
    return whole


def cut_tiles(picture: PILImage.Image, tile: int, canvases: Canvases) -> list[PILImage.Image]:
    """The squeezed whole first, then the canvas's tiles, rows one after another."""
    wide, high = choose_canvas(picture.size, tile, canvases)
    whole = letterbox(picture, (wide * tile, high * tile))
    corners = [(x * tile, y * tile) for y in range(high) for x in range(wide)]
    return [squeezed(picture, tile), *(whole.crop((x, y, x + tile, y + tile)) for x, y in corners)]


def squeezed(picture: PILImage.Image, tile: int) -> PILImage.Image:
    """The whole picture as a square, its shape not kept (bicubic)."""
    return picture.resize((tile, tile), PILImage.Resampling.BICUBIC)


def checked_canvases(canvases: Sequence[Sequence[int]]) -> Canvases:
    """The canvases as pairs of whole numbers.

    Raises:
        ValueError: one that is no pair, or has a side below 1.
    """
    found = tuple((int(wide), int(high)) for wide, high in canvases)
    if not found or min(min(pair) for pair in found) < 1:
        raise ValueError(f"{canvases}: expected pairs of numbers of tiles, 1 or more")
    return found
