"""Loggers that take pictures, adapters from the command line, data checks, weights that cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import QUICK, only_run, run

QUIET = [word for word in QUICK if word != "logger=none"]


@pytest.mark.slow
def test_tensorboard_and_csv_get_curves_and_pictures(tmp_path: Path, cache: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = [
        *QUIET,
        "logger=many",
        "trainer.max_epochs=1",
        f"paths.cache={cache}",
        f"paths.output={tmp_path}",
    ]
    run(*words)
    folder = only_run(tmp_path)
    pictures: set[str] = set()
    curves: set[str] = set()
    for file in (folder / "logs").rglob("events.out.tfevents.*"):
        events = EventAccumulator(str(file)).Reload()
        pictures |= set(events.Tags()["images"])
        curves |= set(events.Tags()["scalars"])
    assert {"samples/s1", "samples/s2", "samples/s3"} <= pictures
    assert {"s1/loss", "s1/loss/base", "s2/train_image_loss_step"} <= curves
    assert len(list((folder / "logs").glob("s*/metrics.csv"))) == 3


@pytest.mark.slow
def test_adapters_from_the_command_line_serve_the_later_stages(tmp_path: Path, cache: Path) -> None:
    words = [*QUICK, "trainer.max_epochs=1", f"paths.cache={cache}", f"paths.output={tmp_path}/run"]
    run(*words, "stage@stages.s1=understanding_lora", "stages.s1.lora.r=2")
    folder = only_run(tmp_path / "run")
    assert (folder / "adapters.safetensors").is_file()
    drawn = run(
        "task=generate",
        f"task.saved={folder}/concept",
        "task.count=1",
        "sampling.steps=2",
        f"paths.output={tmp_path}/drawn",
    )
    assert "1 file in" in drawn.stdout


def test_check_data_lists_everything_and_a_run_stops_at_once(tmp_path: Path, cache: Path) -> None:
    import shutil

    root = tmp_path / "data"
    shutil.copytree(cache / "chelsea", root)
    words = ("concept=photos", "concept.name=chelsea", f"paths.data={root}", f"paths.output={tmp_path}/o")
    assert "nothing wrong with chelsea" in run("task=check_data", *words).stdout
    (root / "concept/train/chelsea/3.png").write_bytes(b"not a picture")
    (root / "concept/train/chelsea/conversations.json").write_text("{")
    done = run("task=check_data", *words, code=2)
    assert "3.png: expected a picture" in done.stdout
    assert "conversations.json" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "2 problems, listed above" in done.stderr
    stopped = run(*QUICK, *words, code=2)
    assert stopped.stderr.count("\n") == 1
    assert "and 1 more" in stopped.stderr
    assert "check_data" in stopped.stderr
    assert not list((tmp_path / "o").glob("*/checkpoints/s1/*"))


def test_published_weights_that_cannot_be_had_are_one_line(tmp_path: Path, cache: Path) -> None:
    common = (*QUICK, "backbone=showo_256", "backbone.layout.tokenizer=null", f"paths.cache={cache}")
    done = run(*common, f"backbone.weights={tmp_path}", f"paths.output={tmp_path}/o", code=2)
    assert done.stderr.count("\n") == 1
    assert "no weights here; looked for model.safetensors" in done.stderr
