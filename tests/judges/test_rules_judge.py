"""Grades by rule: hand-made cases."""

import pytest

from unictk.judges.answers import AnswerRequest, Grader
from unictk.judges.rules import RulesJudge


@pytest.mark.parametrize(
    ("reference", "answer", "score"),
    [
        ("A red hat.", "a red hat", 1.0),
        ("A red hat.", "It has a hat that is red.", 1.0),
        ("A red hat.", "It is a hat.", 0.5),
        ("A red hat.", "It is red and blue.", 0.5),
        ("A red hat.", "A blue scarf.", 0.0),
        ("A red hat.", "", 0.0),
        ("Yes.", "Yes, it is.", 1.0),
        ("Yes.", "No.", 0.0),
        ("Yes.", "Yes and no.", 0.0),
        ("No, it is a cat.", "No, a dog.", 0.0),
        ("No, it is a cat.", "No, it is some cat.", 1.0),
        ("No, it is a cat.", "Yes, a cat.", 0.0),
        ("<bo> likes honey.", "honey", 0.5),
        ("<bo> likes honey.", "It likes honey", 1.0),
        ("It is on the", "beach", 0.0),
    ],
)
def test_grades(reference, answer, score):
    (grade,) = RulesJudge().grade([AnswerRequest("?", reference, answer, "bo")])
    assert grade.score == score
    assert grade.status == "ok"


def test_it_is_a_grader_and_grades_each_alone():
    judge = RulesJudge()
    assert isinstance(judge, Grader)
    requests = [AnswerRequest("?", "red", word) for word in ("red", "blue")]
    assert [one.score for one in judge.grade(requests)] == [1.0, 0.0]
