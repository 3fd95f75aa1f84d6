"""The next token from its logits: the likeliest, or drawn."""

from __future__ import annotations

import torch
from torch import Tensor


def pick(logits: Tensor, temperature: float, chance: torch.Generator) -> Tensor:
    """One id, () int64, from logits (classes,); temperature 0 is greedy.

    Drawn by inverting the cumulative distribution at one number of ``chance``, a CPU generator: so what is
    drawn depends neither on the device nor on other rows.
    """
    if temperature <= 0:
        return logits.argmax()
    cumulative = (logits / temperature).softmax(-1).cumsum(-1)
    level = torch.rand((), generator=chance).to(logits.device) * cumulative[-1]
    return torch.searchsorted(cumulative, level[None], right=True)[0].clamp(max=len(logits) - 1)
