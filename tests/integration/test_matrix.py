"""Every method on every backbone, at small size and from the command line, to a report."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import QUICK, SELFPLAY, only_run, read, run

BACKBONES = ("showo_tiny", "unitoken_tiny", "janus_tiny", "bagel_tiny")
SAMPLING = {"bagel_tiny": "bagel", "janus_tiny": "janus"}


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
        f"paths.output={tmp_path}",
    )
    stages = finished(tmp_path)
    assert any(name.startswith("learn") for name in stages)
    weights = [path.name for path in (only_run(tmp_path) / "weights").iterdir()]
    assert backbone.removesuffix("_tiny") in weights
