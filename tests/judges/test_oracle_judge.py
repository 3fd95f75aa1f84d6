"""The oracle as a judge."""

import random

import pytest
import torch

from unictk.judges.base import Judge, JudgeRequest, Verdict
from unictk.judges.oracle import OracleJudge
from unictk.sprites.asked import Asked
from unictk.sprites.grammar.descriptions import canonical
from unictk.sprites.render import render
from unictk.sprites.splits import random_scene


@pytest.fixture(scope="module")
def scene():
    return random_scene(random.Random(4), "concepts")


def pixels(scene):
    return torch.from_numpy(render(scene)).permute(2, 0, 1).float() / 255


def judge(prompt, image, expected=None):
    (verdict,) = OracleJudge().judge([JudgeRequest(prompt, image, expected=expected)])
    return verdict


def test_a_right_picture(scene):
    verdict = judge(canonical(scene), pixels(scene))
    assert (verdict.score, verdict.status, verdict.share, verdict.all_right) == (10, "ok", 1, True)
    assert verdict.analysis == canonical(scene)
    assert isinstance(OracleJudge(), Judge)


def test_a_wrong_point(scene):
    other = "snow" if scene.setting != "snow" else "sea"
    shape = scene.characters[0].identity.shape
    verdict = judge("not read", pixels(scene), Asked(other, ({"shape": shape},)))
    assert (verdict.score, verdict.status, verdict.share, verdict.all_right) == (5, "ok", 0.5, False)
    assert verdict.right == {"setting": False, "0.shape": True}


def test_too_many_characters():
    two = random_scene(random.Random(5), "concepts", 2)
    one = {"shape": two.characters[0].identity.shape}
    verdict = judge("", pixels(two), Asked(two.setting, (one,)))
    assert (verdict.status, verdict.share, verdict.all_right) == ("miscounted", 1, False)


def test_an_unreadable_picture(scene):
    noise = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0))
    verdict = judge(canonical(scene), noise)
    assert (verdict.score, verdict.status, verdict.share, verdict.all_right) == (0, "unreadable", 0, False)


@pytest.mark.parametrize("prompt", ["A cat on a mat.", "<bo> at home.", ""])
def test_a_prompt_of_no_grammar(scene, prompt):
    verdict = judge(prompt, pixels(scene))
    assert (verdict.score, verdict.status, verdict.all_right) == (None, "unparsable", False)


def test_a_judge_that_names_no_points():
    assert Verdict(7.0).share == 0.7
    assert not Verdict(7.0).all_right
    assert Verdict(10.0).all_right
    assert Verdict(None, status="unparsable").share == 0
