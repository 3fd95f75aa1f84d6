"""Rows that sequences share: how they are chosen, and attention within each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from unictk.backbones.packing import attention, shared_rows


@pytest.mark.parametrize("seed", range(6))
def test_rows_hold_every_sequence_once_and_are_few(seed: int) -> None:
    chance = np.random.default_rng(seed)
    lengths = chance.integers(1, 90, 40).tolist()
    rows = shared_rows(lengths, 100)
    assert sorted(number for row in rows for number in row) == list(range(40))
    assert all(sum(lengths[number] for number in row) <= 100 for row in rows)
    fewest = -(-sum(lengths) // 100)
    assert len(rows) <= 11 / 9 * fewest + 1
    assert rows == shared_rows(lengths, 100)


def test_a_sequence_that_fits_nowhere_has_its_own_row() -> None:
    assert shared_rows([3, 20, 4, 3], 10) == [[1], [2, 0, 3]]
    assert shared_rows([5, 5, 5], 5) == [[0], [1], [2]]
    assert shared_rows([], 5) == []


def test_the_longest_go_where_they_leave_least_room() -> None:
    assert shared_rows([6, 5, 4, 5], 10) == [[0, 2], [1, 3]]


@pytest.mark.parametrize("keys", [4, 2])
def test_attention_is_that_of_each_sequence_alone(keys: int) -> None:
    torch.manual_seed(0)
    layer: Any = SimpleNamespace(num_key_value_groups=4 // keys, is_causal=True)
    lengths = ((3, 4), (6,), (1, 2, 2))
    query = torch.randn(3, 4, 7, 8, requires_grad=True)
    key, value = (torch.randn(3, keys, 7, 8, requires_grad=True) for _ in range(2))
    found, _ = attention(layer, query, key, value, None, lengths=lengths, scaling=8**-0.5)
    assert found.shape == (3, 7, 4, 8)
    expected = torch.zeros_like(found)
    for row, parts in enumerate(lengths):
        first = 0
        for length in parts:
            cut = slice(first, first + length)
            q, k, v = query[row, :, cut], key[row, :, cut], value[row, :, cut]
            alone = functional.scaled_dot_product_attention(
                q[None], k[None], v[None], is_causal=True, enable_gqa=True
            )
            expected[row, cut] = alone[0].transpose(0, 1)
            first += length
    assert torch.allclose(found, expected, atol=1e-6)
    weights = torch.randn_like(found)
    tensors = (query, key, value)
    ours = torch.autograd.grad((found * weights).sum(), tensors)
    theirs = torch.autograd.grad((expected * weights).sum(), tensors)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
