"""The command line on Janus: methods that know nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import QUICK, SELFPLAY, only_run, read, run


@pytest.mark.slow
def test_three_stages_of_a_concept_run_on_janus(tmp_path: Path, cache: Path) -> None:
    words = [word for word in QUICK if not word.startswith("sampling.steps")]
    run(
        *words,
        "backbone=janus_tiny",
        "sampling=default",
        "trainer.max_steps=1",
        f"paths.cache={cache}",
        f"paths.output={tmp_path}/run",
    )
    folder = only_run(tmp_path / "run")
    assert read(folder / "status.json")["state"] == "done"
    assert set(read(folder / "status.json")["stages"]) == {"s1", "s2", "s3"}
    assert (folder / "report.html").is_file()
    drawn = run(
        "backbone=janus_tiny",
        "task=generate",
        "sampling=janus",
        f"task.saved={folder}/concept",
        "task.count=1",
        f"paths.output={tmp_path}/drawn",
    )
    assert "1 file in" in drawn.stdout


@pytest.mark.slow
def test_self_play_trains_janus_and_its_weights_start_another_run(tmp_path: Path) -> None:
    run(*SELFPLAY, "backbone=janus_tiny", f"paths.output={tmp_path}/run")
    folder = only_run(tmp_path / "run")
    assert read(folder / "status.json")["state"] == "done"
    weights = folder / "weights" / "janus"
    drawn = run(
        "backbone=janus_tiny",
        "task=generate",
        "sampling=janus",
        "task.prompt=a ball",
        "task.count=1",
        f"backbone.weights={weights}",
        f"backbone.layout.tokenizer={weights}",
        f"paths.output={tmp_path}/drawn",
    )
    assert "1 file in" in drawn.stdout
