"""Concept rows beside a model's tables: whose they are, looked up behind them, concatenated to the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from unictk.backbones.base import Rows, RowShape
from unictk.errors import UserError

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens


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


def claimed(concepts: Sequence[ConceptTokens], shape: RowShape) -> dict[str, str]:
    """Whose every token is, in the order of the rows.

    Raises:
        UserError: rows of another shape, or two concepts that share a token.
    """
    owner: dict[str, str] = {}
    for concept in concepts:
        if concept.shape != shape:
            raise UserError(f"{concept}: made for {concept.shape}, this backbone needs {shape}")
        for token in concept.tokens():
            if token in owner:
                raise UserError(f"{concept}: its token {token} belongs to {owner[token]} already")
            owner[token] = str(concept)
    return owner


def joined(concepts: Sequence[ConceptTokens]) -> Rows | None:
    """The rows of all concepts in order, or None without any."""
    rows = [concept.rows() for concept in concepts]
    if not rows:
        return None
    biases = [row.bias for row in rows if row.bias is not None]
    return Rows(
        torch.cat([row.input for row in rows]),
        torch.cat([row.head for row in rows]),
        torch.cat(biases) if biases else None,
    )
