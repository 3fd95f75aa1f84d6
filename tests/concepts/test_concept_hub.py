"""A concept as a hub folder: its files, its card, and uploads that never show the token."""

from __future__ import annotations

import json
import math
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import pytest
import yaml
from concept_makers import make_concept
from hub_server import hub
from huggingface_hub import ModelCard
from omegaconf import OmegaConf

from unictk import tasks
from unictk.app.folder import RunFolder, forget_decision
from unictk.concepts.files import load_concept, save_concept
from unictk.concepts.hub import hub_id, push_hub, write_hub
from unictk.errors import UserError, WeightsError

TOKEN = "hf_verysecrettoken"
SCORES = {
    "unifybench/rec": 0.75,
    "unifybench/rec/base": 0.5,
    "unifybench/rec/n": 21.0,
    "unifybench/face": math.nan,
    "s3/loss": 1.5,
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A concept that lies in a run folder with a photo beside it."""
    (tmp_path / "run" / "samples").mkdir(parents=True)
    (tmp_path / "run" / "samples" / "photo.png").write_bytes(b"face")
    return save_concept(
        tmp_path / "run" / "concept",
        make_concept(),
        backbone="showo",
        seed=3,
        config_hash="abc",
        metrics=SCORES,
        class_noun="dog: <b>",
        base_model="showlab/show-o-512x512",
    )


def front(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def test_a_hub_folder_is_the_concept_and_its_card_and_no_photo(saved, tmp_path):
    written = write_hub(saved, tmp_path / "hub", license_id="cc-by-4.0", repository="me/bo")
    assert sorted(path.name for path in (tmp_path / "hub").rglob("*")) == sorted(p.name for p in written)
    back = load_concept(tmp_path / "hub")
    assert back.tokens() == make_concept().tokens()
    for key, value in make_concept().state_dict().items():
        assert back.state_dict()[key].equal(value)
    data = front(tmp_path / "hub")
    assert (data["license"], data["base_model"]) == ("cc-by-4.0", "showlab/show-o-512x512")
    assert data["library_name"] == "unictk"
    assert "unictk" in data["tags"]
    (result,) = data["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "unifybench/rec", "value": 0.75}]
    text = (tmp_path / "hub" / "README.md").read_text()
    assert 'load_concept(snapshot_download("me/bo"))' in text
    assert "<b>" not in text.replace("<bo>", "")
    assert ModelCard.load(tmp_path / "hub" / "README.md").data.license == "cc-by-4.0"


def test_a_base_model_can_be_named_or_be_absent(saved, tmp_path):
    write_hub(saved, tmp_path / "a", base_model="me/other")
    assert front(tmp_path / "a")["base_model"] == "me/other"
    about = json.loads((saved / "concept.json").read_text())
    del about["base_model"]  # as earlier versions wrote it
    (saved / "concept.json").write_text(json.dumps(about))
    write_hub(saved, tmp_path / "b")
    assert "base_model" not in front(tmp_path / "b")
    assert front(tmp_path / "b")["license"] == "other"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"base_model": "/my/weights"}, r"task\.base_model: '/my/weights' is not a hub repository"),
        ({"license_id": "CC BY"}, r"task\.license: 'CC BY' is not a licence"),
        ({"license_id": "mit\ntags: x"}, r"task\.license: "),
    ],
)
def test_what_the_hub_would_not_take(saved, tmp_path, settings, reason):
    with pytest.raises(UserError, match=reason):
        write_hub(saved, tmp_path / "hub", **settings)


def test_a_damaged_concept_is_not_written(saved, tmp_path):
    (saved / "concept.safetensors").write_bytes(b"?")
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        write_hub(saved, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_only_hub_ids_are_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "weights").mkdir(parents=True)
    found = [hub_id(one) for one in ("showlab/show-o", "bundled:sprites/showo", "my/weights", "/a/b", None)]
    assert found == ["showlab/show-o", "", "", "", ""]


def push(monkeypatch, folder: Path, refuses: int | None = None):
    with hub(refuses) as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        return server, push_hub(folder, "me/bo", TOKEN)


def test_three_files_go_to_a_private_repository_in_one_commit(saved, tmp_path, monkeypatch):
    write_hub(saved, tmp_path / "hub")
    (tmp_path / "hub" / "photo.png").write_bytes(b"face")
    server, address = push(monkeypatch, tmp_path / "hub")
    assert address == f"{server.url}/me/bo"
    assert sorted(server.files) == ["README.md", "concept.json", "concept.safetensors"]
    for name, content in server.files.items():
        assert content == (tmp_path / "hub" / name).read_bytes()
    assert [one["summary"] for one in server.commits] == ["Concept bo"]
    assert (server.made[0]["name"], server.made[0]["organization"]) == ("bo", "me")
    assert server.made[0].get("visibility") == "private" or server.made[0].get("private") is True
    writes = {path: key for path, key in server.keys.items() if "/api/models/" in path or "/create" in path}
    assert len(writes) >= 3
    assert set(writes.values()) == {f"Bearer {TOKEN}"}, server.keys


@pytest.mark.parametrize("status", [401, 403, 400])
def test_a_refused_upload_is_one_line_without_the_token(saved, tmp_path, monkeypatch, status):
    write_hub(saved, tmp_path / "hub")
    with pytest.raises(UserError, match=r"task\.push: 'me/bo' was not written \(") as caught:
        push(monkeypatch, tmp_path / "hub", status)
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__, "the error behind it shows the request"


def export(saved: Path, run: Path, **more: object) -> RunFolder:
    folder = RunFolder.claim(run, "hash", [], rerun=False)
    forget_decision()
    assert folder is not None
    tasks.export(OmegaConf.create({"seed": 0}), folder, str(saved), **more)
    return folder


def test_the_task_exports_pushes_and_writes_the_token_nowhere(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub() as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        folder = export(saved, tmp_path / "out", form="hub", push="me/bo")
    assert len(server.files) == 3
    assert f"{server.url}/me/bo" in capsys.readouterr().out
    assert folder.stage_is_done("push")
    for file in folder.path.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()
    assert all(TOKEN.encode() not in content for content in server.files.values())


def test_nothing_is_uploaded_unasked(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    folder = export(saved, tmp_path / "hub_form", form="hub")
    assert (folder.path / "hub" / "README.md").is_file()
    folder = export(saved, tmp_path / "published_form")
    assert sorted(path.name for path in (folder.path / "published").iterdir())[0] == "epoch_20_embed.pt"


def test_a_concept_that_needs_adapters_is_no_hub_folder(saved, tmp_path):
    (saved.parent / "adapters.safetensors").touch()
    with pytest.raises(UserError, match=r"needs the adapters in .*a folder for the hub holds rows only"):
        export(saved, tmp_path / "out", form="hub")
