"""What a run is called in W&B, and what is compared there."""

from __future__ import annotations

from pathlib import Path

import pytest

from unictk.tracking.about import LONGEST_TAG, about, flat, offline
from unictk.tracking.logger import without_secret

CHOICES = {"task": "train", "stage@stages.s1": "understanding", "stage@stages.s2": "generation"}


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_RUN_ID", "WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)


def test_jobs_of_a_sweep_share_its_name_and_nothing_else(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep-seed-1-2-abc"
    first, second = (about(sweep / f"seed-{n}-ff", sweep, [f"seed={n}"], CHOICES) for n in (1, 2))
    assert (first.group, second.group) == ("sweep-seed-1-2-abc",) * 2
    assert (first.name, first.tags, second.tags) == ("seed-1-ff", ("seed=1",), ("seed=2",))
    assert first.id != second.id
    alone = about(tmp_path / "seed-1-ff", tmp_path / "sweep", ["seed=1"], CHOICES)
    assert alone.group is None


def test_a_run_folder_keeps_its_id_and_a_new_one_gets_another(tmp_path: Path) -> None:
    ids = [about(tmp_path / name, tmp_path / "sweep", [], CHOICES).id for name in ("a", "a", "b")]
    assert ids[0] == ids[1]
    assert ids[2] != ids[0]


def test_an_agents_id_is_taken_by_a_single_run_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "agent123")
    assert about(tmp_path / "a", tmp_path / "sweep", [], CHOICES).id == "agent123"
    assert about(tmp_path / "s" / "a", tmp_path / "s", [], CHOICES).id != "agent123"


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (CHOICES, "train"),
        ({"task": "train", "stage@stages.s2": "generation"}, "generation"),
        ({"task": "selfplay", "stage@stages.learn": "self_training"}, "selfplay"),
        ({"task": "evaluate"}, "evaluate"),
    ],
)
def test_the_job_type_is_the_task_or_the_only_stage(tmp_path: Path, choices: dict, expected: str) -> None:
    assert about(tmp_path / "a", tmp_path / "sweep", [], choices).job_type == expected


def test_tags_are_the_overrides_that_count_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "tok-1234567")
    lines = ["seed=1", "paths.data=/x", "judge.api_key=sk-1", "rows=tok-1234567", "concept.name=" + "x" * 99]
    tags = about(tmp_path / "a", tmp_path / "sweep", lines, CHOICES, tags=["mine"]).tags
    assert tags[0] == "mine"
    assert set(tags[2:]) == {"rows=***", "seed=1"}
    assert tags[1].startswith("concept.name=xxx")
    assert len(tags[1]) == LONGEST_TAG


def test_config_has_the_keys_that_one_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "tok-1234567")
    config = {
        "seed": 1,
        "stages": {"s1": {"optimizer": {"lr": 0.1}}},
        "judge": {"api_key": "sk-1", "url": "http://me:sk-1@host/tok-1234567"},
        "tags": ["a"],
        "study": None,
        "callbacks": {},
        "logger": {"wandb": {"project": "p"}},
    }
    assert flat(config) == {
        "seed": 1,
        "stages.s1.optimizer.lr": 0.1,
        "judge.api_key": "***",
        "judge.url": "http://***@host/***",
        "tags": ["a"],
        "study": None,
        "callbacks": {},
    }


def test_arguments_lose_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "tok-1234567")
    assert without_secret("+judge.api_key=sk-1") == "+judge.api_key=***"
    assert without_secret("rows=tok-1234567") == "rows=***"
    assert without_secret("seed=1") == "seed=1"
    assert without_secret("-m") == "-m"


def test_offline_without_a_key_a_login_or_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine other.host login user password key\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert offline()
    netrc.write_text("machine api.wandb.ai login user password key\n")
    assert not offline()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.mine.org")
    assert offline()
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert not offline()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert offline()
    monkeypatch.setenv("WANDB_MODE", "online")
    assert not offline()
