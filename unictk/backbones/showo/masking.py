"""Mask schedules: how many image cells are masked, in training and after each sampling step (MaskGIT)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor


def cosine(t: Tensor) -> Tensor:
    """cos(pi t / 2): the share still masked at time t in [0, 1]."""
    return torch.cos(t * (math.pi / 2))


def linear(t: Tensor) -> Tensor:
    """1 - t, at least 1e-6."""
    return (1 - t).clamp(min=1e-6)


def pow2(t: Tensor) -> Tensor:
    """1 - t^2, at least 1e-6."""
    return (1 - t**2).clamp(min=1e-6)


def pow6(t: Tensor) -> Tensor:
    """1 - t^6, at least 1e-6: three of five pictures are masked to 95 %, where only the prompt can tell."""
    return (1 - t**6).clamp(min=1e-6)


def sigmoid(t: Tensor) -> Tensor:
    """A logistic curve from 1 to 1e-6 between the sigmoid's values at -3 and 3."""
    start, end = torch.sigmoid(torch.tensor(-3.0)), torch.sigmoid(torch.tensor(3.0))
    return ((end - torch.sigmoid(t * 6 - 3)) / (end - start)).clamp(min=1e-6, max=1.0)


Schedule = Literal["cosine", "linear", "pow2", "pow6", "sigmoid"]
SCHEDULES: dict[str, Callable[[Tensor], Tensor]] = {
    "cosine": cosine,
    "linear": linear,
    "pow2": pow2,
    "pow6": pow6,
    "sigmoid": sigmoid,
}


def training_count(t: float, cells: int, schedule: Callable[[Tensor], Tensor] = cosine) -> int:
    """Masked cells at time t: ``max(1, round(cells * schedule(t)))``."""
    share = schedule(torch.tensor(t, dtype=torch.float32)).clamp(min=0.0)
    return max(1, int(torch.round(cells * share)))


def training_mask(
    cells: int, generator: torch.Generator | None, schedule: Callable[[Tensor], Tensor] = cosine
) -> Tensor:
    """A random set of cells at a random time t; without a generator every cell.

    Returns:
        (cells,) bool, true where the cell is masked.
    """
    if generator is None:
        return torch.ones(cells, dtype=torch.bool)
    t = torch.rand((), generator=generator).item()
    order = torch.rand(cells, generator=generator).argsort()
    return order < training_count(t, cells, schedule)


def sampling_counts(steps: int, cells: int) -> list[int]:
    """Cells masked again after each step: floor(cells * cos(pi r / 2)), within [1, unknown - 1].

    ``unknown`` is the number of cells masked before the step. The last step's 1 is not applied: it
    returns what it sampled.
    """
    counts, unknown = [], cells
    for step in range(steps):
        share = cosine(torch.tensor((step + 1) / steps, dtype=torch.float32))
        count = max(1, min(unknown - 1, math.floor(cells * share.item())))
        counts.append(count)
        unknown = count
    return counts


def guidances(steps: int, guidance: float, schedule: Literal["constant", "rising"]) -> list[float]:
    """Guidance per step; ``rising``: none in the first half, then linearly up to ``guidance`` in the last."""
    if schedule == "constant":
        return [guidance] * steps
    first = steps // 2
    return [guidance * max(0, step + 1 - first) / (steps - first) for step in range(steps)]


def temperatures(steps: int, start: float) -> list[float]:
    """Noise temperature per step. It compounds, as published: each step multiplies by (1 - r)."""
    values, temperature = [], start
    for step in range(steps):
        temperature *= 1 - (step + 1) / steps
        values.append(temperature)
    return values
