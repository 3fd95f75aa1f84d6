"""Concept rows beside a model's tables: looked up behind them, concatenated to the logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from unictk.backbones.base import Rows


def lookup(ids: Tensor, table: Tensor, rows: Rows | None) -> Tensor:
    """Input vectors of ids; ids behind the table are concept rows.

    Rows are looked up even where no id needs them, so that every process of a group has gradients
    for the same parameters.

    Args:
        ids: (...,) int64.
        table: (vocabulary, hidden).
        rows: the attached concepts' rows.

    Returns:
        (..., hidden).
    """
    if rows is None or not len(rows):
        return functional.embedding(ids, table)
    size = len(table)
    own = functional.embedding((ids - size).clamp(min=0), rows.input)
    base = functional.embedding(ids.clamp(max=size - 1), table)
    return torch.where((ids >= size)[..., None], own.to(base.dtype), base)


def with_rows(base: Tensor, hidden: Tensor, rows: Rows | None) -> Tensor:
    """Logits over the tables' classes and, behind them, the concept rows: (..., vocabulary + rows).

    Args:
        base: (..., vocabulary), the tables' logits.
        hidden: (..., hidden), what they were computed from.
        rows: the attached concepts' rows.
    """
    if rows is None or not len(rows):
        return base
    own = functional.linear(hidden, rows.head.to(hidden.dtype), None)
    if rows.bias is not None:
        own = own + rows.bias.to(own.dtype)
    return torch.cat([base, own], dim=-1)
