"""The command line on another backbone: a method's stages know none."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import QUICK, only_run, read, run


@pytest.mark.slow
def test_three_stages_of_a_concept_run_on_unitoken(tmp_path: Path, cache: Path) -> None:
    words = [word for word in QUICK if not word.startswith("sampling.steps")]
    run(
        *words,
        "backbone=unitoken_tiny",
        "trainer.max_steps=1",
        f"paths.cache={cache}",
        f"paths.output={tmp_path}/run",
    )
    folder = only_run(tmp_path / "run")
    assert read(folder / "status.json")["state"] == "done"
    assert set(read(folder / "status.json")["stages"]) == {"s1", "s2", "s3"}
    drawn = run(
        "backbone=unitoken_tiny",
        "task=generate",
        "sampling=default",
        f"task.saved={folder}/concept",
        "task.count=1",
        f"paths.output={tmp_path}/drawn",
    )
    assert "1 file in" in drawn.stdout


def test_a_checkpoint_without_its_image_tokenizer_is_one_line(tmp_path: Path) -> None:
    refused = run(
        "backbone=unitoken_tiny",
        "experiment=unictokens",
        f"backbone.weights={tmp_path}",
        f"paths.output={tmp_path}/run",
        code=2,
    )
    assert refused.stderr.count("\n") == 1
    assert "backbone.image_weights: null" in refused.stderr
