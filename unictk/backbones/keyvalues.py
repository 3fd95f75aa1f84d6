"""Keys and values of earlier positions, in the three ways they are used.

Each class has the one method the stock attention layers call, ``update(keys, values, layer)``: it takes
the new keys and values (batch, heads, length, dim) and returns all of them, old ones first.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Protocol

import torch
from torch import Tensor

Layers = list[tuple[Tensor, Tensor]]
"""Per layer, keys and values (batch, heads, length, dim)."""


class KeyValues(Protocol):
    """What an attention layer needs of a cache."""

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """All keys and values, old ones first."""
        ...


class Recorder:
    """Keeps what passes: run a prefix through it once, then reuse ``layers``."""

    def __init__(self) -> None:
        self.layers: Layers = []

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Remember and pass on."""
        self.layers.append((keys, values))
        return keys, values


class Prefix:
    """A fixed prefix that several rows follow; nothing is stored, so gradients flow through the new part.

    Args:
        layers: the prefix's keys and values.
        rows: (batch,) which prefix each row follows; None when there is one for each row in order.
    """

    def __init__(self, layers: Layers, rows: Tensor | None = None) -> None:
        self.layers = layers if rows is None else gather(layers, rows)

    @property
    def length(self) -> int:
        """Positions in the prefix."""
        return self.layers[0][0].shape[2]

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """The prefix followed by the new part."""
        old_keys, old_values = self.layers[layer]
        return (
            torch.cat([old_keys.to(keys.dtype), keys], dim=2),
            torch.cat([old_values.to(values.dtype), values], dim=2),
        )


class Growing:
    """Room for a decoder's keys and values, written in place; ``advance`` after each forward pass.

    Without ``advance`` the next pass writes over what the last one wrote: what was there before is kept.
    """

    def __init__(self, layers: Layers, capacity: int) -> None:
        self.used = layers[0][0].shape[2]
        self.layers = [(_with_room(keys, capacity), _with_room(values, capacity)) for keys, values in layers]

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Write behind what is there and return everything so far."""
        end = self.used + keys.shape[2]
        all_keys, all_values = self.layers[layer]
        all_keys[:, :, self.used : end] = keys
        all_values[:, :, self.used : end] = values
        return all_keys[:, :, :end], all_values[:, :, :end]

    def advance(self, count: int = 1) -> None:
        """The last ``count`` positions are now part of the past."""
        self.used += count

    def first(self, rows: int) -> Growing:
        """The first rows, in the same memory."""
        part = copy(self)
        part.layers = [(keys[:rows], values[:rows]) for keys, values in self.layers]
        return part

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these (batch indices)."""
        self.layers = gather(self.layers, rows)


def gather(layers: Layers, rows: Tensor) -> Layers:
    """The keys and values of the given batch rows."""
    return [(keys[rows], values[rows]) for keys, values in layers]


def join(parts: Sequence[Layers]) -> Layers:
    """Stack prefixes of equal length along the batch."""
    return [
        (torch.cat([part[i][0] for part in parts]), torch.cat([part[i][1] for part in parts]))
        for i in range(len(parts[0]))
    ]


def size_in_bytes(layers: Layers) -> int:
    """Memory held by keys and values."""
    return sum(tensor.numel() * tensor.element_size() for pair in layers for tensor in pair)


def _with_room(tensor: Tensor, capacity: int) -> Tensor:
    batch, heads, length, dim = tensor.shape
    wide = tensor.new_empty(batch, heads, length + capacity, dim)
    wide[:, :, :length] = tensor
    return wide
