"""task=generate on a real small Show-o: several concepts in one prompt, and knowledge replay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf
from showo_makers import make_concept, make_showo

from unictk import assembly, tasks
from unictk.app.folder import RunFolder, forget_decision
from unictk.backbones.showo.backbone import Showo
from unictk.concepts.files import save_concept
from unictk.errors import UserError


@pytest.fixture(scope="module")
def backbone() -> Showo:
    return make_showo()


@pytest.fixture
def saved(backbone: Showo, tmp_path: Path) -> dict[str, str]:
    """Folders of the concepts bo, mam and another bo."""
    found = {}
    for place, name in (("one", "bo"), ("two", "mam"), ("three", "bo")):
        concept = make_concept(backbone, name)
        facts = {"backbone": "showo", "seed": 0, "config_hash": "", "metrics": {}, "class_noun": "dog"}
        found[place] = str(save_concept(tmp_path / place / "concept", concept, **facts))
    return found


def config(**sampling: object) -> DictConfig:
    node = {"_target_": "unictk.samples.Sampling", "steps": 2, "guidance": 0.0, "max_new_tokens": 4}
    return OmegaConf.create({"seed": 0, "sampling": {**node, **sampling}})


def generate(monkeypatch, backbone: Showo, run: Path, cfg: DictConfig, **more: object) -> RunFolder:
    monkeypatch.setattr(assembly, "on_device", lambda cfg: backbone)
    folder = RunFolder.claim(run, "hash", [], rerun=False)
    forget_decision()
    assert folder is not None
    tasks.generate(cfg, folder, count=2, **more)
    return folder


def pictures(folder: RunFolder) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.path.glob("samples/generate/*.png"))]


def test_two_concepts_in_one_prompt(monkeypatch, backbone, saved, tmp_path):
    read: list[str] = []
    draw = backbone.generate_images
    with monkeypatch.context() as patched:
        patched.setattr(
            backbone,
            "generate_images",
            lambda asked: (read.extend(one.segments[0].text for one in asked), draw(asked))[1],
        )
        both = [saved["one"], saved["two"]]
        folder = generate(
            patched, backbone, tmp_path / "a", config(), saved=both, prompt="<mam> beside <bo>."
        )
    soft = {name: "".join(f"<{name}:{i}>" for i in range(6)) for name in ("bo", "mam")}
    assert read == [f"{soft['mam']} <mam> beside {soft['bo']} <bo>."] * 2
    assert len(set(pictures(folder))) == 2
    ids = backbone.layout.codec.encode("<mam><bo>")
    assert len(ids) == 2, "each is one token of the model"


def test_concepts_that_cannot_share_a_model(monkeypatch, backbone, saved, tmp_path):
    same = [saved["one"], saved["three"]]
    with pytest.raises(UserError, match="<bo>: its token <bo> belongs to <bo> already"):
        generate(monkeypatch, backbone, tmp_path / "a", config(), saved=same, prompt="<bo>")
    (Path(saved["two"]).parent / "adapters.safetensors").touch()
    with pytest.raises(
        UserError, match=r"needs the adapters in .*; other concepts were not trained with them"
    ):
        generate(
            monkeypatch, backbone, tmp_path / "b", config(), saved=[saved["one"], saved["two"]], prompt="<bo>"
        )


def test_replay_asks_the_model_and_says_what_it_drew(monkeypatch, backbone, saved, tmp_path):
    asked: list[str] = []

    def answer(requests):
        asked.extend(request.segments[0].text for request in requests)
        return ["<bo> with a red hat." for _ in requests]

    monkeypatch.setattr(backbone, "generate_text", answer)
    told = {"saved": saved["one"], "prompt": "<sks> with its hat."}
    replayed = generate(monkeypatch, backbone, tmp_path / "a", config(rewrite="replay"), **told)
    plain = generate(monkeypatch, backbone, tmp_path / "b", config(), **told)
    assert [text.rpartition("\n")[2] for text in asked] == [
        "Rewrite the prompt with the facts: <bo> with its hat."
    ]
    (first, _) = json.loads((replayed.path / "samples/generate/samples.json").read_text())["images"]
    assert (first["prompt"], first["drawn"]) == ("<sks> with its hat.", "<bo> with a red hat.")
    assert pictures(replayed) != pictures(plain), "the same noise, other words"
