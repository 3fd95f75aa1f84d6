"""The pretraining task from the command line, with tiny sizes: trained, killed, resumed, loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import only_run, read, run

SMALL = (
    "experiment=pretrain/sprites",
    "trainer=cpu",
    "logger=none",
    "stages.language.compile_blocks=false",
    "stages.refinement.compile_blocks=false",
    "stages.refinement.drawn=4",
    "sampling.steps=1",
    "benchmark=none",
    "stages.tokenizer.pool=16",
    "stages.tokenizer.batch=4",
    "stages.clip.batch=8",
    "trainer.max_steps=2",
    *(
        f"stages.language.pictures.{kind}"
        for kind in ("singles=12", "pairs=12", "variants=8", "spoilt=2", "known=1", "own=1", "look_alikes=1")
    ),
)


@pytest.mark.slow
def test_parts_are_trained_kept_and_loaded(tmp_path: Path) -> None:
    done = run(*SMALL, f"paths.output={tmp_path}/o")
    folder = only_run(tmp_path / "o")
    status = read(folder / "status.json")
    assert status["state"] == "done"
    assert {name: one["state"] for name, one in status["stages"].items()} == dict.fromkeys(
        ("tokenizer", "language", "refinement", "clip"), "done"
    )
    assert "tokenizer steps: 2/2" in done.stdout
    assert {"clip/attribute", "language/pretrain/loss"} <= set(read(folder / "metrics.json"))
    measured = run(
        "experiment=sprites/evaluate",
        "trainer=cpu",
        "logger=none",
        "benchmark.scale=quick",
        "sampling.steps=1",
        f"backbone.weights={folder}/weights/showo",
        f"backbone.image_weights={folder}/weights/magvit",
        f"benchmark.known={folder}/weights/known.safetensors",
        f"paths.output={tmp_path}/m",
    )
    metrics = read(only_run(tmp_path / "m") / "metrics.json")
    assert metrics["sprites/qa/n"] == 50
    assert "sprites/known" in metrics
    assert "judged by oracle" in measured.stdout


@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path: Path) -> None:
    run(*SMALL, "trainer.devices=2", "strategy=ddp", f"paths.output={tmp_path}")
    status = read(only_run(tmp_path) / "status.json")
    assert (status["state"], status["world_size"]) == ("done", 2)
    assert {one["state"] for one in status["stages"].values()} == {"done"}
    assert (only_run(tmp_path) / "report.html").is_file()


PRETRAIN = "experiment=pretrain/sprites"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("task=pretrain",), "stages.s1: UnderstandingWarmup trains a concept, but task=pretrain"),
        ((PRETRAIN, "task=train"), "stages.tokenizer: TokenizerPart is a part of pretraining"),
        ((PRETRAIN, "benchmark=unifybench"), "benchmark: UnifyBench evaluates a concept"),
        ((PRETRAIN, "stages.language.steps=0"), "stages.language.steps: 0"),
        ((f"{PRETRAIN}x",), "experiment: 'pretrain/spritesx' is not a choice; nearest: pretrain/sprites"),
    ],
)
def test_wrong_combinations_are_one_line(tmp_path: Path, words: tuple[str, ...], line: str) -> None:
    done = run(*words, f"paths.output={tmp_path}/o", code=2)
    assert done.stderr.startswith(f"error: {line}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "o").exists()
