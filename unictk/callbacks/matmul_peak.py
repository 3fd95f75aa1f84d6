"""What a device reaches in one large matrix product: the measure of how well anything else uses it."""

from __future__ import annotations

import time

import torch

SIDE = {"cuda": 8192, "cpu": 1024}
"""Rows and columns: large enough that a larger product is no faster."""

TRIES = 5


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second (two for each product and sum) of the best of a few square products."""
    side = SIDE.get(device.type, 2048)
    left, right = (torch.ones(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(TRIES + 1):  # the first chooses a kernel
        _wait(device)
        begun = time.perf_counter()
        torch.mm(left, right)
        _wait(device)
        best = min(best, time.perf_counter() - begun)
    return 2 * side**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
