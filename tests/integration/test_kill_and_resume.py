"""kill -9 in stage 2, the same command again: the same rows as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import QUICK, command, environment, only_run, read, run

STAGES = ("s1", "s2", "s3")


def rows(folder: Path) -> list[bytes]:
    return [(folder / f"checkpoints/{stage}/concept/concept.safetensors").read_bytes() for stage in STAGES]


def killed_in_stage_2(words: list[str], output: Path, after_epoch: int) -> Path:
    """Start, wait until stage 2 has written a checkpoint and goes on, kill."""
    with subprocess.Popen(
        command(*words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 200
        seen = 0
        stamp = None
        while seen < after_epoch:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline, "stage 2 wrote no checkpoint"
            found = list(output.glob("*/checkpoints/s2/last.ckpt"))
            if found and found[0].stat().st_mtime_ns != stamp:
                stamp, seen = found[0].stat().st_mtime_ns, seen + 1
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return only_run(output)


@pytest.mark.slow
def test_killed_in_stage_2_and_run_again_ends_with_the_same_rows(tmp_path: Path, cache: Path) -> None:
    words = [*QUICK, "trainer.max_epochs=4", f"paths.cache={cache}"]
    run(*words, f"paths.output={tmp_path}/whole")
    folder = killed_in_stage_2(
        [*words, f"paths.output={tmp_path}/killed"], tmp_path / "killed", after_epoch=2
    )
    status = read(folder / "status.json")
    assert status["state"] == "running"
    assert status["stages"]["s1"]["state"] == "done"
    assert status["stages"]["s2"]["state"] == "running"
    assert not (folder / "checkpoints/s3").exists()
    run(*words, f"paths.output={tmp_path}/killed")
    assert only_run(tmp_path / "killed").name == only_run(tmp_path / "whole").name
    assert rows(folder) == rows(only_run(tmp_path / "whole"))
    assert read(folder / "status.json")["state"] == "done"


@pytest.mark.slow
def test_interrupted_in_stage_1_says_so_and_goes_on(tmp_path: Path, cache: Path) -> None:
    words = [*QUICK, "trainer.max_epochs=400", f"paths.cache={cache}", f"paths.output={tmp_path}"]
    with subprocess.Popen(
        command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("*/checkpoints/s1/last.ckpt")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.splitlines()[-1] == "error: interrupted; the same command goes on from the last checkpoint"
    status = read(only_run(tmp_path) / "status.json")
    assert (status["state"], status["reason"]) == ("failed", "interrupted")


def test_curves_of_a_resumed_stage_are_one(tmp_path: Path) -> None:
    from unictk.report.curves import loss_curves

    for name, rows in (("s2", "0,4.0\n1,3.0\n2,2.5\n"), ("s2-2", "2,2.4\n3,2.0\n")):
        (tmp_path / "logs" / name).mkdir(parents=True)
        (tmp_path / "logs" / name / "metrics.csv").write_text(f"step,s2/train_loss\n{rows}")
    (curve,) = loss_curves(tmp_path)
    assert (curve.source, curve.first_step, curve.last_step, curve.last) == ("logs/s2", 0, 3, 2.0)
    assert len(curve.points.split()) == 4
