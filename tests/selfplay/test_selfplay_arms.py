"""What self-play is compared with: the same drawings chosen otherwise, other lessons, and shared records."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image as PILImage
from selfplay_groups import group
from selfplay_requests import COUNTS, claimed, request, small_showo

from unictk import tasks
from unictk.backbones.showo.backbone import Showo
from unictk.judges.base import JudgeRequest, Verdict
from unictk.report.selfplay import shown_rounds
from unictk.samples import GeneratedImage, Image, Request, Text
from unictk.selfplay import shards as shards_module
from unictk.selfplay.choosing import ReconstructionRules, choose
from unictk.selfplay.controls import control_flows
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.play import Play
from unictk.selfplay.quotas import Quotas
from unictk.selfplay.selection import select
from unictk.selfplay.selectors import by_examiner, by_lot
from unictk.selfplay.stores import Stores
from unictk.sprites.grammar.parse import parse
from unictk.sprites.oracle import read, score

RULES = ReconstructionRules()
GROUPS = [group([9, 1, 5, 7, 2, 8, 3, 4], "Counting", n) for n in range(40)]
PLENTY = Quotas(100, 100, 0, 100)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "_flush", lambda path: None)


def test_a_lot_takes_any_drawing_of_the_same_prompts() -> None:
    rejected = group([3, 1, 2, 1], "Counting", 99)
    groups = [*GROUPS, rejected]
    lots = [by_lot(one, RULES, seed=1) for one in groups]
    judged = [select(one.candidates) for one in groups]
    assert [lot.reason for lot in lots] == [one.reason for one in judged]
    assert [lot.gap for lot in lots] == [one.gap for one in judged]
    winners = [lot.ranked[0].rollout for lot in lots[:-1]]
    assert len(set(winners)) == 8
    assert all(lot.loser is not None and lot.loser.rollout != lot.ranked[0].rollout for lot in lots)
    assert winners == [by_lot(one, RULES, seed=1).ranked[0].rollout for one in GROUPS]
    assert winners != [by_lot(one, RULES, seed=2).ranked[0].rollout for one in GROUPS]
    by_judge = choose(groups, ["Counting"], RULES, 1, PLENTY)
    chosen = choose(groups, ["Counting"], RULES, 1, PLENTY, selector=lambda one: by_lot(one, RULES, 1))
    for kind in ("generation", "caption", "reflection"):
        assert set(getattr(chosen, kind)) == set(getattr(by_judge, kind))
    assert chosen.generation != by_judge.generation


def test_a_lot_never_sets_a_picture_against_itself_or_one_without_reasons() -> None:
    for number in range(30):
        one = group([9, 8, 1, 2], number=number, same=(0, 1), silent=(3,))
        found = by_lot(one, RULES, seed=number)
        assert found.loser is not None or found.ranked[0].rollout == 2
        if found.loser is not None:
            assert found.loser.rollout != 3
            assert {found.loser.rollout, found.ranked[0].rollout} != {0, 1}


class Knowing:
    """Finds more right the higher the rollout's number is; has no opinion on the last."""

    name = "knowing"

    def judge(self, requests: list[JudgeRequest]) -> list[Verdict]:
        last = len(requests) - 1
        return [Verdict(None if n == last else 10.0 * n / last) for n in range(len(requests))]


def test_the_examiner_takes_what_the_judge_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = group([9, 1, 5, 7])
    for row in one.rollouts:
        (tmp_path / row.image).parent.mkdir(parents=True, exist_ok=True)
        PILImage.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / row.image)
    rules = ReconstructionRules(threshold=6.0, least_valid=3)
    found = by_examiner(one, rules, Knowing(), PaperWording(), tmp_path)  # type: ignore[arg-type]
    assert [candidate.rollout for candidate in found.ranked] == [2, 1, 0]
    assert (found.kept, found.loser and found.loser.rollout) == (True, 0)
    assert found.gap == pytest.approx(20 / 3)
    strict = ReconstructionRules(threshold=7.0)
    assert by_examiner(one, strict, Knowing(), PaperWording(), tmp_path).reason == "too_few_scores"  # type: ignore[arg-type]


def test_true_scenes_fulfil_their_prompts() -> None:
    (flow,) = control_flows("scenes", small_showo(), 12, 4, seed=0)
    assert (len(flow.samples), flow.batch_size) == (12, 4)
    for sample in flow.samples:
        text, picture = sample.segments
        assert isinstance(text, Text)
        assert isinstance(picture, Image)
        wanted = parse(text.text)
        assert wanted is not None
        assert len(wanted.relations) == 1
        assert isinstance(picture.source, np.ndarray)
        assert score(wanted, read(picture.source)).all_right


def test_what_was_taught_before_has_no_drawing_of_two() -> None:
    flows = {flow.name: flow for flow in control_flows("pretraining", small_showo(), 60, 20, seed=0)}
    assert abs(sum(len(flow.samples) for flow in flows.values()) - 60) <= len(flows)
    assert set(flows) > {"drawing", "mixed", "drill", "claims"}
    for sample in flows["drawing"].samples:
        wanted = parse(next(one.text for one in sample if isinstance(one, Text)))
        assert wanted is None or (wanted.number or 1) == 1
    assert all(one.codes is not None for flow in flows.values() for s in flow.samples for one in s.images)


def play(path: Path, cfg: DictConfig) -> dict[str, float]:
    return tasks.selfplay(cfg, claimed(path))


def test_runs_that_share_records_draw_once_and_learn_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = str(tmp_path / "shared")
    plain = {"benchmark": None, "selfplay__audit": 0, "selfplay__records": shared}
    play(tmp_path / "one", request(**plain))
    drawn = sorted(Path(shared).rglob("*.png"))
    assert len(drawn) == COUNTS["prompts"] * COUNTS["rollouts"]
    before = {path: path.stat().st_mtime_ns for path in drawn}
    play(tmp_path / "two", request(**plain, selfplay__selector="random"))
    assert {path: path.stat().st_mtime_ns for path in sorted(Path(shared).rglob("*.png"))} == before
    assert not list((tmp_path / "two").rglob("*.png"))
    stores = [Stores.of_run(tmp_path / name) for name in ("one", "two")]
    assert all(one.root == Path(shared).resolve() for one in stores)
    chosen = [
        [(row.prompt_uid, row.winner) for row in one.lessons if row.kind == "generation"] for one in stores
    ]
    assert [uid for uid, _ in chosen[0]] == [uid for uid, _ in chosen[1]]
    (shown,) = shown_rounds(tmp_path / "two")
    assert shown.prompts == COUNTS["prompts"]
    assert all(rollout.picture for prompt in shown.shown for rollout in prompt.rollouts)


def test_another_control_has_as_many_steps(tmp_path: Path) -> None:
    plain = {"benchmark": None, "selfplay__audit": 0, "selfplay__records": str(tmp_path / "shared")}
    cfg = request(**plain, selfplay__control="scenes", trainer__max_steps=2)
    play(tmp_path / "scenes", cfg)
    metrics = json.loads((tmp_path / "scenes" / "metrics.json").read_text())
    assert metrics["learn-00/train_text_loss"] == 0.0, "nothing but pictures is learnt"
    assert metrics["learn-00/train_image_loss"] > 0
    start, end = small_showo(), small_showo(str(tmp_path / "scenes" / "weights" / "showo"))
    pairs = zip(start.parameters(), end.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)


def test_a_planned_rollout_is_drawn_from_words_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Request] = []
    drawn: list[str] = []
    write, draw = Showo.generate_text, Showo.generate_images

    def written(self: Showo, requests: list[Request]) -> list[str]:
        asked = [one for one in requests if one.key.endswith("/plan")]
        said.extend(asked)
        return [f"A red star {one.seed % 97}." for one in asked] if asked else write(self, requests)

    def pictured(self: Showo, requests: list[Request]) -> list[GeneratedImage]:
        drawn.extend(one.segments[0].text for one in requests if isinstance(one.segments[0], Text))
        return draw(self, requests)

    monkeypatch.setattr(Showo, "generate_text", written)
    monkeypatch.setattr(Showo, "generate_images", pictured)
    made = Play(request(benchmark=None, selfplay__audit=0, selfplay__planned=True), claimed(tmp_path / "run"))
    made.propose(0)
    made.draw(0)
    rows = list(Stores(tmp_path / "run").rollouts)
    assert [row.plan for row in rows] == drawn
    assert len(set(drawn)) > len({row.prompt for row in rows}), "each rollout has words of its own"
    assert {one.sampling.text_temperature for one in said} == {0.7}
    lessons = [row for row in Stores(tmp_path / "run").lessons if row.kind == "generation"]
    assert lessons
    assert all(row.segments[0].text == row.prompt for row in lessons), "the prompt itself is learnt"
