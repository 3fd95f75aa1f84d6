"""Cross entropy through a frozen output table, without ever holding all logits.

With 58 thousand classes the logits of one image weigh more than the whole backward pass. The table does
not train, so its gradient is not needed: each chunk of rows computes logits, losses and the gradient of
its hidden states at once and forgets the logits. Concept rows, few, get exact gradients.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

CHUNK = 256
"""Rows per chunk: 256 x 58,498 fp32 logits are 60 MB."""


class _FrozenTableCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        table_bias: Tensor | None,
        rows: Tensor,
        row_bias: Tensor | None,
        targets: Tensor,
    ) -> Tensor:
        losses = hidden.new_empty(len(hidden), dtype=torch.float32)
        grad_hidden = torch.empty_like(hidden)
        grad_rows = hidden.new_empty(len(hidden), len(rows), dtype=torch.float32)
        classes = len(table)
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            inputs, goal = hidden[part], targets[part]
            logits = torch.cat(
                [functional.linear(inputs, table, table_bias), functional.linear(inputs, rows, row_bias)],
                dim=1,
            ).float()
            lines = torch.arange(len(goal), device=goal.device)
            normaliser = logits.logsumexp(1, keepdim=True)
            losses[part] = normaliser[:, 0] - logits[lines, goal]
            if not any(ctx.needs_input_grad):
                continue
            error = logits.sub_(normaliser).exp_()
            error[lines, goal] -= 1
            grad_rows[part] = error[:, classes:]
            error = error.to(table.dtype)
            grad_hidden[part] = (error[:, :classes] @ table + error[:, classes:] @ rows).to(hidden.dtype)
        ctx.save_for_backward(hidden, grad_hidden, grad_rows)
        ctx.has_row_bias = row_bias is not None
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, grad_hidden, grad_rows = ctx.saved_tensors
        weighted = grad[:, None] * grad_rows
        rows = (weighted.T @ hidden.float()) if ctx.needs_input_grad[3] else None
        bias = weighted.sum(0) if ctx.has_row_bias else None
        return (grad[:, None].to(grad_hidden.dtype) * grad_hidden, None, None, rows, bias, None)


def frozen_table_cross_entropy(
    hidden: Tensor,
    table: Tensor,
    table_bias: Tensor | None,
    rows: Tensor,
    row_bias: Tensor | None,
    targets: Tensor,
) -> Tensor:
    """-log softmax at the targets, one per row, in fp32.

    Args:
        hidden: (n, width) states at the positions that predict something.
        table: (classes, width) frozen; ``table_bias`` (classes,).
        rows: (m, width) trainable classes behind the table's; ``row_bias`` (m,).
        targets: (n,) class of each row, in 0 .. classes + m - 1.

    Returns:
        (n,) losses, differentiable in ``hidden``, ``rows`` and ``row_bias``.
    """
    return _FrozenTableCrossEntropy.apply(
        hidden,
        table,
        table_bias,
        rows.to(table.dtype),
        None if row_bias is None else row_bias.to(table.dtype),
        targets,
    )
