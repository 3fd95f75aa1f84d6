"""Judges of answers: what they are told, and what is read in their replies."""

import json

import pytest
from chat_server import serving

from unictk.benchmarks.unicycle.judging import (
    Answered,
    ExternalMarker,
    GraderMarker,
    Mark,
    RuleMarker,
    conversation,
    marker_of,
    read_mark,
)
from unictk.benchmarks.unicycle.questions import Cycle, Question
from unictk.judges.answers import Grade
from unictk.judges.endpoint import Endpoint
from unictk.judges.openai_judge import OpenAIJudge
from unictk.judges.oracle import OracleJudge
from unictk.judges.rules import RulesJudge
from unictk.judges.scores import MISSING, read_field

OPEN = Question("1", "open", "What colour is the cat?", "red")
CHOICE = Question("2", "multiple_choice", "Where is it?", "left", ("right", "left"))
SIGN = Question("3", "keywords", "What does the sign say?", "", keywords=("GO", "ON", "NOW", "OK"))
CYCLE = Cycle("1", "A red cat left of a sign GO ON NOW OK.", "colour", (OPEN, CHOICE, SIGN))


@pytest.mark.parametrize(
    ("question", "reply", "expected"),
    [
        (OPEN, '{"question": "?", "answer": "red", "evaluation": "yes"}', 1),
        (OPEN, 'Well. ```json\n{"evaluation": "No"}\n```', 0),
        (OPEN, '{"evaluation": "yes"} no: {"evaluation": "no"}', 0),
        (OPEN, '{"evaluation": "partly"}', None),
        (OPEN, '{"evaluation": true}', None),
        (OPEN, '{"evaluation": 1}', None),
        (OPEN, "yes", None),
        (OPEN, "", None),
        (SIGN, '{"evaluation": "3"}', 0.75),
        (SIGN, '{"evaluation": 4}', 1),
        (SIGN, '{"evaluation": "0"}', 0),
        (SIGN, '{"evaluation": "3/4"}', 0.75),
        (SIGN, '{"evaluation": "3/5"}', None),  # out of other words than these
        (SIGN, '{"evaluation": "5"}', None),
        (SIGN, '{"evaluation": "-1"}', None),
        (SIGN, '{"evaluation": "yes"}', None),
        (SIGN, '{"evaluation": 2.5}', None),
    ],
)
def test_marks_in_replies(question, reply, expected):
    found = read_mark(question, reply)
    assert found == Mark(expected or 0.0, reply, parsed=expected is not None)


def test_a_field_that_is_null_is_not_a_field_that_is_missing():
    assert read_field('{"a": null}', "a") is None
    assert read_field('{"b": 1}', "a") is MISSING
    assert read_field("[" * 100_000, "a") is MISSING


def test_the_external_judge_is_told_the_prompt_and_sees_no_picture(tmp_path):
    seen = []

    def behave(asked, came):
        seen.append(asked["messages"])
        return json.dumps(
            {"evaluation": "2" if "REQUIRED_WORDS" in asked["messages"][1]["content"] else "yes"}
        )

    with serving(behave) as server:
        judge = OpenAIJudge(Endpoint("m", server.url))
        marker = marker_of(judge)
        assert isinstance(marker, ExternalMarker)
        assert (marker.name, marker.replies) == ("openai/m", True)
        marks = marker.mark([Answered(CYCLE, one, "so so") for one in CYCLE.questions])
    assert [mark.score for mark in marks] == [1, 1, 0.5]
    assert all(isinstance(message["content"], str) for asked in seen for message in asked)


def test_what_the_external_judge_reads():
    system, user = conversation(Answered(CYCLE, CHOICE, "B"))
    assert (system["role"], user["role"]) == ("system", "user")
    assert "does not support is wrong" in system["content"]
    assert user["content"].splitlines() == [
        "TASK_TYPE: colour",
        "IMAGE_PROMPT: A red cat left of a sign GO ON NOW OK.",
        "QUESTION: Where is it?",
        "A. right",
        "B. left",
        "Answer with the letter of the right option.",
        "ANSWER: B",
        "REFERENCE: B. left",
    ]
    system, user = conversation(Answered(CYCLE, SIGN, "go"))
    assert "Count how many" in system["content"]
    assert "REQUIRED_WORDS: GO, ON, NOW, OK" in user["content"]


def test_without_a_judge_and_by_rules_it_is_the_rule():
    for judge in (None, RulesJudge(), OracleJudge()):
        marker = marker_of(judge)
        assert isinstance(marker, RuleMarker)
        marks = marker.mark([Answered(CYCLE, OPEN, "It is red."), Answered(CYCLE, SIGN, "go on")])
        assert [mark.score for mark in marks] == [1, 0.5]


class Half:
    """A grader that finds everything partly right, or right, or says nothing that can be read."""

    name = "half"

    def __init__(self, *grades):
        self.grades = list(grades)

    def grade(self, requests):
        self.asked = requests
        return [Grade(score, "words", "ok" if score is not None else "unparsable") for score in self.grades]


def test_any_other_grader_must_find_it_right():
    grader = Half(0.5, 1.0, None)
    marker = marker_of(grader)
    assert isinstance(marker, GraderMarker)
    asked = [Answered(CYCLE, one, "go") for one in (OPEN, SIGN, CHOICE, OPEN)]
    assert marker.mark(asked) == [
        Mark(0.0, "words"),
        Mark(0.25),
        Mark(1.0, "words"),
        Mark(0.0, "words", parsed=False),
    ]
    assert [one.question for one in grader.asked][1] == "Where is it? (right / left)"
