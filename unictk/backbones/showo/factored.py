"""Image codes that share what their bits share, while a model is trained from nothing.

A look-up-free code is its bits. With thousands of codes and few pictures a plain table learns each row on
its own; here row = own row + sum of its bits' rows, in the input table and in the head. It is a
parametrization of the same model: :func:`fold_codes` leaves the plain published tables, equal in value.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from unictk.backbones.showo.backbone import Showo


class BitRows(nn.Module):
    """Adds bits (codes, z) @ rows (z, width) to the code rows of a table."""

    bits: Tensor

    def __init__(self, bits: Tensor, first: int, width: int) -> None:
        super().__init__()
        self.first = first
        self.register_buffer("bits", bits.clone(), persistent=False)
        self.rows = nn.Parameter(torch.zeros(bits.shape[1], width))

    def forward(self, table: Tensor) -> Tensor:
        """(classes, width) -> same, code rows moved."""
        last = self.first + len(self.bits)
        shared = self.bits.to(self.rows.dtype) @ self.rows
        return torch.cat([table[: self.first], table[self.first : last] + shared, table[last:]])


SPREAD = 0.02
"""Standard deviation of bit rows at the start, that of the tables' own rows."""


def factor_codes(backbone: Showo, spread: float = SPREAD) -> None:
    """Give both tables bit rows of this standard deviation; 0: the tables stay what they are."""
    model = backbone.network.phi
    chance = torch.Generator().manual_seed(0)
    for table in (model.model.embed_tokens, model.lm_head):
        bits = backbone.image_tokenizer.quantize.embedding
        rows = BitRows(bits, backbone.vocabulary.first_code, table.weight.shape[1])
        with torch.no_grad():
            rows.rows.copy_(torch.randn(rows.rows.shape, generator=chance) * spread)
        parametrize.register_parametrization(table, "weight", rows)


def fold_codes(backbone: Showo) -> None:
    """Write the sums into plain tables and remove the bit rows; nothing where there are none."""
    model = backbone.network.phi
    for table in (model.model.embed_tokens, model.lm_head):
        if parametrize.is_parametrized(table):
            parametrize.remove_parametrizations(table, "weight", leave_parametrized=True)
