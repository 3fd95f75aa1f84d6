"""Sequences that have been read, and may be read on: prompts padded on the left, one cache for all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.keyvalues import Growing, Recorder, gather
from unictk.backbones.unitoken.network import UniTokenNetwork


@dataclass(slots=True)
class Reading:
    """Rows that have read something.

    ``state`` (rows, hidden) belongs to the last position; ``seen`` (rows, keys) says which cached positions
    a row may see; ``position`` (rows,) is the next one's number.
    """

    network: UniTokenNetwork
    state: Tensor
    cache: Growing
    seen: Tensor
    position: Tensor

    def feed(self, vectors: Tensor) -> Tensor:
        """Read (rows, count, hidden) more input vectors at once; their states, of the same shape."""
        rows, count = vectors.shape[:2]
        self.seen = torch.cat([self.seen, self.seen.new_ones(rows, count)], dim=1)
        keys = self.seen.shape[1]
        causal = self.seen.new_ones(count, keys).tril(keys - count)
        positions = self.position[:, None] + torch.arange(count, device=self.position.device)
        states = self.network.trunk(vectors, positions, self.seen[:, None] & causal, self.cache)
        self.cache.advance(count)
        self.position = self.position + count
        self.state = states[:, -1]
        return states

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these."""
        self.cache.keep(rows)
        self.state, self.seen, self.position = self.state[rows], self.seen[rows], self.position[rows]


def read(network: UniTokenNetwork, contexts: Sequence[Tensor], follows: Tensor, room: int) -> Reading:
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
    recorder = Recorder()
    states = network.trunk(padded, (place - pads[:, None]).clamp(min=0), allowed, recorder)
    lengths = longest - pads
    return Reading(
        network,
        states[follows, -1],
        Growing(gather(recorder.layers, follows), room),
        real[follows],
        lengths[follows],
    )
