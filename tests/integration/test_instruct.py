"""The three stages from the command line: what they leave, one stage alone, two processes, bad data."""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import command, environment, only_run, read, run
from instruction_files import pairs, talks, write_jsonl, write_tar
from safetensors.torch import load_file

from unictk.backbones.unitoken.weights import load_network, load_tokenizer_state

COMMON = ("trainer=cpu", "trainer.max_steps=2", "callbacks.loss.batches=1")


def words(root: Path, experiment: str, *stages: str) -> list[str]:
    few = [f"stages.{stage}.{key}" for stage in stages for key in ("batch_size=2", "data.scenes=4")]
    return [f"experiment={experiment}", *COMMON, *few, f"paths.cache={root}/cache"]


@pytest.mark.slow
def test_three_stages_and_one_alone(tmp_path: Path) -> None:
    request = [*words(tmp_path, "unitoken", "s1", "s2", "s3"), f"paths.output={tmp_path}/three"]
    said = run(*request).stdout
    for line in ("s1: Alignment", "s2: JointTraining", "s3: InstructionTuning", "s3: data"):
        assert line in said
    folder = only_run(tmp_path / "three")
    status, metrics = read(folder / "status.json"), read(folder / "metrics.json")
    assert {name: one["state"] for name, one in status["stages"].items()} == dict.fromkeys(
        ("s1", "s2", "s3"), "done"
    )
    assert {"s1/text_loss/base", "s1/text_loss", "s2/image_loss", "s3/train_z_loss"} <= set(metrics)
    assert "s1/image_loss" not in metrics, "alignment draws nothing"
    states = [load_network(folder / f"weights/s{n}/unitoken")[0] for n in (1, 2, 3)]
    moved = [
        {name.split(".")[0] for name in one if not torch.equal(one[name], other[name])}
        for one, other in itertools.pairwise(states)
    ]
    assert moved == [{"adapter", "lm_head", "model", "vit"}] * 2
    page = (folder / "report.html").read_text()
    assert "s2/image_loss" in page
    assert "done already" in run(*request).stdout
    alone = [
        *words(tmp_path, "unitoken_stage2", "s2"),
        f"backbone.weights={folder}/weights/s1/unitoken",
        f"backbone.image_weights={folder}/weights/image_tokenizer",
        f"paths.output={tmp_path}/alone",
    ]
    run(*alone)
    again = load_network(only_run(tmp_path / "alone") / "weights/s2/unitoken")[0]
    assert all(torch.equal(again[name], states[1][name]) for name in again), "as in the run of all three"
    tokenizer, _ = load_tokenizer_state(folder / "weights/image_tokenizer")
    assert "quantize.embedding.weight" in tokenizer


def own_files(root: Path) -> list[str]:
    """Stage II on files of one's own, in two kinds of shard."""
    write_jsonl(root / "data/talks/a.jsonl", talks(4))
    write_tar(root / "data/draw-0.tar", pairs(4))
    return [
        "experiment=unitoken_stage2",
        "instructions@stages.s2.data=files",
        "stages.s2.data.files.understanding.path=talks",
        "stages.s2.data.files.generation.path=draw-*.tar",
        f"paths.data={root}/data",
        f"paths.cache={root}/cache",
        *COMMON,
    ]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(only_run(output) / "weights/s2/unitoken/model.safetensors")


@pytest.mark.slow
def test_two_processes_are_one(tmp_path: Path) -> None:
    common = [*own_files(tmp_path), "stages.s2.optimizer.lr=1e-2"]
    found: dict[str, Any] = {}
    for name, batch, more in (("one", 4, []), ("two", 2, ["trainer.devices=2", "strategy=ddp"])):
        run(*common, *more, f"stages.s2.batch_size={batch}", f"paths.output={tmp_path}/{name}")
        found[name] = weights(tmp_path / name)
        assert read(only_run(tmp_path / name) / "status.json")["world_size"] == (2 if more else 1)
    for name, tensor in found["one"].items():
        torch.testing.assert_close(found["two"][name], tensor, atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.slow
def test_killed_within_an_epoch_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    common = [word for word in own_files(tmp_path) if "max_steps" not in word]
    common += ["callbacks.checkpoint.every_n_steps=3", "trainer.max_epochs=30", "stages.s2.batch_size=1"]
    run(*common, f"paths.output={tmp_path}/whole")
    started = subprocess.Popen(
        command(*common, f"paths.output={tmp_path}/killed"), env=environment(), stdout=subprocess.DEVNULL
    )
    until = time.monotonic() + 200
    while not list(tmp_path.glob("killed/*/checkpoints/s2/last.ckpt")):
        assert time.monotonic() < until
        assert started.poll() is None, "it was over before it could be killed"
        time.sleep(0.02)
    started.kill()
    started.wait()
    point = torch.load(next(tmp_path.glob("killed/*/checkpoints/s2/last.ckpt")), weights_only=True)
    assert point["global_step"] < 240, "thirty epochs of eight steps are not over"
    run(*common, f"paths.output={tmp_path}/killed")
    killed, whole = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(killed[name], tensor) for name, tensor in whole.items())


@pytest.mark.slow
def test_bad_data_is_refused_before_anything_begins_or_left_out(tmp_path: Path) -> None:
    request = own_files(tmp_path)
    with (tmp_path / "data/talks/a.jsonl").open("a") as file:
        file.write('{"text": "A cup."}\n')
    refused = run(*request, f"paths.output={tmp_path}/refused", code=2)
    assert refused.stderr == (
        f"error: {tmp_path}/data/talks/a.jsonl: record 4: expected one picture with its text; found none; "
        "datamodule.bad=skip leaves out what is bad\n"
    )
    run(*request, "datamodule.bad=skip", f"paths.output={tmp_path}/skipped")
    assert read(only_run(tmp_path / "skipped") / "metrics.json")["s2/left_out/understanding"] == 1
