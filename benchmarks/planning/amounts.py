"""Bytes of weights, gradients, optimizer and caches, whole and in shards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

import torch
from torch import nn

from benchmarks.planning.models import Model
from benchmarks.planning.traces import CONCEPT_ROWS, Kind, laid_out
from unictk.concepts.tokens import DEFAULT_SIZES

STEP_BYTES = 4
"""torch's AdamW counts the steps of each parameter apart, in a number of fp32."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A tensor of the network: its shape, bytes per number, whether it trains, and which block it is in."""

    shape: tuple[int, ...]
    itemsize: int
    trains: bool
    block: int | None

    @property
    def bytes(self) -> int:
        """Of the whole tensor."""
        return prod(self.shape) * self.itemsize

    def shard(self, ranks: int) -> int:
        """Bytes on the first of so many ranks: FSDP2 cuts the first dimension, later ranks may have less."""
        return -(-self.shape[0] // ranks) * prod(self.shape[1:]) * self.itemsize


@dataclass(frozen=True, slots=True)
class Amounts:
    """Bytes on one rank.

    ``gathered``: what FSDP2 has whole at one time beside its shards, see :func:`amounts`.
    """

    weights: int
    gradients: int
    optimizer: int
    gathered: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.gathered


@cache
def parameters(model: Model, kind: Kind, dtype: torch.dtype) -> list[Parameter]:
    """Every parameter of network and image tokenizer (fp32, frozen), and the rows of a concept (fp32)."""
    network = laid_out(model, None, kind)
    tokenizer = _tokenizer(model, network)
    frozen = {id(p) for p in tokenizer.parameters()}
    numbers = {id(p): n for n, block in enumerate(model.blocks(network)) for p in block.parameters()}
    whole = {id(p): p for part in (network, tokenizer) for p in part.parameters()}
    found = [
        Parameter(tuple(p.shape), 4 if key in frozen else dtype.itemsize, p.requires_grad, numbers.get(key))
        for key, p in whole.items()
    ]
    return found + (concept_parameters(model) if kind != "full" else [])


def concept_parameters(model: Model) -> list[Parameter]:
    """Input and head rows (and biases) of a concept's four groups."""
    shapes: list[tuple[int, ...]] = []
    for size in DEFAULT_SIZES.values():
        shapes += [(size, model.hidden), (size, model.hidden), *([(size,)] if model.head_bias else [])]
    assert sum(DEFAULT_SIZES.values()) == CONCEPT_ROWS
    return [Parameter(shape, 4, True, None) for shape in shapes]


def count(model: Model) -> int:
    """Numbers in network and image tokenizer."""
    return sum(prod(p.shape) for p in parameters(model, "full", torch.float32))


def optimizer_bytes(trained: Iterable[Parameter]) -> int:
    """AdamW: two moments in the parameter's type, and a step count each."""
    return sum(2 * p.bytes + STEP_BYTES for p in trained)


def amounts(found: Sequence[Parameter], ranks: int = 1) -> Amounts:
    """On one GPU, or with DDP on each (``ranks`` 1); or on the fullest of so many FSDP2 ranks.

    With FSDP2 the root (tables, towers, heads, rows) stays gathered through a step, two blocks are (the one
    at work and the next), and the gradients of the root and of one block exist whole before they are cut.
    """
    trained = [p for p in found if p.trains]
    if ranks == 1:
        weights = sum(p.bytes for p in found)
        return Amounts(weights, sum(p.bytes for p in trained), optimizer_bytes(trained), 0)
    shards = [Parameter((p.shard(ranks) // p.itemsize,), p.itemsize, p.trains, p.block) for p in found]
    kept = [p for p in shards if p.trains]
    root = [p for p in found if p.block is None]
    blocks = {p.block for p in found if p.block is not None}
    largest = max((_block(found, number) for number in blocks), key=_bytes, default=[])
    gathered = _bytes(root) + 2 * _bytes(largest)
    gathered += sum(p.bytes for p in (*root, *largest) if p.trains)
    return Amounts(_bytes(shards), _bytes(kept), optimizer_bytes(kept), gathered)


def key_bytes(model: Model, positions: int, dtype: torch.dtype) -> int:
    """Keys and values of so many positions of one row, in all layers."""
    heads, size = model.key_shape
    return 2 * model.depth.language * positions * heads * size * dtype.itemsize


def operations(model: Model, positions: int, keys: int) -> int:
    """Of the language model's layers, forward: matrix products of one expert, scores and weighted sums."""
    with torch.device("meta"):
        layers = model.blocks(model.network())[: model.depth.language]
    linear = [part for layer in layers for part in layer.modules() if isinstance(part, nn.Linear)]
    products = sum(part.weight.numel() for part in linear) // model.experts
    queries = model.query_width * model.depth.language
    return 2 * products * positions + 4 * positions * keys * queries


def _tokenizer(model: Model, network: nn.Module) -> nn.Module:
    with torch.device("meta"):
        return model.image_tokenizer(network).requires_grad_(False)


def _bytes(found: Iterable[Parameter]) -> int:
    return sum(p.bytes for p in found)


def _block(found: Iterable[Parameter], number: int | None) -> list[Parameter]:
    return [p for p in found if p.block == number]
