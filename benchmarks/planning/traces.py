"""What one training step keeps for its backward pass, and how many operations it takes.

A network is laid out on fake tensors, which have shapes and no memory, so published sizes are traced on any
machine. torch chooses its kernels as on a CPU: its fused attention keeps the same tensors as those for GPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.planning.models import Depth, Model
from unictk.backbones.base import Rows
from unictk.concepts.tokens import DEFAULT_SIZES

Kind = Literal["concept", "lora", "full"]
"""What trains: a concept's rows; rows and adapters of rank 8; everything but the image tokenizer."""

KINDS: tuple[Kind, ...] = ("concept", "lora", "full")
RANK = 8
CONCEPT_ROWS = sum(DEFAULT_SIZES.values())


def _scores(query: Sequence[int], key: Sequence[int]) -> int:
    batch, heads, queries, size = query
    return 2 * batch * heads * queries * key[2] * size


def _attention(query: Sequence[int], key: Sequence[int], *_: object, **__: object) -> int:
    return 2 * _scores(query, key)  # scores, weighted sum


def _attention_backward(
    _grad: object, query: Sequence[int], key: Sequence[int], *_: object, **__: object
) -> int:
    return 5 * _scores(query, key)  # scores once more, and a product for each of four gradients


def counting() -> FlopCounterMode:
    """Counts operations. torch's own counter does not know the fused attention of CPUs."""
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    return FlopCounterMode(display=False, custom_mapping={fused: _attention, backward: _attention_backward})


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes kept for the backward pass, and operations of both passes."""

    kept: float
    operations: float

    def __add__(self, other: Step) -> Step:
        return Step(self.kept + other.kept, self.operations + other.operations)

    def __sub__(self, other: Step) -> Step:
        return self + other.times(-1)

    def times(self, factor: float) -> Step:
        """So many of them."""
        return Step(self.kept * factor, self.operations * factor)


@dataclass(frozen=True, slots=True)
class Traced:
    """A step as a sum: one layer of the language model, one of the tower, everything else.

    Operations of recomputation are not in it.
    """

    depth: Depth
    layer: Step
    tower_layer: Step
    rest: Step
    layer_input: float

    @property
    def whole(self) -> Step:
        """Of the network in its depth."""
        layers = self.layer.times(self.depth.language) + self.tower_layer.times(self.depth.tower)
        return layers + self.rest

    @property
    def recomputed(self) -> float:
        """Bytes kept where layers keep their input alone, one layer at work: ``checkpoint_blocks``."""
        kept = self.depth.language * self.layer_input + self.layer.kept
        return kept + self.depth.tower * self.tower_layer.kept + self.rest.kept


def kept_bytes(run: Callable[[], Tensor], others: Iterable[Tensor]) -> tuple[Tensor, float]:
    """What ``run`` gives, and bytes of the distinct storages it keeps, ``others`` (weights) left out."""
    known = {tensor.untyped_storage()._cdata for tensor in others}
    kept: dict[int, torch.UntypedStorage] = {}  # storages held, so that no number is given twice

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        found = run()
    return found, float(sum(storage.nbytes() for storage in kept.values()))


def concept_rows(hidden: int, bias: bool) -> Rows:
    """Rows of a whole concept, to be trained."""
    shapes = [(CONCEPT_ROWS, hidden), (CONCEPT_ROWS, hidden), (CONCEPT_ROWS,)]
    values = [torch.zeros(shape, requires_grad=True) for shape in shapes]
    return Rows(values[0], values[1], values[2] if bias else None)


def laid_out(model: Model, depth: Depth | None, kind: Kind) -> nn.Module:
    """The network on the meta device, with what trains of it marked."""
    with torch.device("meta"):
        network = model.network(depth)
        network.requires_grad_(kind == "full")
        model.image_tokenizer(network).requires_grad_(False)
        if kind == "lora":
            settings = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(model.lora_targets))
            inject_adapter_in_model(settings, model.language(network))
    return network


@cache
def traced(model: Model, kind: Kind, dtype: torch.dtype, autocast: bool) -> Traced:
    """A step of one drawing and one answer, the network's weights in ``dtype``."""
    one, deeper, higher = Depth(1, 1), Depth(2, 1), Depth(1, 2)
    base = _run(model, one, kind, dtype, autocast)
    layer = _run(model, deeper, kind, dtype, autocast) - base
    tower_layer = _run(model, higher, kind, dtype, autocast) - base if model.depth.tower else Step(0, 0)
    rest = base - layer - tower_layer
    itemsize = 4 if autocast and kind == "full" else dtype.itemsize  # of the stream between layers
    return Traced(model.depth, layer, tower_layer, rest, model.positions * model.hidden * itemsize)


def _run(model: Model, depth: Depth, kind: Kind, dtype: torch.dtype, autocast: bool) -> Step:
    network = laid_out(model, depth, kind)
    with FakeTensorMode():
        _make_fake(network, dtype)
        rows = None if kind == "full" else concept_rows(model.hidden, model.head_bias)
        known = [*network.parameters(), *network.buffers()]
        if rows is not None:
            known += [part for part in (rows.input, rows.head, rows.bias) if part is not None]
        counter = counting()
        with counter, _precision(autocast):
            loss, kept = kept_bytes(lambda: model.step(network, rows), known)
            loss.backward()
    return Step(kept, float(counter.get_total_flops()))


def _precision(autocast: bool) -> AbstractContextManager[None]:
    return torch.autocast("cpu", torch.bfloat16, enabled=autocast)


def _make_fake(network: nn.Module, dtype: torch.dtype) -> None:
    """Every tensor as one of the mode's: ``to`` would swap parameters, which fake ones cannot do."""
    for module in network.modules():
        for name, old in module._parameters.items():
            if old is not None:
                fresh = torch.empty(old.shape, dtype=dtype)
                module._parameters[name] = nn.Parameter(fresh, requires_grad=old.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
