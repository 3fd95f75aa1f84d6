"""Texts token by token behind a context, several rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.bagel.context import Context
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.sizes import SpecialIds
from unictk.backbones.base import Rows
from unictk.backbones.keyvalues import Growing, Prefix
from unictk.backbones.picking import continued


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
    cache = Growing(context.layers, max(limits))
    opened = torch.full((len(limits),), special.bos, device=network.device)
    answering = _Answering(network, rows, opened, cache, context.seen, context.positions)
    return continued(answering, special.eos, limits, temperatures, seeds)


@dataclass(slots=True)
class _Answering:
    """Rows with one id (rows,) still to be read at ``position`` (rows,); ``seen`` (rows, keys)."""

    network: BagelNetwork
    rows: Rows | None
    ids: Tensor
    cache: Growing
    seen: Tensor
    position: Tensor

    def logits(self) -> Tensor:
        self.seen = torch.cat([self.seen, self.seen.new_ones(len(self.seen), 1)], dim=1)
        vectors = self.network.embed(self.ids[:, None], self.rows)
        drawn = torch.zeros_like(self.ids[:, None], dtype=torch.bool)
        states = self.network.trunk(vectors, drawn, self.position[:, None], self.seen[:, None], self.cache)
        self.cache.advance()
        return self.network.logits(states[:, -1], self.rows).float()

    def keep(self, rows: Tensor) -> None:
        self.cache.keep(rows)
        self.ids, self.seen, self.position = self.ids[rows], self.seen[rows], self.position[rows]

    def feed(self, ids: Tensor) -> None:
        self.ids, self.position = ids, self.position + 1


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
