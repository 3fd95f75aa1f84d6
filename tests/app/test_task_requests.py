# ruff: noqa: E501  (a whole message is one line)
"""What evaluate, generate and export ask for: refused in one line before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unictk.app.main import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Concept folders bo and mam, as far as the check reads them."""
    for name in ("bo", "mam"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "concept.json").write_text(json.dumps({"name": name}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "concept.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path


REPLAY = "sampling.rewrite=replay"
WRONG = [
    (["strategy=fsdp", "experiment=pretrain/sprites"], "strategy: fsdp has a part of each matrix in each process, but task=pretrain trains with whole ones (Muon); nearest: strategy=ddp"),
    (["strategy=fsdp", "trainer.precision=16-mixed"], "trainer.precision: '16-mixed' scales losses, which strategy=fsdp has no place for; nearest: bf16-mixed"),
    (["task=evaluate", "task.saved=nowhere"], "task.saved: 'nowhere' is not a concept folder: it has no concept.json"),
    (["task=evaluate", "task.saved=bo", "task.described=true"], "task.described: true is for a model without tokens of the concept, but task.saved gives some; leave one of the two out"),
    (["task=evaluate", "task.saved=bo", "task.called=Mika"], "task.called: 'Mika' is for a model without tokens of the concept, but task.saved gives some; leave one of the two out"),
    (["task=evaluate", "task.saved=[bo,mam]"], "task.saved: ['bo', 'mam'] is not allowed, expected text or null"),
    (["task=generate"], "task.saved: null, but task.prompt 'A photo of <sks>.' names <sks>; give task.saved=<concept folder>, or another prompt"),
    (["task=generate", "task.saved=[]"], "task.saved: [] is not allowed, expected text or a list of [text] or null"),
    (["task=generate", "task.saved=[bo,nowhere]"], "task.saved: 'nowhere' is not a concept folder: it has no concept.json"),
    (["task=generate", "task.saved=[bo,mam]"], "task.prompt: 'A photo of <sks>.' says <sks>, which may be any of <bo>, <mam>; name one"),
    (["task=generate", "task.saved=[bo,mam]", "task.prompt='<bo> and <man>'"], "task.prompt: '<bo> and <man>' names <man>, which is no concept here; nearest: <mam>. All: <bo>, <mam>"),
    (["task=generate", "task.saved=bo", "task.prompt='<mam>'"], "task.prompt: '<mam>' names <mam>, which is no concept here. All: <bo>"),
    (["task=generate", "task.prompt='A cup.'", REPLAY], "sampling.rewrite: replay, but no concept is given to know of; give task.saved=<concept folder>"),
    (["task=evaluate", REPLAY], "sampling.rewrite: replay, but task=evaluate draws no prompt of yours; nearest: sampling.rewrite=none (benchmark.pictures.replay measures replay, benchmark=sprites plans)"),
    ([REPLAY], "sampling.rewrite: replay, but task=train draws no prompt of yours; nearest: sampling.rewrite=none (benchmark.pictures.replay measures replay, benchmark=sprites plans)"),
    (["task=export", "task.saved=bo", "task.push=me/bo"], "task.push: 'me/bo' takes the hub's form only; nearest: task.form=hub"),
    (["task=export", "task.saved=bo", "task.form=hub", "task.push=bo"], "task.push: 'bo' is not a hub repository; expected <user>/<name>"),
    (["task=export", "task.saved=bo", "task.form=hub", "task.push=me/bo"], "task.push: 'me/bo' needs a token; expected it in the environment as HF_TOKEN"),
    (["task=export", "task.saved=bo", "task.form=hubb"], "task.form: 'hubb' is not a choice; nearest: hub. All: published, hub"),
    (["benchmark.pictures.dreambooth=-1"], "benchmark.pictures.dreambooth: -1 is not allowed, expected an integer >= 0; nearest: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "reason"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_wrong(home, capsys, words, reason):
    assert run([*words, f"paths.output={home / 'out'}"]) == 2
    assert capsys.readouterr().err == f"error: {reason}\n"
    assert not (home / "out").exists()


RIGHT = [
    ["strategy=fsdp", "trainer.precision=bf16-mixed"],
    ["strategy=fsdp", "experiment=unicorn"],
    ["strategy=ddp", "trainer.precision=16-mixed"],
    ["task=evaluate"],
    ["task=evaluate", "task.described=true", "task.called=Mika"],
    ["task=evaluate", "task.saved=bo"],
    ["task=generate", "task.saved=bo"],
    ["task=generate", "task.saved=[bo,mam]", "task.prompt='<bo> with <mam>'", REPLAY],
    ["task=generate", "task.saved=broken"],
    ["task=export", "task.saved=bo", "task.form=hub"],
]


@pytest.mark.parametrize("words", RIGHT, ids=" ".join)
def test_right(home, capsys, words):
    assert run([*words, "--cfg", "job"]) == 0
    assert capsys.readouterr().err == ""
