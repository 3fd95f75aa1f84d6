"""Pictures whose codes come row by row, before all of them are there."""

from __future__ import annotations

import torch
from torch import Tensor


def begun(codes: Tensor, count: int) -> Tensor:
    """Codes (B, rows, columns) of which only the first ``count`` are drawn yet.

    Each of the others repeats the lowest one drawn in its column, or the last one drawn at all.
    """
    rows, columns = codes.shape[1:]
    across = torch.arange(columns, device=codes.device)
    lowest = torch.where(across < count % columns, count // columns, count // columns - 1)
    row = torch.minimum(torch.arange(rows, device=codes.device)[:, None], lowest.clamp(min=0))
    column = torch.where(lowest < 0, count - 1, across)
    return codes[:, row, column]
