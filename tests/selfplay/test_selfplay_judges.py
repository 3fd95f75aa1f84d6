"""Verdicts as records: point by point in the form that is taught, in words with one more try, and none."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from selfplay_groups import group

from unictk.errors import DataError
from unictk.judges.base import JudgeRequest, Verdict
from unictk.samples import Image, Request, Text
from unictk.selfplay.answers import read_judgement
from unictk.selfplay.categories import load_categories
from unictk.selfplay.judges import NOT_A_PROMPT, PointJudge, VerdictJudge
from unictk.selfplay.judging import judge_question
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.rows import RolloutRow
from unictk.selfplay.sprites_wording import SpritesWording

PROMPT = "A red star in the snow."


def rollouts(root: Path, *prompts: str, category: str = "single") -> list[RolloutRow]:
    """One rollout a prompt, its picture on disk."""
    rows = []
    for number, prompt in enumerate(prompts):
        (row,) = group([5], category, number, prompt=prompt).rollouts
        content = io.BytesIO()
        PILImage.fromarray(np.full((4, 4, 3), 10 * number, dtype=np.uint8)).save(content, format="PNG")
        (root / row.image).parent.mkdir(parents=True, exist_ok=True)
        (root / row.image).write_bytes(content.getvalue())
        rows.append(replace(row, image_sha256=hashlib.sha256(content.getvalue()).hexdigest()))
    return rows


class Says:
    """A judge that gives these verdicts in turn, and keeps what it was shown."""

    name = "says"

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)
        self.seen: list[JudgeRequest] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.seen += requests
        return [self.verdicts.pop(0) for _ in requests]


def test_points_are_put_into_the_words_that_are_taught(tmp_path: Path) -> None:
    right = {"setting": True, "0.shape": True, "0.colour": False}
    judge = PointJudge(Says(Verdict(7.25, right)), "says/points", SpritesWording(), tmp_path)
    (row,) = judge.judge(rollouts(tmp_path, PROMPT))
    assert (row.judge, row.wording, row.status, row.rung) == ("says/points", "sprites", "ok", "points")
    assert row.score == 6, "ten times two of three points, rounded down"
    assert row.expected == 7.25, "what the judge itself says breaks ties"
    assert row.analysis == "setting: snow, right. shape: star, right. colour: red, wrong."
    taught = read_judgement(row.raw_text)
    assert (taught.score, taught.analysis, taught.rung) == (6, row.analysis, "json")


def test_a_prompt_that_cannot_be_taken_apart_has_no_score_and_asks_nobody(tmp_path: Path) -> None:
    says = Says(Verdict(10.0, {"setting": True, "0.shape": True, "0.colour": True}))
    rows = rollouts(tmp_path, "Colourless green ideas sleep.", PROMPT)
    first, second = PointJudge(says, "says", SpritesWording(), tmp_path).judge(rows)
    assert (first.status, first.score, first.raw_text) == ("unparsed", None, NOT_A_PROMPT)
    assert (second.status, second.score) == ("ok", 10)
    assert [one.prompt for one in says.seen] == [PROMPT]


def test_the_judge_sees_what_was_recorded(tmp_path: Path) -> None:
    says = Says(Verdict(3.0), Verdict(4.0))
    rows = rollouts(tmp_path, "A cup.", "Two cups.", category="Counting")
    found = PointJudge(says, "says", PaperWording(), tmp_path).judge(rows)
    assert [row.score for row in found] == [3, 4]
    assert [one.expected for one in says.seen] == [None, None]
    assert [float(one.image.max()) for one in says.seen] == [0.0, pytest.approx(10 / 255)]
    assert [one.codes.tolist() for one in says.seen if one.codes is not None] == [[0, 0], [1, 0]]
    (tmp_path / rows[0].image).write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a picture"):
        PointJudge(Says(Verdict(1.0)), "says", PaperWording(), tmp_path).judge(rows[:1])


def test_a_verdict_without_a_score_stays_without_one(tmp_path: Path) -> None:
    """Also where its words hold something like a score: the judge said that there is none."""
    says = Says(Verdict(None, analysis="7/10, or so", status="unparsable"))
    (row,) = PointJudge(says, "says", PaperWording(), tmp_path).judge(rollouts(tmp_path, "A cup."))
    assert (row.status, row.score, row.expected, row.raw_text) == ("unparsed", None, None, "7/10, or so")


class Talks:
    """A backbone that answers in words from a list, and finds high scores likely."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        self.asked += requests
        return [self.answers.pop(0) for _ in requests]

    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> torch.Tensor:
        assert all('"analysis": "Fine."' in option for option in options)
        return torch.tensor([[0.0, *[-50.0] * 8, 0.0, -50.0]])  # 0 or 9


CATEGORIES = load_categories("sprites")


def test_verdicts_in_words_are_asked_in_the_question_that_is_taught(tmp_path: Path) -> None:
    talks = Talks('{"analysis": "Fine.", "score": 8}', "Well.", '{"analysis": "No.", "score": 2}')
    rows = rollouts(tmp_path, PROMPT, "A blue star.")
    wording = SpritesWording()
    judge = VerdictJudge(talks, wording, CATEGORIES, 5, expected=False)  # type: ignore[arg-type]
    first, second = judge.judge(rows)
    assert [(row.score, row.attempts, row.rung) for row in (first, second)] == [
        (8, 1, "json"),
        (2, 2, "json"),
    ]
    assert first.expected is None
    asked = judge_question(wording, CATEGORIES["single"], PROMPT, rows[0].prompt_uid, 5)
    segments = talks.asked[0].segments
    assert segments[0] == Text(asked.text)
    assert isinstance(segments[1], Image)
    assert [one.sampling.text_temperature for one in talks.asked] == [0, 0, 0.3]
    assert talks.asked[1].seed != talks.asked[2].seed


def test_expected_scores_are_asked_behind_the_reasons(tmp_path: Path) -> None:
    talks = Talks('{"analysis": "Fine.", "score": 8}')
    judge = VerdictJudge(talks, SpritesWording(), CATEGORIES, 5, expected=True)  # type: ignore[arg-type]
    (row,) = judge.judge(rollouts(tmp_path, PROMPT))
    assert (row.score, row.expected) == (8, 4.5)
