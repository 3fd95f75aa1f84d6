"""Answers: batched over questions of different length, each image read once, one new key per token.

The published loop reruns the whole sequence for every token, one question at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.keyvalues import Growing, KeyValues, Layers, Prefix, Recorder
from unictk.backbones.picking import continued
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.vocabulary import Vocabulary, attention_allowed


@dataclass(slots=True)
class Prompts:
    """Prompts padded on the left behind shared prefixes of equal length (possibly none).

    ``ids``, ``positions`` are (B, T); ``prefix`` holds the keys and values each row follows, or None.
    """

    ids: Tensor
    positions: Tensor
    prefix: Prefix | None

    @property
    def prefix_length(self) -> int:
        """Positions of the shared prefix."""
        return self.prefix.length if self.prefix else 0


def pad_left(
    rows: Sequence[Sequence[int]], start: int, pad: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ids padded on the left and their positions; every row's first real id has position ``start``."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[*[pad] * (longest - len(row)), *row] for row in rows], device=device)
    shift = torch.tensor([longest - len(row) for row in rows], device=device)
    positions = torch.arange(longest, device=device)[None] - shift[:, None] + start
    return ids, positions.clamp(min=0)


def read(
    network: ShowoNetwork, rows: ConceptRows | None, vocabulary: Vocabulary, prompts: Prompts
) -> tuple[Tensor, Layers, Tensor]:
    """Run the prompts once.

    Returns:
        States of the last position (B, hidden), keys and values of prefix and prompt, and which of those
        keys each row may see (B, keys).
    """
    own = attention_allowed(prompts.ids, vocabulary)
    before = own.new_ones(*own.shape[:2], prompts.prefix_length)
    recorder = _Following(prompts.prefix)
    allowed = torch.cat([before, own], dim=2)
    states = network.trunk(network.embed(prompts.ids, rows), prompts.positions, allowed, recorder)
    seen = torch.cat([before[:, 0], prompts.ids != vocabulary.pad], dim=1)
    return states[:, -1], recorder.layers, seen


def greedy_or_sampled(
    network: ShowoNetwork,
    rows: ConceptRows | None,
    vocabulary: Vocabulary,
    prompts: Prompts,
    limits: Sequence[int],
    temperatures: Sequence[float],
    seeds: Sequence[int],
) -> list[list[int]]:
    """New token ids per prompt, without the closing ``<|endoftext|>``.

    Every class competes, image codes too, as published. Finished rows leave the batch.

    Args:
        limits: most new tokens per row.
        temperatures: 0 is greedy.
        seeds: one per row, for sampled rows.
    """
    state, layers, seen = read(network, rows, vocabulary, prompts)
    cache = Growing(layers, max(limits))
    answering = _Answering(network, rows, state, cache, seen, prompts.positions[:, -1])
    return continued(answering, vocabulary.end_of_text, limits, temperatures, seeds)


@dataclass(slots=True)
class _Answering:
    """Rows whose last position (rows,) has the state (rows, hidden); ``seen`` (rows, keys)."""

    network: ShowoNetwork
    rows: ConceptRows | None
    state: Tensor
    cache: Growing
    seen: Tensor
    position: Tensor

    def logits(self) -> Tensor:
        return self.network.logits(self.state, self.rows).float()

    def keep(self, rows: Tensor) -> None:
        self.cache.keep(rows)
        self.state, self.seen, self.position = self.state[rows], self.seen[rows], self.position[rows]

    def feed(self, ids: Tensor) -> None:
        self.position = self.position + 1
        self.seen = torch.cat([self.seen, self.seen.new_ones(len(self.seen), 1)], dim=1)
        vectors = self.network.embed(ids[:, None], self.rows)
        states = self.network.trunk(vectors, self.position[:, None], self.seen[:, None], self.cache)
        self.state = states[:, -1]
        self.cache.advance()


class _Following(Recorder):
    """Records prefix and new part together."""

    def __init__(self, prefix: Prefix | None) -> None:
        super().__init__()
        self.prefix: KeyValues | None = prefix

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Put the prefix in front, then remember."""
        if self.prefix is not None:
            keys, values = self.prefix.update(keys, values, layer)
        return super().update(keys, values, layer)
