"""The plan of memory is what small models really need, and what FSDP2 really cuts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore

from benchmarks.memory_plan import MARKS, memory_row, put_between, sampling_row
from benchmarks.planning.amounts import Parameter, amounts, optimizer_bytes, parameters
from benchmarks.planning.backbones import model
from benchmarks.planning.checks import SMALL, Compared, compared
from benchmarks.planning.traces import kept_bytes, traced

PAGE = Path(__file__).parents[1] / "docs" / "memory.md"


@pytest.mark.parametrize("name", SMALL)
def test_what_is_planned_is_what_a_small_model_needs(name: str) -> None:
    found = compared(name)
    assert len(found) == 12
    assert [str(one) for one in found if not one.ok] == []


def test_a_difference_is_told() -> None:
    assert Compared("numbers", 10, 10).ok
    assert not Compared("numbers", 10, 11).ok
    assert Compared("bytes", 96, 100, 0.05).ok
    assert not Compared("bytes", 94, 100, 0.05).ok
    assert str(Compared("n", 10, 11)) == "n: planned 10, measured 11 (exact) DIFFERS"


@pytest.fixture
def ranks() -> Iterator[int]:
    """A group of 8 of which this process is the first, and the others do not exist."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
    yield 8
    dist.destroy_process_group()


def test_shards_are_those_of_fsdp2(ranks: int) -> None:
    layers = nn.ModuleList(nn.Sequential(nn.Linear(12, 20), nn.LayerNorm(20)) for _ in range(2))
    whole = nn.Module()
    whole.layers, whole.head = layers, nn.Linear(20, 33)
    found = [
        Parameter(tuple(p.shape), 4, True, None if "head" in name else int(name.split(".")[1]))
        for name, p in whole.named_parameters()
    ]
    mesh = init_device_mesh("cpu", (ranks,))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(whole, mesh=mesh)
    cut = [p.to_local() for p in whole.parameters()]  # type: ignore[attr-defined]
    planned = amounts(found, ranks)
    assert planned.weights == sum(part.nbytes for part in cut)
    assert planned.gradients == planned.weights
    assert planned.optimizer == 2 * planned.weights + 4 * len(found)
    layer = 4 * (12 * 20 + 20 + 20 + 20)
    head = 4 * (20 * 33 + 33)
    assert planned.gathered == head + 2 * layer + head + layer


def test_one_gpu_has_everything_whole() -> None:
    found = [Parameter((10, 3), 2, False, None), Parameter((4,), 4, True, None)]
    alone = amounts(found)
    assert (alone.weights, alone.gradients, alone.optimizer, alone.gathered) == (76, 16, 36, 0)
    assert alone.total == 128
    assert optimizer_bytes([]) == 0


def test_what_is_kept_counts_each_storage_once_and_no_weight() -> None:
    layer, given = nn.Linear(8, 8), torch.randn(4, 8, requires_grad=True)
    _, kept = kept_bytes(lambda: (layer(given) * layer(given)).sum(), layer.parameters())
    assert kept == 3 * 4 * 8 * 4  # the input once for both, and two outputs


def test_layers_add_up() -> None:
    """Every layer keeps as much; one that is recomputed keeps its input."""
    plan, deep = model("janus_tiny"), model("janus_tiny")
    deep.config = {**deep.config, "language": {**deep.config["language"], "num_hidden_layers": 5}}
    found, deeper = (traced(each, "concept", torch.float32, autocast=False) for each in (plan, deep))
    assert deeper.whole.kept - found.whole.kept == 3 * found.layer.kept
    assert deeper.recomputed - found.recomputed == 3 * found.layer_input
    assert found.layer_input == 2 * max(plan.drawing, plan.answer) * 64 * 4
    assert found.tower_layer.kept == 0, "nothing in front of the tower trains"
    assert traced(plan, "full", torch.float32, autocast=False).tower_layer.kept > 0


def test_published_sizes_have_their_published_numbers() -> None:
    """Show-o 1.3B has 1.45 with its tables, BAGEL 14.6 and an autoencoder, Janus-Pro 7B 7.4 in all."""
    for name, low, high in (("showo_512", 1.44, 1.6), ("janus_pro_7b", 7.3, 7.5), ("bagel", 14.6, 14.8)):
        numbers = sum(p.bytes for p in parameters(model(name), "full", torch.float32)) / 4e9
        assert low < numbers < high, (name, numbers)


def test_the_page_has_what_the_command_gives() -> None:
    page = PAGE.read_text()
    plan = model("janus_pro_1b")
    for row in (memory_row(plan, "concept"), memory_row(plan, "full"), sampling_row(plan)):
        assert "| " + " | ".join(row) + " |" in page
    start, end = MARKS
    assert put_between(f"a\n{start}\nold\n{end}\nb", "new") == f"a\n{start}\n\nnew\n\n{end}\nb"
    with pytest.raises(ValueError, match="no <!-- memory_plan -->"):
        put_between("a page", "new")
