"""The one source of chance.

Every random draw of training and sampling comes from a CPU generator whose seed is a hash of *what is
drawn*: (run seed, stage, epoch, sample key) for training, (run seed, stage, prompt id, rollout) for
sampling. So nothing depends on rank, worker, batch or order.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_of(*parts: object) -> int:
    """A 63-bit seed from the parts' text; equal parts give equal seeds on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A fresh CPU generator seeded by :func:`seed_of`."""
    import torch

    return torch.Generator().manual_seed(seed_of(*parts))
