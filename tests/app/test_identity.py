"""Names, hashes and masking: what makes two requests the same, and what never reaches a record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from unictk.app.identity import left_out, portable, recorded, request_hash, slug
from unictk.app.masking import is_secret, masked, masked_text

BASE = {
    "seed": 0,
    "rerun": False,
    "paths": {"data": "/a", "output": "/b", "cache": "/c"},
    "trainer": {"devices": 1, "max_epochs": 3},
    "logger": {"csv": {"save_dir": "x"}},
    "concept": {"root": "${paths.data}/x", "again": "${concept.root}", "number": "${seed}"},
    "loader": {"num_workers": 2, "batch": 4},
    "judge": {"api_key": "sk-1"},
}


def digest(**changes):
    config = OmegaConf.create(BASE)
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), value)
    return request_hash(portable(config))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paths__data", "/z"),
        ("paths__output", "/z"),
        ("trainer__devices", 8),
        ("loader__num_workers", 0),
        ("logger__csv__save_dir", "y"),
        ("rerun", True),
        ("judge__api_key", "sk-2"),
    ],
)
def test_the_hash_leaves_out_the_machine(key, value):
    assert digest(**{key: value}) == digest()


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 1), ("trainer__max_epochs", 4), ("loader__batch", 5), ("concept__root", "/a")]
)
def test_the_hash_sees_what_matters(key, value):
    assert digest(**{key: value}) != digest()


@pytest.mark.parametrize("key", ["task__saved", "rows"])
def test_another_concept_in_the_same_folder_is_another_request(key, tmp_path):
    empty = digest(**{key: str(tmp_path)})
    (tmp_path / "concept.json").write_text("{}")
    one = digest(**{key: str(tmp_path)})
    (tmp_path / "concept.safetensors").write_bytes(b"rows")
    other = digest(**{key: str(tmp_path)})
    assert len({empty, one, other}) == 3
    assert other == digest(**{key: str(tmp_path)})


def test_each_of_several_concepts_counts(tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    named = {"task__saved": [str(folder) for folder in folders]}
    empty = digest(**named)
    (folders[1] / "concept.safetensors").write_bytes(b"rows")
    assert len({empty, digest(**named), digest(task__saved=[str(folders[0])])}) == 3


def test_portable_is_resolved_but_for_paths():
    record = portable(OmegaConf.create(BASE))
    assert record["concept"] == {"root": "${paths.data}/x", "again": "${paths.data}/x", "number": 0}
    assert "paths" not in record
    assert record["loader"] == {"batch": 4}


def test_slug():
    lines = [
        "seed=1",
        "paths.data=/x",
        "trainer.devices=8",
        "+logger=wandb",
        "judge.api_key=k",
        "concept@a.b=c",
    ]
    assert recorded(lines) == ["concept@a.b=c", "seed=1"]
    assert slug(lines, "x") == "concept-a.b-c_seed-1"
    assert slug(["paths.data=/x"], "unictokens") == "unictokens"
    assert len(slug([f"a.b{i}={i}" for i in range(99)], "x")) <= 80
    assert left_out("~logger")
    assert not left_out("loggers")


@given(st.lists(st.text(max_size=30), max_size=5))
def test_a_slug_is_always_a_plain_file_name(lines):
    name = slug(lines, "x")
    assert name
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert name[0] != "-"


@pytest.mark.parametrize(
    "key", ["api_key", "judge.api_key", "WANDB_API_KEY", "HF_TOKEN", "password", "client_secret"]
)
def test_secret_keys(key):
    assert is_secret(key)


@pytest.mark.parametrize("key", ["max_new_tokens", "tokens", "tokenizer", "key", "mask_token_id", "keys"])
def test_ordinary_keys(key):
    assert not is_secret(key)


def test_masking(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "env-secret-value")
    value = {
        "a": {"api_key": "k-123", "note": ["uses k-123"]},
        "b": "env-secret-value",
        "c": 3,
        "api_key": None,
    }
    assert masked(value) == {
        "a": {"api_key": "***", "note": ["uses ***"]},
        "b": "***",
        "c": 3,
        "api_key": None,
    }
    assert masked_text("http://me:pw@host/x env-secret-value") == "http://***@host/x ***"
