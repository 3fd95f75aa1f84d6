"""Pictures and latents as rows of patches, and back."""

from __future__ import annotations

import torch
from torch import Tensor

Grid = tuple[int, int]
"""Rows and columns of tokens."""


def grid_of(picture: Tensor, patch: int, side: int) -> Grid:
    """Rows and columns of patches of a picture or latent (c, H, W).

    Raises:
        ValueError: sides that are no multiples of ``patch``, or more than ``side`` patches in one of them.
    """
    height, width = picture.shape[-2:]
    if height % patch or width % patch or not height or not width:
        raise ValueError(f"{height} x {width} is not made of squares of side {patch}")
    grid = height // patch, width // patch
    if max(grid) > side:
        raise ValueError(f"{grid[0]} x {grid[1]} patches; the position table has {side} x {side}")
    return grid


def patchify(picture: Tensor, patch: int) -> Tensor:
    """(c, H, W) -> (rows * columns, patch * patch * c): within a patch, rows, columns, channels."""
    channels, height, width = picture.shape
    cells = picture.reshape(channels, height // patch, patch, width // patch, patch)
    return cells.permute(1, 3, 2, 4, 0).reshape(-1, patch * patch * channels)


def unpatchify(tokens: Tensor, grid: Grid, patch: int) -> Tensor:
    """(rows * columns, patch * patch * c) -> (c, H, W)."""
    rows, columns = grid
    cells = tokens.reshape(rows, columns, patch, patch, -1)
    return cells.permute(4, 0, 2, 1, 3).reshape(-1, rows * patch, columns * patch)


def places(grid: Grid, side: int) -> Tensor:
    """(rows * columns,) places of a grid's tokens in a table of ``side`` columns: row * side + column."""
    rows, columns = grid
    return (torch.arange(rows)[:, None] * side + torch.arange(columns)).flatten()
