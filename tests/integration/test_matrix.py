"""Every method on every backbone, at small size and from the command line, to a report."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import QUICK, only_run, read, run

BACKBONES = ("showo_tiny", "unitoken_tiny", "janus_tiny", "bagel_tiny")
SAMPLING = {"bagel_tiny": "bagel", "janus_tiny": "janus"}

SELFPLAY = (
    "experiment=unicorn",
    "trainer=cpu",
    "logger=none",
    "selfplay.proposer=grammar",  # what random weights write is no prompt
    "selfplay.only=[single,counting]",
    "selfplay.prompts=2",
    "selfplay.rollouts=4",
    "selfplay.batch_size=8",
    "selfplay.audit=0",
    "selfplay.selection.threshold=0",
    "benchmark.one=2",
    "benchmark.two=1",
    "benchmark.questions=0",
    "stages.learn.batch_size=4",
    "trainer.max_epochs=1",
)


def finished(output: Path) -> dict[str, object]:
    """The stages of the one run, which is done and has its report."""
    folder = only_run(output)
    status = read(folder / "status.json")
    assert status["state"] == "done"
    assert (folder / "report.html").is_file()
    return status["stages"]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_unictokens(backbone: str, tmp_path: Path, cache: Path) -> None:
    words = [word for word in QUICK if not word.startswith("sampling.steps")]
    run(
        *words,
        f"backbone={backbone}",
        f"sampling={SAMPLING.get(backbone, 'default')}",
        "trainer.max_steps=1",
        f"paths.cache={cache}",
        f"paths.output={tmp_path}",
    )
    assert set(finished(tmp_path)) == {"s1", "s2", "s3"}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_unicorn(backbone: str, tmp_path: Path) -> None:
    run(
        *SELFPLAY,
        f"backbone={backbone}",
        "sampling.order=confidence",
        "sampling.guidance_schedule=constant",
        f"paths.output={tmp_path}",
    )
    stages = finished(tmp_path)
    assert any(name.startswith("learn") for name in stages)
    weights = [path.name for path in (only_run(tmp_path) / "weights").iterdir()]
    assert backbone.removesuffix("_tiny") in weights
