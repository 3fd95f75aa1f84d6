"""What a model drew (codes or latents) as bytes in a record, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from unictk.errors import DataError

FLOATS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
INTEGERS = {"uint8": torch.uint8, "uint16": torch.uint16, "int32": torch.int32, "int64": torch.int64}

Packed = tuple[bytes, str, tuple[int, ...]]
"""Bytes, their type, and the shape."""


def packed(codes: Tensor) -> Packed:
    """The tensor in as few bytes as hold it exactly: codes as the smallest integers, latents as they are.

    Raises:
        ValueError: neither integers nor floats of a kind in :data:`FLOATS`.
    """
    name = str(codes.dtype).removeprefix("torch.")
    plain = codes.detach().cpu()
    if name not in FLOATS:
        if plain.dtype.is_floating_point or plain.dtype.is_complex or plain.dtype == torch.bool:
            raise ValueError(f"codes of type {name}; expected integers, {', '.join(FLOATS)}")
        plain = plain.to(torch.int64)
        low, high = (int(plain.min()), int(plain.max())) if plain.numel() else (0, 0)
        name = next(one for one, kind in INTEGERS.items() if _holds(kind, low, high))
        plain = plain.to(INTEGERS[name])
    return plain.reshape(-1).view(torch.uint8).numpy().tobytes(), name, tuple(codes.shape)


def unpacked(content: bytes, dtype: str, shape: tuple[int, ...]) -> Tensor:
    """The tensor again; integers as int64.

    Raises:
        DataError: an unknown type, or another number of bytes than the shape needs.
    """
    kind = (FLOATS | INTEGERS).get(dtype)
    if kind is None:
        raise DataError(f"codes of type {dtype!r}; expected {', '.join(FLOATS | INTEGERS)}")
    needed = torch.Size(shape).numel() * kind.itemsize
    if len(content) != needed:
        raise DataError(f"codes: {len(content)} bytes; {dtype} of shape {shape} needs {needed}")
    flat = torch.frombuffer(bytearray(content), dtype=kind) if content else torch.zeros(0, dtype=kind)
    return (flat if dtype in FLOATS else flat.to(torch.int64)).reshape(shape)


def _holds(kind: torch.dtype, low: int, high: int) -> bool:
    limits = torch.iinfo(kind)
    return limits.min <= low and high <= limits.max
