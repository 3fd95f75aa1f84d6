"""Shipping weights: only of a run that is done, never too large, with a card that says how to make them."""

import json

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
    assert "python run.py experiment=pretrain/sprites\n" in card
    assert "| sprites/qa | 0.9877 | 600 |" in card
    assert "| language | 90 min |" in card
    assert "Trained from nothing on rendered scenes" in card
    assert "pretrain/loss" not in card
    assert "sprites/judge" not in card, "who judged is no number"


def test_the_card_says_what_a_training_went_on_from(run, tmp_path):
    status = json.loads((run / "status.json").read_text())
    status["overrides"].append("stages.language.start=bundled:sprites/showo")
    (run / "status.json").write_text(json.dumps(status))
    ship(run, tmp_path / "assets")
    card = (tmp_path / "assets" / "README.md").read_text()
    assert "Trained on from bundled:sprites/showo as it was before, on rendered scenes" in card
    assert "from nothing" not in card


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
