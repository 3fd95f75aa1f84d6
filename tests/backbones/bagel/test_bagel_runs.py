"""A method that knows nothing of BAGEL runs on it, from the command line."""

from __future__ import annotations

import math
from pathlib import Path

from command_line import QUICK, only_run, read, run


def test_three_stages_of_unictokens_on_the_small_bagel(tmp_path: Path) -> None:
    run(*QUICK, "backbone=bagel_tiny", "trainer.max_steps=1", f"paths.output={tmp_path}")
    folder = only_run(tmp_path)
    assert read(folder / "status.json")["state"] == "done"
    concept = read(folder / "concept" / "concept.json")
    assert concept["groups"] == {"identifier": 1, "shared": 16, "generation": 8, "understanding": 8}
    losses = {name: value for name, value in read(folder / "metrics.json").items() if "loss" in name}
    assert losses
    assert all(math.isfinite(value) and value > 0 for value in losses.values())
