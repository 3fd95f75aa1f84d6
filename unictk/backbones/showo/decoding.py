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
from unictk.backbones.picking import pick
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.vocabulary import Vocabulary, attention_allowed
from unictk.chance import generator


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
    chance = [generator("answer", seed) for seed in seeds]
    answers: list[list[int]] = [[] for _ in limits]
    position = prompts.positions[:, -1]
    alive = list(range(len(limits)))
    while alive:
        logits = network.logits(state, rows).float()
        tokens = [pick(line, temperatures[row], chance[row]) for line, row in zip(logits, alive, strict=True)]
        picked = torch.stack(tokens)
        going = []
        for index, (row, token) in enumerate(zip(alive, picked.tolist(), strict=True)):
            if token != vocabulary.end_of_text:
                answers[row].append(token)
                if len(answers[row]) < limits[row]:
                    going.append(index)
        if not going:
            return answers
        if len(going) < len(alive):
            keep = torch.tensor(going, device=picked.device)
            cache.keep(keep)
            alive = [alive[index] for index in going]
            picked, position, seen = picked[keep], position[keep], seen[keep]
        position = position + 1
        seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
        vectors = network.embed(picked[:, None], rows)
        state = network.trunk(vectors, position[:, None], seen[:, None], cache)[:, -1]
        cache.advance()
    return answers


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
