"""Shipping weights: only of a run that is done, never too large, with a card that says how to make them."""

import json
from pathlib import Path

import pytest

from unictk.errors import DataError
from unictk.pretraining import ship as shipping
from unictk.pretraining.ship import ship


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "weights/showo").mkdir(parents=True)
    (folder / "weights/showo/model.safetensors").write_bytes(b"x" * 100)
    status = {
        "state": "done",
        "overrides": ["experiment=pretrain/sprites"],
        "stages": {"language": {"state": "done", "seconds": 5400.0}},
    }
    (folder / "status.json").write_text(json.dumps(status))
    (folder / "config.yaml").write_text("stages: {language: {steps: 1}}")
    (folder / "metrics.json").write_text(
        json.dumps(
            {
                "sprites/qa": 0.98765,
                "sprites/qa/n": 600.0,
                "language/pretrain/loss": 1.0,
                "sprites/judge": "oracle",
            }
        )
    )
    return folder


def test_weights_and_card_are_copied_and_old_ones_go(run, tmp_path):
    target = tmp_path / "assets"
    target.mkdir()
    (target / "old").write_text("")
    assert ship(run, target) == 100
    assert (target / "showo/model.safetensors").read_bytes() == b"x" * 100
    assert not (target / "old").exists()
    card = (target / "README.md").read_text()
    assert "    1. python run.py experiment=pretrain/sprites\n" in card
    assert "| sprites/qa | 0.9877 | 600 |" in card
    assert "| language | 1 | 90 min |" in card
    assert "pretrain/loss" not in card
    assert "sprites/judge" not in card, "who judged is no number"


def further(folder: Path, start: str, seconds: float) -> Path:
    """A finished run that trained the language model on from ``start``."""
    (folder / "weights/showo").mkdir(parents=True)
    (folder / "weights/showo/model.safetensors").write_bytes(b"y" * 10)
    status = {
        "state": "done",
        "overrides": [
            "experiment=pretrain/sprites_further",
            f"stages.refinement.start={start}",
            f"seed={seconds:.0f}",
        ],
        "stages": {"refinement": {"seconds": seconds}, "measure": {"seconds": 9.0}},
    }
    (folder / "status.json").write_text(json.dumps(status))
    (folder / "config.yaml").write_text(f"stages: {{refinement: {{start: '{start}'}}}}")
    (folder / "metrics.json").write_text(json.dumps({"sprites/qa": 0.99}))
    return folder


def test_what_a_run_went_on_from_is_in_the_card_and_what_it_did_not_train_stays(run, tmp_path):
    (run / "weights/clip").mkdir()
    (run / "weights/clip/weights").write_bytes(b"c")
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(metrics | {"clip/identity": 0.5}))
    target = tmp_path / "assets"
    ship(run, target)
    first = further(tmp_path / "first", "bundled:sprites/showo", 60)
    second = further(tmp_path / "second", str(first / "weights/showo"), 120)
    assert ship(second, target) == 11
    assert (target / "clip/weights").read_bytes() == b"c"
    card = (target / "README.md").read_text()
    before = "_further stages.refinement.start=bundled:sprites/showo seed=60"
    last = "_further stages.refinement.start=THE_RUN_BEFORE/weights/showo seed=120"
    for number, command in enumerate(("", before, last), start=1):
        assert f"    {number}. python run.py experiment=pretrain/sprites{command}\n" in card
    assert str(tmp_path) not in card, "no path of this machine"
    assert "| language | 1 | 90 min |\n| refinement | 2 | 1 min |\n| refinement | 3 | 2 min |" in card
    assert "| sprites/qa | 0.9900 |" in card
    assert "| clip/identity | 0.5000 |" in card
    assert "measure" not in card
    ship(second, target)
    assert (target / "README.md").read_text() == card, "a run of the chain may be shipped again"


def test_a_run_whose_beginning_is_gone_is_refused(tmp_path):
    run = further(tmp_path / "second", str(tmp_path / "gone/weights/showo"), 60)
    with pytest.raises(DataError, match=r"went on from .*gone/weights/showo, and .*gone is no run folder"):
        ship(run, tmp_path / "assets")
    assert not (tmp_path / "assets").exists()


@pytest.mark.parametrize("state", ["running", "failed", None])
def test_a_run_that_is_not_done_is_refused(run, tmp_path, state):
    (run / "status.json").write_text(json.dumps({"state": state}))
    with pytest.raises(DataError, match="expected a run that is done"):
        ship(run, tmp_path / "assets")
    assert not (tmp_path / "assets").exists()


def test_too_large_weights_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shipping, "LIMIT", 99)
    with pytest.raises(DataError, match="100 bytes; expected at most 99"):
        ship(run, tmp_path / "assets")


def test_no_weights_are_refused(run, tmp_path):
    (run / "weights/showo/model.safetensors").unlink()
    with pytest.raises(DataError, match="no weights here"):
        ship(run, tmp_path / "assets")
