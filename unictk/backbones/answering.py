"""Answers of a causal language model: written token by token, or scored where they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unictk.backbones.base import Rows
from unictk.backbones.losses import token_losses
from unictk.backbones.picking import continued
from unictk.backbones.reading import Causal, Reading, read
from unictk.errors import UserError
from unictk.samples import Request

Head = Callable[[Tensor], Tensor]
"""Logits (..., classes) of hidden states (..., hidden)."""


class Language(Causal, Protocol):
    """A causal language model with a table of input vectors."""

    def embed(self, ids: Tensor, rows: Rows | None) -> Tensor:
        """Input vectors of ids (...,): (..., hidden)."""
        ...


def room(length: int, limit: int, request: Request) -> int:
    """How many tokens may follow a prompt of ``length`` positions.

    Raises:
        UserError: the prompt fills the positions.
    """
    if length >= limit:
        raise UserError(f"prompt: it needs {length} positions and the limit is {limit}, answer included")
    return min(request.sampling.max_new_tokens, limit - length)


def written(
    network: Language,
    head: Head,
    rows: Rows | None,
    prompts: Sequence[Tensor],
    end: int,
    limits: Sequence[int],
    requests: Sequence[Request],
) -> list[list[int]]:
    """Ids of an answer to each prompt (length, hidden), without the ``end`` that closes it."""
    reading = read(network, prompts, torch.arange(len(prompts)), max(limits))
    return continued(
        _Answering(network, reading, head, rows),
        end,
        limits,
        [request.sampling.text_temperature for request in requests],
        [request.seed for request in requests],
    )


def scored(
    network: Language,
    head: Head,
    rows: Rows | None,
    prompts: Sequence[Tensor],
    endings: Sequence[Sequence[int]],
) -> Tensor:
    """Log P of each ending (ids) behind each prompt, which is read once: (prompts, endings) fp32."""
    device, longest = prompts[0].device, max(len(ending) for ending in endings)
    padded = [[*ending, *[ending[-1]] * (longest - len(ending))] for ending in endings]
    goals = torch.tensor(padded, device=device).repeat(len(prompts), 1)
    lengths = torch.tensor([len(ending) for ending in endings], device=device).repeat(len(prompts))
    real = torch.arange(longest, device=device) < lengths[:, None]
    which = torch.arange(len(prompts), device=device).repeat_interleave(len(endings))
    reading = read(network, prompts, which, longest)
    states = reading.state[:, None]
    if longest > 1:
        states = torch.cat([states, reading.feed(network.embed(goals[:, :-1], rows))], dim=1)
    scores = torch.zeros(goals.shape, device=device)
    scores[real] = -token_losses(head, states[real], goals[real]).cross_entropy
    return scores.sum(1).reshape(len(prompts), len(endings))


@dataclass(slots=True)
class _Answering:
    """Rows that write text."""

    network: Language
    reading: Reading
    head: Head
    rows: Rows | None

    def logits(self) -> Tensor:
        return self.head(self.reading.state).float()

    def keep(self, rows: Tensor) -> None:
        self.reading.keep(rows)

    def feed(self, ids: Tensor) -> None:
        self.reading.feed(self.network.embed(ids[:, None], self.rows))
