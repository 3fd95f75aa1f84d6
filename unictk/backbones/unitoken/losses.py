"""UniToken's losses: cross entropy over all classes, and the z-loss that keeps logits small (section 1.6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.unitoken.network import UniTokenNetwork

AT_ONCE = 1024
"""Positions whose logits exist at one time: 268 MB in fp32 over the published vocabulary."""


@dataclass(frozen=True, slots=True)
class TokenLosses:
    """Per target, fp32 (N,): ``cross_entropy``, and ``z``, the squared log of the normaliser."""

    cross_entropy: Tensor
    z: Tensor


def token_losses(
    network: UniTokenNetwork, states: Tensor, goals: Tensor, rows: ConceptRows | None
) -> TokenLosses:
    """Losses of the positions that have a target; their logits are made again in the backward pass.

    Args:
        network: its head is used.
        states: (N, hidden) of those positions.
        goals: (N,) ids, those of concept rows included.
        rows: the attached concepts' rows.
    """

    def part(some: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        logits = network.logits(some, rows).float()
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
