"""Sequences that have been read, and may be read on: prompts padded on the left, one cache for all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unictk.backbones.keyvalues import Growing, KeyValues, Recorder, gather


class Causal(Protocol):
    """A language model whose every position sees all before it."""

    def trunk(
        self,
        vectors: Tensor,
        positions: Tensor,
        allowed: Tensor | None = None,
        cache: KeyValues | None = None,
    ) -> Tensor:
        """Hidden states (batch, length, hidden); ``allowed`` None is causal, or everything for one vector."""
        ...


@dataclass(slots=True)
class Reading:
    """Rows that have read something.

    ``state`` (rows, hidden) belongs to the last position; ``seen`` (rows, keys) says which cached positions
    a row may see; ``position`` (rows,) is the next one's number; ``padded``: some may not see all.
    """

    network: Causal
    state: Tensor
    cache: Growing
    seen: Tensor
    position: Tensor
    padded: bool

    def feed(self, vectors: Tensor) -> Tensor:
        """Read (rows, count, hidden) more input vectors at once; their states, of the same shape."""
        rows, count = vectors.shape[:2]
        self.seen = torch.cat([self.seen, self.seen.new_ones(rows, count)], dim=1)
        keys = self.seen.shape[1]
        allowed = None  # one position of rows without padding sees everything: the quicker kernels do it
        if count > 1 or self.padded:
            allowed = self.seen[:, None] & self.seen.new_ones(count, keys).tril(keys - count)
        positions = self.position[:, None] + torch.arange(count, device=self.position.device)
        states = self.network.trunk(vectors, positions, allowed, self.cache)
        self.cache.advance(count)
        self.position = self.position + count
        self.state = states[:, -1]
        return states

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these."""
        self.cache.keep(rows)
        self.state, self.seen, self.position = self.state[rows], self.seen[rows], self.position[rows]


def read(network: Causal, contexts: Sequence[Tensor], follows: Tensor, room: int) -> Reading:
    """Read distinct contexts once, and let any number of rows go on from them.

    Args:
        network: reads.
        contexts: input vectors (length, hidden) each, of any lengths.
        follows: (rows,) which context each row has read.
        room: positions that will be read on at most.
    """
    longest = max(len(context) for context in contexts)
    device = contexts[0].device
    pads = torch.tensor([longest - len(context) for context in contexts], device=device)
    padded = torch.stack(
        [torch.cat([one.new_zeros(longest - len(one), one.shape[1]), one]) for one in contexts]
    )
    place = torch.arange(longest, device=device)
    real = place >= pads[:, None]
    itself = torch.eye(longest, dtype=torch.bool, device=device)  # a query of padding needs a key, too
    allowed = (real[:, None] & (place[:, None] >= place)) | itself
    even = all(len(context) == longest for context in contexts)
    recorder = Recorder()
    positions = (place - pads[:, None]).clamp(min=0)
    states = network.trunk(padded, positions, None if even else allowed, recorder)
    lengths = longest - pads
    return Reading(
        network,
        states[follows, -1],
        Growing(gather(recorder.layers, follows), room),
        real[follows],
        lengths[follows],
        not even,
    )
