"""Small weights on disk."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floats as bf16, everything else as it is: half the size, and rounding that trained weights bear."""
    return {
        name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
