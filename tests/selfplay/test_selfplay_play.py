"""Whole runs of self-play on a real small Show-o: what is left, killed anywhere, and in two processes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import load_file
from selfplay_requests import COUNTS, claimed, request, small_showo

from unictk import tasks
from unictk.errors import DataError, UserError
from unictk.modules.unicorn import DrawingAndJudging, Proposing, SelfTraining
from unictk.records import FILE, read_records
from unictk.selfplay import shards as shards_module
from unictk.selfplay.play import Play
from unictk.selfplay.proposer import streams
from unictk.selfplay.rollouts import accepted, mine
from unictk.selfplay.stores import Stores

KINDS = ("proposals", "ratings", "rollouts", "judgements", "lessons")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "_flush", lambda path: None)


def play(path: Path, cfg: DictConfig | None = None) -> dict[str, float]:
    return tasks.selfplay(cfg or request(), claimed(path))


def manifests(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Name and digest of every shard: all that equal runs share of their records."""
    stores = Stores(path)
    return {kind: [(m.name, m.digest) for m in getattr(stores, kind).manifests()] for kind in KINDS}


def pictures(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in (path / "selfplay" / "pictures").rglob("*.png")}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "weights" / "showo" / "model.safetensors")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from beginning to end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards_module, "_flush", lambda path: None)
        path = tmp_path_factory.mktemp("play") / "whole"
        play(path)
    return path


def test_a_run_leaves_records_weights_and_what_changed(whole: Path) -> None:
    stores = Stores(whole)
    rollouts, judgements = list(stores.rollouts), list(stores.judgements)
    assert len(rollouts) == len(judgements) == COUNTS["prompts"] * COUNTS["rollouts"]
    assert {row.guidance for row in rollouts} == {0.0, 1.0}
    assert {row.judge for row in judgements} == {"self/points"}
    assert {row.rung for row in judgements} == {"points"}
    assert {row.kind for row in stores.lessons} >= {"generation", "caption", "judgement"}
    status = json.loads((whole / "status.json").read_text())["stages"]
    assert list(status) == ["base", "propose-00", "draw-00", "learn-00", "after-00"]
    assert {one["state"] for one in status.values()} == {"done"}
    metrics = json.loads((whole / "metrics.json").read_text())
    assert (metrics["selfplay/proposer"], metrics["selfplay/judge"]) == ("grammar", "self/points")
    assert metrics["sprites/judge"] == metrics["selfplay/audit_judge"] == "oracle"
    assert metrics["selfplay/kept"] == metrics["selfplay/accepted"] == COUNTS["prompts"]
    assert metrics["selfplay/single/kept"] == 2
    assert metrics["selfplay/lessons_generation"] == 4
    assert "sprites/generation_attributes" in metrics
    assert "sprites/generation_attributes/base" in metrics
    assert {record.phase for record in read_records(whole / FILE)} == {"base", "after-00"}
    assert (whole / "report.html").is_file()


def test_the_weights_start_another_run(whole: Path, tmp_path: Path) -> None:
    before, after = small_showo(), small_showo(str(whole / "weights" / "showo"))
    moved = [
        name
        for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True)
        if not torch.equal(old, new)
    ]
    assert any("layers" in name for name in moved)
    assert any("embed_tokens" in name for name in moved)
    assert not any("image_tokenizer" in name for name in moved)
    again = request(backbone__weights=str(whole / "weights" / "showo"), trainer__max_steps=1)
    first = play(tmp_path / "again", again)
    last = json.loads((whole / "metrics.json").read_text())
    for name in ("sprites/generation_attributes", "sprites/generation_attributes_two"):
        assert first[f"{name}/base"] == last[name], "the next run begins where this one ended"


def test_the_same_request_says_the_same(whole: Path, tmp_path: Path) -> None:
    play(tmp_path / "twin")
    assert manifests(tmp_path / "twin") == manifests(whole)
    assert pictures(tmp_path / "twin") == pictures(whole)
    for name, tensor in weights(whole).items():
        assert torch.equal(weights(tmp_path / "twin")[name], tensor), name
    metrics = [(path / "metrics.json").read_text() for path in (whole, tmp_path / "twin")]
    assert metrics[0] == metrics[1]


class Killed(BaseException):
    """In the place of a signal: nothing of ours catches it."""


def killed_at_file(patch: pytest.MonkeyPatch, at: int) -> None:
    """The ``at``-th file of self-play's is not given its name."""
    rename, files = os.replace, iter(range(1, 10_000))

    def counted(source: object, target: object) -> None:
        if "/selfplay/" in str(target) and next(files) == at:
            raise Killed
        rename(source, target)  # type: ignore[arg-type]

    patch.setattr(os, "replace", counted)


def killed_behind(patch: pytest.MonkeyPatch, where: type, name: str, at: int) -> None:
    """The ``at``-th call is the last thing that is done."""
    real, calls = getattr(where, name), iter(range(1, 10_000))

    def counted(*args: object, **more: object) -> object:
        found = real(*args, **more)
        if next(calls) == at:
            raise Killed
        return found

    patch.setattr(where, name, counted)


KILLS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a picture": lambda patch: killed_at_file(patch, 7),
    "the rollouts' manifest": lambda patch: killed_at_file(patch, 12),
    "the judgements": lambda patch: killed_at_file(patch, 13),
    "after drawing": lambda patch: killed_behind(patch, DrawingAndJudging, "_draw", 2),
    "step 2": lambda patch: killed_behind(patch, SelfTraining, "training_step", 2),
    "the last step": lambda patch: killed_behind(patch, SelfTraining, "training_step", 3),
}
"""Proposals are the first four files; then a batch has six pictures and two files for each kind of record."""


@pytest.mark.parametrize("moment", KILLS)
def test_a_killed_run_goes_on_to_the_same_end(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "killed"
    folder = claimed(path)
    with monkeypatch.context() as patch:
        KILLS[moment](patch)
        with pytest.raises(Killed):
            tasks.selfplay(request(benchmark=None), folder)
    assert not (path / "weights" / "showo").exists()
    play(path, request(benchmark=None))
    assert manifests(path) == manifests(whole)
    assert pictures(path) == pictures(whole)
    for key, tensor in weights(whole).items():
        assert torch.equal(weights(path)[key], tensor), key


def shared(path: Path, world: int) -> Path:
    """Proposing, drawing and judging, each by ``world`` processes in turn, without a process group."""
    made = Play(request(), claimed(path))
    players, stores, plan = made.players, made.stores, made.players.plan()
    quotas = players.categories.shares(made.rules.prompts)
    proposer, made_by = players.proposer()
    module = Proposing(made.backbone, proposer, stores, made.rules.questions, made_by, lambda stream: None)
    for rank in reversed(range(world)):
        rules = made.rules.proposing
        for stream in streams(
            players.categories, quotas, players.wording, rules, 3, 0, made.held_out, rank, world
        ):
            module.predict_step(stream, 0)
    keys = players.model(), players.judged_by()
    drawing = DrawingAndJudging(
        made.backbone, "self", players.judge, stores, *keys, lambda rows, drawn, seconds: None
    )
    for rank in reversed(range(world)):
        batches = plan.batches(accepted(stores.proposals.of_round(0)), 3, made.rules.batch_size)
        for batch in mine(batches, rank, world):
            drawing.predict_step(batch, 0)
    made.choose(0)
    return path


def test_two_processes_write_what_one_does(whole: Path, tmp_path: Path) -> None:
    found = shared(tmp_path / "two", 2)
    assert manifests(found) == manifests(whole)
    assert pictures(found) == pictures(whole)


def test_records_of_another_model_are_refused(whole: Path, tmp_path: Path) -> None:
    cfg = request(backbone__weights=str(whole / "weights" / "showo"))
    path = tmp_path / "mixed"
    play(path)
    status = json.loads((path / "status.json").read_text())
    status["stages"] = {"base": status["stages"]["base"], "propose-00": status["stages"]["propose-00"]}
    (path / "status.json").write_text(json.dumps(status | {"state": "failed"}))
    with pytest.raises(DataError, match="made of other work"):
        play(path, cfg)


def test_a_second_round_begins_with_the_improved_model(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "rounds"
    scores = play(path, request(selfplay__rounds=2))
    assert manifests(path)["rollouts"][:2] == manifests(whole)["rollouts"]
    assert {name[:2] for name, _ in manifests(path)["rollouts"]} == {"00", "01"}
    first = load_file(path / "weights" / "round-00" / "showo" / "model.safetensors")
    for name, tensor in weights(whole).items():
        assert torch.equal(first[name], tensor), name
    assert any(not torch.equal(tensor, first[name]) for name, tensor in weights(path).items())
    assert scores["selfplay/round0/kept"] == scores["selfplay/round1/kept"] == scores["selfplay/kept"]
    names = [f"sprites/generation_attributes{end}" for end in ("/base", "/round0", "")]
    assert all(name in scores for name in names)
    asked = {row.prompt for row in Stores(path).rollouts.of_round(1)}
    assert asked != {row.prompt for row in Stores(path).rollouts.of_round(0)}


@pytest.mark.parametrize("kind", ["generation", "caption", "judgement", "reflection"])
def test_a_quota_of_0_leaves_a_kind_out(whole: Path, tmp_path: Path, kind: str) -> None:
    quotas = {"_target_": "unictk.selfplay.quotas.Limits", kind: 0}
    found = shared_with(tmp_path / kind, request(selfplay__quotas=quotas))
    there = {row.kind for row in Stores(found).lessons}
    assert kind not in there
    assert there == {row.kind for row in Stores(whole).lessons} - {kind}


def shared_with(path: Path, cfg: DictConfig) -> Path:
    """Self-play up to its lessons."""
    made = Play(cfg, claimed(path))
    made.propose(0)
    made.draw(0)
    return path


def test_a_model_that_writes_no_prompt_has_nothing_to_learn(tmp_path: Path) -> None:
    cfg = request(selfplay__proposer="self", benchmark=None)
    with pytest.raises(UserError, match=r"round 0 left nothing to learn; it depends on selfplay\.prompts"):
        play(tmp_path / "mute", cfg)
    statuses = {row.status for row in Stores(tmp_path / "mute").proposals}
    assert statuses == {"unparsed"}


def test_verdicts_in_words_are_read_down_the_ladder(tmp_path: Path) -> None:
    """A random model says nothing that holds a score: everything is asked twice and kept as it was said."""
    made = shared_with(tmp_path / "words", request(judge__mode="score"))
    rows = list(Stores(made).judgements)
    assert {(row.judge, row.status, row.attempts) for row in rows} == {("self/score", "unparsed", 2)}
    assert len({row.raw_text for row in rows}) > 1


def losses(path: Path) -> Iterator[float]:
    metrics = json.loads((path / "metrics.json").read_text())
    yield from (value for name, value in metrics.items() if name.startswith("learn-00/train"))


def test_losses_are_recorded(whole: Path) -> None:
    found = list(losses(whole))
    assert len(found) == 3
    assert all(math.isfinite(value) and value > 0 for value in found)
