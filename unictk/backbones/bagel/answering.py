"""Texts token by token behind a context, several rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unictk.backbones.bagel.context import Context
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.sizes import SpecialIds
from unictk.backbones.keyvalues import Growing
from unictk.backbones.picking import pick
from unictk.chance import generator


@torch.no_grad()
def answer(
    network: BagelNetwork,
    special: SpecialIds,
    context: Context,
    limits: Sequence[int],
    temperatures: Sequence[float],
    seeds: Sequence[int],
) -> list[list[int]]:
    """New ids per row, without the bos that starts them and the eos that ends them.

    Finished rows leave the batch, and each row's chance is its own: a row's answer does not depend on others.

    Args:
        network: the model.
        special: framing ids.
        context: what each row has read.
        limits: most new tokens per row.
        temperatures: 0 is greedy.
        seeds: one per row, for sampled rows.
    """
    chance = [generator("answer", seed) for seed in seeds]
    answers: list[list[int]] = [[] for _ in limits]
    alive = [row for row, limit in enumerate(limits) if limit > 0]
    if not alive:
        return answers
    cache = Growing(context.layers, max(limits))
    device = network.device
    picked = torch.full((len(limits),), special.bos, device=device)
    position, seen = context.positions, context.seen
    if len(alive) < len(limits):
        keep = torch.tensor(alive, device=device)
        cache.keep(keep)
        picked, position, seen = picked[keep], position[keep], seen[keep]
    while True:
        seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
        logits = _next(network, picked, position, seen, cache)
        chosen = [pick(line, temperatures[row], chance[row]) for line, row in zip(logits, alive, strict=True)]
        picked = torch.stack(chosen)
        position = position + 1
        going = []
        for index, (row, token) in enumerate(zip(alive, picked.tolist(), strict=True)):
            if token != special.eos:
                answers[row].append(token)
                if len(answers[row]) < limits[row]:
                    going.append(index)
        if not going:
            return answers
        if len(going) < len(alive):
            keep = torch.tensor(going, device=device)
            cache.keep(keep)
            alive = [alive[index] for index in going]
            picked, position, seen = picked[keep], position[keep], seen[keep]


def _next(network: BagelNetwork, ids: Tensor, positions: Tensor, seen: Tensor, cache: Growing) -> Tensor:
    """Logits (rows, vocabulary) behind one new id per row."""
    vectors = network.embed(ids[:, None])
    drawn = torch.zeros_like(ids[:, None], dtype=torch.bool)
    states = network.trunk(vectors, drawn, positions[:, None], seen[:, None], cache)
    cache.advance()
    return network.logits(states[:, -1]).float()
