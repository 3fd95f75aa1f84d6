"""Several sequences in one row: which share one, and attention that stays within each of them.

A batch of sequences that differ in length is mostly padding. Put behind each other in rows they leave hardly
any, and since attention is computed sequence by sequence, nothing of one is seen by another: the numbers are
those of each sequence alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PretrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

Lengths = tuple[tuple[int, ...], ...]
"""Of every row, how long the sequences in it are, one behind the other from its beginning."""

NAME = "within_sequences"
"""What the stock classes call :func:`attention`."""


def shared_rows(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Numbers of the sequences that share a row, for all rows.

    The longest first, each into the row that it leaves least room in (best fit decreasing): at most 11/9 of
    as few rows as there can be. A sequence longer than ``capacity`` has a row of its own.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda one: (-lengths[one], one)):
        fits = [row for row, left in enumerate(room) if left >= lengths[number]]
        if fits:
            row = min(fits, key=lambda one: (room[one], one))
            rows[row].append(number)
            room[row] -= lengths[number]
        else:
            rows.append([number])
            room.append(capacity - lengths[number])
    return rows


def attend_within(config: PretrainedConfig) -> None:
    """Let the layers of a stock model take ``lengths``; without them they attend as by sdpa."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    config._attn_implementation = NAME


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    lengths: Lengths | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each sequence of packed rows.

    Args:
        module: the layer, for its number of heads to a key.
        query: (rows, heads, row's length, width), ``key`` and ``value`` likewise.
        attention_mask: for rows that are not packed.
        lengths: of the sequences; positions behind the last of a row give zeros. None: rows are not packed.
        options: as the stock layers pass them.

    Returns:
        (rows, row's length, heads, width), and None for weights that are not kept.
    """
    if lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    rows = []
    for number, parts in enumerate(lengths):
        rest = query.shape[2] - sum(parts)
        # Split and joined, not sliced: the gradient of a slice is as long as what it was cut from.
        pieces = [tensor[number].split([*parts, rest], dim=1) for tensor in (query, key, value)]
        found = [
            sdpa_attention_forward(module, q[None], k[None], v[None], None, **options)[0][0]
            for q, k, v in zip(*(piece[:-1] for piece in pieces), strict=True)
        ]
        rows.append(torch.cat([*found, found[0].new_zeros(rest, *found[0].shape[1:])]))
    return torch.stack(rows), None
