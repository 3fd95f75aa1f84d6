"""Self-play from the command line: one process, two at a time, and one that is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import command, environment, only_run, read, run

from unictk.selfplay.stores import Stores

SMALL = (
    "experiment=unicorn",
    "trainer=cpu",
    "logger=none",
    "selfplay.proposer=grammar",
    "selfplay.only=[single,counting]",
    "selfplay.prompts=4",
    "selfplay.rollouts=4",
    "selfplay.batch_size=8",
    "selfplay.audit=0",
    "selfplay.selection.threshold=0",
    "sampling.steps=2",
    "benchmark.one=4",
    "benchmark.two=2",
    "benchmark.questions=0",
    "stages.learn.batch_size=8",
    "trainer.max_epochs=2",
    "callbacks.checkpoint.every_n_steps=1",
)


def records(folder: Path) -> dict[str, list[tuple[str, str]]]:
    stores = Stores(folder)
    kinds = (stores.proposals, stores.ratings, stores.rollouts, stores.judgements, stores.lessons)
    return {kind.kind: [(one.name, one.digest) for one in kind.manifests()] for kind in kinds}


def weights(folder: Path) -> bytes:
    return (folder / "weights/showo/model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole")
    done = run(*SMALL, f"paths.output={output}")
    assert "self-play, round 0, judged by self/points" in done.stdout
    assert "sprites, judged by oracle" in done.stdout
    return only_run(output)


@pytest.mark.slow
def test_the_weights_of_a_run_start_another(whole: Path, tmp_path: Path) -> None:
    assert read(whole / "status.json")["state"] == "done"
    run(
        "task=measure",
        "benchmark=sprites_drawing",
        "judge=oracle",
        *(word for word in SMALL if word.startswith(("benchmark.", "sampling.", "trainer=", "logger="))),
        *("sampling.order=random", "sampling.guidance=3.0", "sampling.guidance_schedule=rising"),
        f"backbone.weights={whole}/weights/showo",
        f"paths.output={tmp_path}",
    )
    found, after = read(only_run(tmp_path) / "metrics.json"), read(whole / "metrics.json")
    assert found["sprites/generation_attributes"] == after["sprites/generation_attributes"]


@pytest.mark.slow
def test_two_processes_make_the_same_records(whole: Path, tmp_path: Path) -> None:
    run(*SMALL, "trainer.devices=2", "strategy=ddp", f"paths.output={tmp_path}")
    folder = only_run(tmp_path)
    assert read(folder / "status.json")["world_size"] == 2
    assert records(folder) == records(whole)
    assert read(folder / "metrics.json")["sprites/generation_attributes/n"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "seen", ["selfplay/records/rollouts-00-000000.json", "checkpoints/learn-00/last.ckpt"]
)
def test_killed_and_run_again_ends_the_same(whole: Path, tmp_path: Path, seen: str) -> None:
    words = [*SMALL, f"paths.output={tmp_path}"]
    with subprocess.Popen(
        command(*words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 200
        while not list(tmp_path.glob(f"*/{seen}")):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    folder = only_run(tmp_path)
    assert read(folder / "status.json")["state"] == "running"
    run(*words)
    assert records(folder) == records(whole)
    assert weights(folder) == weights(whole)
