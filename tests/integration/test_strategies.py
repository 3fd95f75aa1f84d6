"""One process, two with a model each (DDP), two that share one (FSDP2): the same training, any checkpoint."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT

SCRIPT = ROOT / "tests/makers/parallel_steps.py"
BACKBONES = ("showo", "janus", "unitoken", "bagel")
WHATS = ("rows", *BACKBONES)
RESUMED = ("rows", "showo")
WAYS = {
    "ddp": ("ddp", 1),
    "fsdp": ("fsdp", 1),
    "ddp-accumulated": ("ddp", 2),
    "fsdp-accumulated": ("fsdp", 2),
}
TOLERANCE = 1e-5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def work(folder: Path, processes: int, jobs: list[dict[str, Any]]) -> None:
    """Run the jobs in so many processes together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if name not in ("RANK", "LOCAL_RANK")}
    base = {
        **clean,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(SCRIPT.parent)]),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(processes),
    }
    command = [sys.executable, str(SCRIPT), str(folder), json.dumps(jobs)]
    group = {"NODE_RANK": "0"} if processes > 1 else {}
    started = [
        subprocess.Popen(
            command,
            env=base | group | ({"LOCAL_RANK": str(rank)} if processes > 1 else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(processes)
    ]
    said = [one.communicate(timeout=3000)[0] for one in started]
    assert [one.returncode for one in started] == [0] * processes, "\n".join(said)[-4000:]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that the tests compare."""
    folder = tmp_path_factory.mktemp("strategies")
    alone = [{"name": f"{what}-single", "what": what, "strategy": "single"} for what in WHATS]
    four = {"remembers": True, "steps": 4}
    alone += [{"name": f"{what}-4", "what": what, "strategy": "single", **four} for what in RESUMED]
    together = [
        {"name": f"{what}-{way}", "what": what, "strategy": strategy, "accumulate": accumulate}
        for what in WHATS
        for way, (strategy, accumulate) in WAYS.items()
    ]
    back = []
    for what in RESUMED:
        for strategy, other in (("ddp", "fsdp"), ("fsdp", "ddp")):
            job = {"what": what, "strategy": strategy, **four}
            together += [
                {"name": f"{what}-{strategy}-4", **job},
                {"name": f"{what}-{strategy}-from-single", "start": f"{what}-4@2", **job},
            ]
            job = {"what": what, "start": f"{what}-{strategy}-4@2", **four}
            together.append({"name": f"{what}-{other}-from-{strategy}", "strategy": other, **job})
            back.append({"name": f"{what}-single-from-{strategy}", "strategy": "single", **job})
    work(folder, 1, alone)
    work(folder, 2, together)
    work(folder, 1, back)
    return folder


def read(folder: Path, name: str) -> dict[str, Any]:
    return torch.load(folder / f"{name}.pt", weights_only=True)


def apart(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """The largest difference of a tensor, relative to its size; none may be missing.

    A tensor without size (the bias of a key, which softmax cancels, has no gradient but rounding) is compared
    on the scale of all of them.
    """
    assert set(ours) == set(theirs)
    whole = sum(tensor.norm().item() ** 2 for tensor in theirs.values()) ** 0.5
    assert whole > 0
    return max(
        (ours[name] - tensor).norm().item() / max(tensor.norm().item(), 1e-4 * whole)
        for name, tensor in theirs.items()
    )


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("way", WAYS)
def test_losses_gradients_and_parameters_are_those_of_one_process(trained: Path, what: str, way: str) -> None:
    ours, theirs = read(trained, f"{what}-{way}"), read(trained, f"{what}-single")
    assert (ours["world"], theirs["world"]) == (2, 1)
    assert len(theirs["losses"]) == 5
    torch.testing.assert_close(ours["losses"], theirs["losses"], rtol=TOLERANCE, atol=0)
    assert apart(ours["gradient"], theirs["gradient"]) < TOLERANCE
    assert apart(ours["ends"], theirs["ends"]) < TOLERANCE
    assert bool(ours["cut"]) == (WAYS[way][0] == "fsdp"), (
        "whether this process has a part of each tensor only"
    )


@pytest.mark.parametrize("what", RESUMED)
@pytest.mark.parametrize(
    "name",
    [
        "single-from-ddp",
        "single-from-fsdp",
        "ddp-from-single",
        "fsdp-from-single",
        "fsdp-from-ddp",
        "ddp-from-fsdp",
    ],
)
def test_a_checkpoint_of_each_is_resumed_in_each(trained: Path, what: str, name: str) -> None:
    """Two steps with clipping and an optimizer that remembers, a checkpoint, two more: as four alone."""
    ours, theirs = read(trained, f"{what}-{name}"), read(trained, f"{what}-4")
    assert len(ours["losses"]) == 2
    torch.testing.assert_close(ours["losses"], theirs["losses"][2:], rtol=TOLERANCE, atol=0)
    assert apart(ours["ends"], theirs["ends"]) < TOLERANCE


def test_checkpoints_are_equal_files_whatever_wrote_them(trained: Path) -> None:
    """The same names, shapes and optimizer numbers."""
    shapes = []
    for name in ("rows-4", "rows-ddp-4", "rows-fsdp-4"):
        found = torch.load(trained / f"{name}@2.ckpt", weights_only=True)
        state = found["optimizer_states"][0]
        told = {key: tuple(value.shape) for key, value in found["state_dict"].items()}
        moments = {number: tuple(own["exp_avg"].shape) for number, own in state["state"].items()}
        shapes.append((told, moments, state["param_groups"]))
    assert shapes[0] == shapes[1] == shapes[2]
    assert all(name.startswith("concept.") for name in shapes[0][0])
