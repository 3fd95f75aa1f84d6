"""Answers token by token: the next token from its logits, and the loop over rows that end one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from unictk.chance import generator


class Continuing(Protocol):
    """Rows that have read something and may be read on, as one backbone does it."""

    def logits(self) -> Tensor:
        """Behind the last position of each row: (rows, classes) fp32."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these (batch indices)."""
        ...

    def feed(self, ids: Tensor) -> None:
        """Read one id (rows,) more in each row."""
        ...


def continued(
    rows: Continuing, end: int, limits: Sequence[int], temperatures: Sequence[float], seeds: Sequence[int]
) -> list[list[int]]:
    """New ids per row, without the ``end`` that closes them.

    Finished rows leave the batch, and each row's chance is its own: an answer does not depend on others.

    Args:
        rows: what has been read.
        end: the id that closes an answer.
        limits: most new tokens per row.
        temperatures: 0 is greedy.
        seeds: one per row, for sampled rows.
    """
    chance = [generator("answer", seed) for seed in seeds]
    answers: list[list[int]] = [[] for _ in limits]
    alive = [row for row, limit in enumerate(limits) if limit > 0]
    if alive and len(alive) < len(limits):
        rows.keep(torch.tensor(alive))
    while alive:
        logits = rows.logits()
        picked = torch.stack(
            [pick(line, temperatures[row], chance[row]) for line, row in zip(logits, alive, strict=True)]
        )
        going = []
        for index, (row, token) in enumerate(zip(alive, picked.tolist(), strict=True)):
            if token != end:
                answers[row].append(token)
                if len(answers[row]) < limits[row]:
                    going.append(index)
        if not going:
            break
        if len(going) < len(alive):
            keep = torch.tensor(going, device=picked.device)
            rows.keep(keep)
            picked, alive = picked[keep], [alive[index] for index in going]
        rows.feed(picked)
    return answers


def pick(logits: Tensor, temperature: float, chance: torch.Generator) -> Tensor:
    """One id, () int64, from logits (classes,); temperature 0 is greedy.

    Drawn at one number of ``chance``, a CPU generator: so what is drawn depends neither on the device nor on
    other rows.
    """
    if temperature <= 0:
        return logits.argmax()
    uniform = torch.rand((), generator=chance).to(logits.device)
    return inverted((logits / temperature).softmax(-1), uniform)


def inverted(weights: Tensor, uniform: Tensor) -> Tensor:
    """The class (...,) int64 where cumulative weights (..., classes) pass the number (...,) in [0, 1)."""
    cumulative = weights.cumsum(-1)
    level = (uniform * cumulative[..., -1])[..., None]
    return torch.searchsorted(cumulative, level, right=True)[..., 0].clamp(max=weights.shape[-1] - 1)
