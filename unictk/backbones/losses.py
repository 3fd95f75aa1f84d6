"""Cross entropy over all classes where there is a target, and the z-loss that keeps logits small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

AT_ONCE = 1024
"""Positions whose logits exist at one time: 268 MB in fp32 over the published vocabulary."""


@dataclass(frozen=True, slots=True)
class TokenLosses:
    """Per target, fp32 (N,): ``cross_entropy``, and ``z``, the squared log of the normaliser."""

    cross_entropy: Tensor
    z: Tensor


def token_losses(head: Callable[[Tensor], Tensor], states: Tensor, goals: Tensor) -> TokenLosses:
    """Losses of the positions that have a target; their logits are made again in the backward pass.

    Args:
        head: makes logits (n, classes) of some of the states.
        states: (N, hidden) of those positions.
        goals: (N,) classes.
    """

    def part(some: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        logits = head(some).float()
        normaliser = logits.logsumexp(-1)
        return normaliser - logits.gather(-1, wanted[:, None])[:, 0], normaliser.square()

    if not len(states):
        none = states.new_zeros(0, dtype=torch.float32)
        return TokenLosses(none, none)
    pieces = zip(states.split(AT_ONCE), goals.split(AT_ONCE), strict=True)
    if torch.is_grad_enabled():
        found = [checkpoint(part, *piece, use_reentrant=False) for piece in pieces]
    else:
        found = [part(*piece) for piece in pieces]
    return TokenLosses(torch.cat([ce for ce, _ in found]), torch.cat([z for _, z in found]))
