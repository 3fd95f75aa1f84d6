"""Fixed position tables and the features of a time, from their formulas.

A position p has, for frequencies w_i = 10000^(-i/n), i = 0..n-1, the numbers sin(p w_i) and cos(p w_i).
"""

from __future__ import annotations

import torch
from torch import Tensor

LONGEST_PERIOD = 10_000.0


def frequencies(count: int) -> Tensor:
    """10000^(-i/count) for i = 0..count-1, float64."""
    return LONGEST_PERIOD ** (-torch.arange(count, dtype=torch.float64) / count)


def grid_table(side: int, width: int) -> Tensor:
    """Sine-cosine positions of a side x side grid, (side * side, width) fp32, rows one after another.

    The first half of the channels tells the column, the second the row; each half has its sines first.
    """
    angles = torch.arange(side, dtype=torch.float64)[:, None] * frequencies(width // 4)
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns = line[None, :, :].expand(side, side, -1)
    rows = line[:, None, :].expand(side, side, -1)
    return torch.cat([columns, rows], dim=2).flatten(0, 1).float()


def time_features(times: Tensor, width: int = 256) -> Tensor:
    """(N,) times in [0, 1], not scaled, -> (N, width) fp32: cosines, then sines."""
    angles = times.double()[:, None] * frequencies(width // 2).to(times.device)
    return torch.cat([angles.cos(), angles.sin()], dim=1).float()
