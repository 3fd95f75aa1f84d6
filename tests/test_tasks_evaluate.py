"""task=evaluate without a saved concept: the model before any training, told nothing or told in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from concept_folders import write_whole_concept
from omegaconf import DictConfig, OmegaConf

from unictk import assembly, tasks
from unictk.app.folder import RunFolder, forget_decision
from unictk.backbones.base import RowShape
from unictk.errors import UserError
from unictk.records import FILE, read_records
from unictk.samples import Request


@dataclass
class Listens:
    """A model that answers every question alike and keeps what it read."""

    says: str
    read: list[str] = field(default_factory=list)
    attached: list[object] = field(default_factory=list)
    layout: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(image_size=8))
    row_shape: RowShape = field(default_factory=lambda: RowShape(4, True))

    def attach(self, concepts: Sequence[object]) -> None:
        self.attached = list(concepts)

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        self.read += [request.segments[-1].text for request in requests]
        return [self.says for _ in requests]


@pytest.fixture
def cfg(tmp_path: Path) -> DictConfig:
    write_whole_concept(tmp_path / "data")
    concept = {"_target_": "unictk.datamodules.concept_data.read_concept", "root": str(tmp_path / "data")}
    return OmegaConf.create(
        {
            "seed": 0,
            "concept": {**concept, "name": "bo"},
            "benchmark": {"_target_": "unictk.benchmarks.unifybench.bench.UnifyBench"},
            "judge": None,
            "sampling": {"_target_": "unictk.samples.Sampling"},
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder.claim(tmp_path / "run", "hash", [], rerun=False)
    forget_decision()  # it is told to child processes, and this one has none
    assert found is not None
    return found


def evaluate(monkeypatch, cfg: DictConfig, folder: RunFolder, model: Listens, **more: object):
    monkeypatch.setattr(assembly, "on_device", lambda cfg: model)
    return tasks.evaluate(cfg, folder, **more)


def test_the_base_model_is_asked_by_the_plain_name(monkeypatch, cfg, folder, capsys):
    model = Listens("Yes.")
    found = evaluate(monkeypatch, cfg, folder, model)
    assert (found["unifybench/rec_positive"], found["unifybench/rec_random"]) == (1, 0)
    assert "What does bo play with?" in model.read
    assert not any("<" in text for text in model.read)
    assert [len(concept) for concept in model.attached] == [0]
    assert "<bo> is no token of the model; prompts call it bo and tell nothing of it\n" in (
        capsys.readouterr().out
    )
    asked = {record.question for record in read_records(folder.path / FILE)}
    assert "What does <bo> play with?" in asked, "records show the question as the data set has it"


def test_words_stand_where_the_tokens_would(monkeypatch, cfg, folder, capsys):
    model = Listens("Mika has a ball.")
    found = evaluate(monkeypatch, cfg, folder, model, described=True, called="Mika")
    told = "Mika is a small dog. Mika has a red hat. Mika has a ball."
    assert all(text.startswith(f"{told}\n") for text in model.read)
    assert "likes tea" not in "".join(model.read), "a fact that is held out is told by nobody"
    assert f"prompts call it Mika and begin with: {told}" in capsys.readouterr().out
    assert found["unifybench/text_qa_bleu"] > 0
    answers = {record.answer for record in read_records(folder.path / FILE)}
    assert answers == {"<bo> has a ball."}


def test_the_description_alone(monkeypatch, cfg, folder):
    model = Listens("Yes.")
    evaluate(monkeypatch, cfg, folder, model, described=True, facts=False)
    assert {text.partition("\n")[0] for text in model.read} == {"bo is a small dog."}


def test_a_word_that_is_none_is_refused_before_anything_starts(monkeypatch, cfg, folder):
    with pytest.raises(UserError, match=r"task\.called: '<bo>' cannot stand for <bo>"):
        evaluate(monkeypatch, cfg, folder, Listens(""), called="<bo>")
    assert not folder.started
