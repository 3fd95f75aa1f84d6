"""Texts token by token behind a context, several rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unictk.backbones.bagel.context import Context
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.sizes import SpecialIds
from unictk.backbones.base import Rows
from unictk.backbones.keyvalues import Growing, Prefix
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
    rows: Rows | None = None,
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
        rows: of concept tokens.
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
        logits = _next(network, picked, position, seen, cache, rows)
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


def _next(
    network: BagelNetwork, ids: Tensor, positions: Tensor, seen: Tensor, cache: Growing, rows: Rows | None
) -> Tensor:
    """Logits (rows, vocabulary) behind one new id per row."""
    vectors = network.embed(ids[:, None], rows)
    drawn = torch.zeros_like(ids[:, None], dtype=torch.bool)
    states = network.trunk(vectors, drawn, positions[:, None], seen[:, None], cache)
    cache.advance()
    return network.logits(states[:, -1], rows).float()


@torch.no_grad()
def score(
    network: BagelNetwork,
    special: SpecialIds,
    context: Context,
    options: Sequence[Sequence[int]],
    rows: Rows | None = None,
) -> Tensor:
    """Log P(option and its eos), (context rows, options) fp32, each context read once.

    Args:
        network: the model.
        special: framing ids.
        context: what each row has read.
        options: their ids, unframed.
        rows: of concept tokens.
    """
    device, longest = network.device, 1 + max(len(option) for option in options)
    inputs = torch.full((len(options), longest), special.eos, device=device)
    labels = torch.full((len(options), longest), special.eos, device=device)
    for line, option in enumerate(options):
        inputs[line, : 1 + len(option)] = torch.tensor([special.bos, *option], device=device)
        labels[line, : len(option)] = torch.tensor(option, dtype=torch.long, device=device)
    lengths = torch.tensor([1 + len(option) for option in options], device=device)
    place = torch.arange(longest, device=device)
    which = torch.arange(len(context), device=device).repeat_interleave(len(options))
    here = context.rows(which)
    inputs, labels = inputs.repeat(len(context), 1), labels.repeat(len(context), 1)
    beyond = place >= lengths.repeat(len(context))[:, None]
    own = (place[:, None] >= place).expand(len(inputs), -1, -1)
    states = network.trunk(
        network.embed(inputs, rows),
        torch.zeros_like(inputs, dtype=torch.bool),
        here.positions[:, None] + place,
        here.behind(own),
        Prefix(here.layers),
    )
    chosen = network.logits(states, rows).float().log_softmax(-1).gather(-1, labels[..., None])[..., 0]
    return chosen.masked_fill(beyond, 0).sum(1).reshape(len(context), len(options))
