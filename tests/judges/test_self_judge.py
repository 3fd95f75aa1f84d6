"""The backbone as its own judge: by a script that says what it is told to, and on the bundled small model."""

import dataclasses
import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from unictk.errors import UserError
from unictk.judges.answers import AnswerRequest, Grader
from unictk.judges.base import Judge, JudgeRequest
from unictk.judges.closed import probabilities
from unictk.judges.rubrics import QUESTION, fill
from unictk.judges.self_judge import SAID, SelfJudge
from unictk.samples import Image, Request, Text
from unictk.sprites.asked import Asked

RED_STAR = Asked("snow", ({"shape": "star", "colour": "red"},), count=1)


class Scripted:
    """Says what ``reply`` and ``likes`` tell it to, and writes down what it was asked."""

    def __init__(
        self, reply: Callable[[Request], str] = lambda request: "", likes: Callable = lambda *_: 0.0
    ):
        self.reply, self.likes = reply, likes
        self.concepts: tuple[str, ...] = ("<bo>",)
        self.asked: list[Request] = []
        self.known: list[tuple[str, ...]] = []
        self.calls: list[tuple[int, tuple[str, ...]]] = []
        self.layout = SimpleNamespace(supports=lambda sample: None)

    def attach(self, concepts: Sequence[str]) -> None:
        self.concepts = tuple(concepts)

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        self.asked += requests
        self.known.append(self.concepts)
        return [self.reply(request) for request in requests]

    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        self.asked += requests
        self.known.append(self.concepts)
        self.calls.append((len(requests), tuple(options)))
        return torch.tensor([[self.likes(words(one), option) for option in options] for one in requests])


def words(request: Request) -> str:
    return "\n".join(segment.text for segment in request if isinstance(segment, Text))


def picture(value: float = 0.5, prompt: str = "A red star.", **more) -> JudgeRequest:
    return JudgeRequest(prompt, torch.full((3, 8, 8), value), **more)


# -- point by point ------------------------------------------------------------------------------------


def likes(question: str, option: str) -> float:
    """Sure of the snow, unsure of the star, sees three of everything, and no red."""
    if "many" in question:
        return {"three": 9.0}.get(option, 0.0)
    return {
        "This is the snow. Is it true?": {"Yes.": 20.0, "No.": 0.0},
        "The red character is a star. Is it true?": {"Yes.": 0.1, "No.": 0.0},
        "The star is red. Is it true?": {"Yes.": 0.0, "No.": 20.0},
    }[question][option]


def test_every_point_is_a_closed_question_of_its_own():
    player = Scripted(likes=likes)
    judge = SelfJudge(player)
    assert isinstance(judge, Judge)
    assert isinstance(judge, Grader)
    (verdict,) = judge.judge([picture(expected=RED_STAR)])
    assert verdict.right == {"setting": True, "0.shape": True, "0.colour": False, "count": False}
    chances = [1.0, 0.52498, 0.0, 0.00012]
    assert verdict.score == pytest.approx(10 * sum(chances) / 4, abs=1e-3)
    assert verdict.share == 0.5
    assert not verdict.all_right
    assert verdict.status == "ok"
    assert "0.shape 0.525" in verdict.analysis
    assert [type(segment) for segment in player.asked[0]] == [Image, Text]
    assert sorted(size for size, _ in player.calls) == [1, 3]


def test_in_a_picture_that_is_not_clear_nothing_is_right():
    def unclear(question: str, option: str) -> float:
        return 1.0 * (option == "No.") if question == "Is it clear?" else likes(question, option)

    plain, *asked = (
        SelfJudge(Scripted(likes=way), clear=clear).judge([picture(expected=RED_STAR)])[0]
        for way, clear in ((likes, None), (unclear, "Is it clear?"))
    )
    (verdict,) = asked
    assert verdict.right == dict.fromkeys(plain.right, False)
    assert verdict.score == pytest.approx(plain.score * 0.26894, abs=1e-3)
    assert verdict.analysis == f"clear 0.269, {plain.analysis}"

    sure = Scripted(likes=lambda q, o: 30.0 * (o == "Yes.") if q == "Is it clear?" else likes(q, o))
    assert SelfJudge(sure, clear="Is it clear?").judge([picture(expected=RED_STAR)])[0].right == plain.right


def test_pictures_are_judged_each_on_its_own():
    player = Scripted(likes=lambda question, option: float(len(question) % 7) * (option == "Yes."))
    judge = SelfJudge(player)
    requests = [picture(prompt=f"A star {'x' * n}.") for n in range(4)] + [picture(expected=RED_STAR)]
    together = judge.judge(requests)
    assert together == [judge.judge([one])[0] for one in requests]
    assert all(len(request.segments) == 2 for request in player.asked), "no conversation grows"
    assert len({one.score for one in together}) > 2
    assert judge.judge([]) == []


def test_a_prompt_that_nobody_took_apart_is_one_point():
    player = Scripted(likes=lambda question, option: 1.0 * (option == "Yes."))
    (verdict,) = SelfJudge(player).judge([picture(about="<bo> has a red hat.")])
    assert verdict.right == {"prompt": True}
    assert verdict.score == pytest.approx(7.31059, abs=1e-4)
    assert words(player.asked[0]) == "<bo> has a red hat.\nDoes the picture show this: A red star."


def test_what_the_backbone_drew_is_seen_as_it_drew_it():
    player = Scripted()
    codes = torch.arange(4)
    SelfJudge(player).judge([picture(codes=codes), picture(0.0)])
    first, second = (request.segments[0] for request in player.asked)
    assert first.codes is codes
    assert second.codes is None
    assert second.source.shape == (8, 8, 3)
    assert not second.source.any()


# -- by a score ----------------------------------------------------------------------------------------


def test_the_rubric_and_the_prompt_stand_before_the_picture():
    player = Scripted(lambda request: 'Well. {"analysis": "one ear is gone", "score": 7.5}')
    judge = SelfJudge(player, mode="score", max_new_tokens=9)
    (verdict,) = judge.judge([picture(category="Counting", about="<bo> has {two} ears.")])
    assert (verdict.score, verdict.analysis, verdict.right) == (7.5, "one ear is gone", {})
    (request,) = player.asked
    text, shown = request.segments
    assert isinstance(shown, Image)
    assert text.text.endswith("Known: <bo> has {two} ears.\nPrompt: A red star.")
    assert "Counting: the number is exact" in text.text
    assert (request.sampling.max_new_tokens, request.sampling.text_temperature) == (9, 0.0)


def test_a_reply_without_a_score_is_asked_for_once_more_and_then_never_scored():
    def reply(request: Request) -> str:
        warm = request.sampling.text_temperature > 0
        prompt = words(request).rsplit("Prompt: ", 1)[1]
        return {"good": "I would say 6/10.", "late": "Score: 3" if warm else "Nice!", "mute": "Nice!"}[prompt]

    player = Scripted(reply)
    found = SelfJudge(player, mode="score").judge([picture(prompt=p) for p in ("good", "late", "mute")])
    assert [(one.score, one.status) for one in found] == [(6, "ok"), (3, "ok"), (None, "unparsable")]
    assert found[2].analysis == "Nice!"
    assert found[2].share == 0
    assert [request.sampling.text_temperature for request in player.asked] == [0, 0, 0, 0.3, 0.3]


def test_chance_comes_from_what_is_judged_alone():
    def seeds(requests: list[JudgeRequest]) -> list[int]:
        player = Scripted()
        SelfJudge(player, mode="score").judge(requests)
        return [request.seed for request in player.asked[: len(requests)]]

    one, other, same = picture(0.1), picture(0.2), picture(0.1, prompt="A blue star.")
    assert len(set(seeds([one, other, same]))) == 3
    assert seeds([one, other]) == seeds([other, one])[::-1]


def test_braces_of_a_prompt_stay():
    assert fill("{about}{prompt}!", "{prompt} {criteria}") == "{prompt} {criteria}!"
    assert fill("{criteria}", "x", "Portrait").startswith("Portrait: the framing")
    assert "{" not in fill(QUESTION, "x").replace('{"analysis"', "")


def test_wrong_questions_are_refused_before_anything_is_drawn():
    with pytest.raises(UserError, match=r"judge.question: 'Judge it.' has no \{prompt\}"):
        SelfJudge(Scripted(), question="Judge it.")
    tight = Scripted()
    tight.layout = SimpleNamespace(supports=lambda sample: "it needs 700 positions and the limit is 640")
    with pytest.raises(UserError, match=r"judge.question: too long .* 700 positions"):
        SelfJudge(tight, mode="score")
    assert SelfJudge(tight).mode == "points"  # asks no rubric


# -- answers -------------------------------------------------------------------------------------------


def test_answers_are_graded_by_the_likeliest_of_three():
    def grade_likes(question: str, option: str) -> float:
        wanted = {"red": "Yes.", "blue": "No.", "reddish": "Partly."}
        return 2.0 * (option == wanted[question.split("Answer: ")[1].split("\n")[0]])

    player = Scripted(likes=grade_likes)
    grades = SelfJudge(player).grade(
        [AnswerRequest("What colour?", "red", a) for a in ("red", "blue", "reddish")]
    )
    assert [grade.score for grade in grades] == [1.0, 0.0, 0.5]
    assert grades[0].analysis == "No. 0.107, Partly. 0.107, Yes. 0.787"
    assert player.calls == [(3, SAID)]
    assert words(player.asked[0]).startswith("Question: What colour?\nReference: red\nAnswer: red\n")


# -- concepts ------------------------------------------------------------------------------------------


def test_concepts_are_put_aside_and_come_back():
    player = Scripted(lambda request: "5")
    judge = SelfJudge(player, mode="score")
    judge.judge([picture()])
    judge.grade([AnswerRequest("q", "r", "a")])
    assert player.known == [(), ()]
    assert player.concepts == ("<bo>",)

    def fails(request: Request) -> str:
        raise UserError("prompt: too long")

    player.reply = fails
    with pytest.raises(UserError):
        judge.judge([picture()])
    assert player.concepts == ("<bo>",)


def test_options_that_differ_are_asked_apart():
    player = Scripted(likes=lambda question, option: float(option))
    asked = [(Request(Text("a")), ("1", "2")), (Request(Text("b")), ("3",)), (Request(Text("c")), ("1", "2"))]
    found = probabilities(player, asked)
    assert player.calls == [(2, ("1", "2")), (1, ("3",))]
    assert found == [{"1": 0.26894, "2": 0.73106}, {"3": 1.0}, {"1": 0.26894, "2": 0.73106}]


# -- the bundled small model ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    from hydra.utils import instantiate

    from unictk.app.composition import composed, composer
    from unictk.app.request import Request as Words
    from unictk.app.resolvers import register

    register()
    with composer(Words(overrides=())):
        plain = composed(Words(overrides=()), []).plain
    return instantiate(plain["backbone"])


@pytest.fixture(scope="module")
def pictures() -> tuple[list[JudgeRequest], list[JudgeRequest]]:
    """Scenes with the prompts that describe them, and the same prompts with other scenes."""
    from unictk.sprites.grammar.descriptions import prompt
    from unictk.sprites.render import render
    from unictk.sprites.splits import random_scene

    right, wrong = [], []
    for number in range(24):
        chance = random.Random(number)
        scene, other = (random_scene(chance, "concepts", 1) for _ in range(2))
        text, asked = prompt(chance, scene, "all", "evaluation")
        for shown, found in ((scene, right), (other, wrong)):
            pixels = torch.from_numpy(render(shown)).permute(2, 0, 1).float() / 255
            found.append(JudgeRequest(text, pixels, expected=asked))
    return right, wrong


# What its one verdict says it sees leans to what was asked: it tells 22 of 24, by five points in the mean.
LENIENT = pytest.mark.xfail(reason="one verdict of the bundled weights is too lenient", strict=True)


@pytest.mark.parametrize("mode", ["points", pytest.param("score", marks=LENIENT)])
def test_the_small_model_tells_right_pictures_from_wrong_ones(small, pictures, mode):
    question = "Judge what the picture shows, then give a score from 0 to 10. Prompt: {prompt}"
    judge = SelfJudge(small, mode, question, max_new_tokens=256)
    right, wrong = (judge.judge(each) for each in pictures)
    assert all(one.status == "ok" for one in (*right, *wrong))
    gaps = [good.score - bad.score for good, bad in zip(right, wrong, strict=True)]
    told = sum(gap > 0 for gap in gaps)
    assert told >= (24 if mode == "points" else 23), "one verdict on everything is the weaker way to ask"
    assert sum(gaps) / len(gaps) > 7


def test_the_small_model_judges_alike_alone_together_and_with_concepts(small, pictures):
    from showo_makers import make_concept

    right, wrong = pictures
    requests = [dataclasses.replace(one, prompt="A photo of <bo>.", expected=None) for one in right[:3]]
    requests += wrong[:2]
    answers = [AnswerRequest("What colour is <bo>?", "red", "<bo> is red")]
    judge = SelfJudge(small)
    before, graded = judge.judge(requests), judge.grade(answers)
    try:
        small.attach([make_concept(small)])
        assert judge.judge(requests) == before
        assert judge.grade(answers) == graded
        assert [str(one) for one in small.concepts] == ["<bo>"]
    finally:
        small.attach([])
    for one, verdict in zip(requests, before, strict=True):
        (alone,) = judge.judge([one])
        assert alone.right == verdict.right
        assert alone.score == pytest.approx(verdict.score, abs=1e-3)
