"""Answers against references, by rule."""

from dataclasses import replace

import pytest

from unictk.benchmarks.unicycle.questions import Cycle, Question, uncovered, version
from unictk.benchmarks.unicycle.rules import keyword_share, score_of

CHOICE = Question("1", "multiple_choice", "Where is it?", "left", ("left", "top left", "none of these"))
SIGN = Question("1", "keywords", "What does it say?", "", keywords=("OPEN", "24", "hours", "Every", "day"))


@pytest.mark.parametrize(
    ("kind", "reference", "answer", "free", "strict"),
    [
        ("yes_no", "Yes.", "yes, it is", 1, 1),
        ("yes_no", "Yes.", "yes and no", 0, 0),
        ("yes_no", "no", "There is not", 0, 0),
        ("yes_no", "no", "No.", 1, 1),
        ("open", "red", "Red.", 1, 1),
        ("open", "red", "It is red.", 1, 0),
        ("open", "left", "middle left", 1, 0),
        ("open", "red", "blue", 0, 0),
        ("open", "two small dogs", "two dogs", 0, 0),
        ("open", "red", "", 0, 0),
    ],
)
def test_yes_no_and_open(kind, reference, answer, free, strict):
    question = Question("1", kind, "?", reference)
    assert score_of(question, answer) == free
    assert score_of(question, answer, strict=True) == strict


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("A", 1),
        ("A.", 1),
        ("(A) left", 1),
        ("The answer is A", 1),
        ("left", 1),
        ("It is on the left.", 1),
        ("B", 0),
        ("top left", 0),  # the longer option is the one that is said
        ("A or B", 0),
        ("left, or none of these", 0),
        ("B. left", 0),  # a letter decides
        ("", 0),
        ("somewhere", 0),
    ],
)
def test_multiple_choice(answer, right):
    assert score_of(CHOICE, answer) == right


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("Open 24 hours every day!", 1.0),
        ("It says: open, 24 hours", 0.6),
        ("opened 240 hour everyday", 0.0),  # whole words
        ("", 0.0),
    ],
)
def test_keywords(answer, share):
    assert score_of(SIGN, answer) == pytest.approx(share)


def test_a_word_that_is_required_twice_is_said_twice():
    assert keyword_share("no no", ["no", "No", "yes"]) == pytest.approx(2 / 3)
    assert keyword_share("no", ["no", "No", "yes"]) == pytest.approx(1 / 3)


def test_words_with_marks_are_found_as_they_are():
    assert keyword_share("the sign says c++ (not c)", ["C++"]) == 1
    assert keyword_share("the sign says c", ["C++"]) == 0


def test_what_no_question_asks_by_itself_is_uncovered():
    one = Question("1", "open", "?", "x", points=("a",))
    both = Question("2", "keywords", "?", "x", keywords=("x",), points=("a", "b"))
    assert uncovered(("a", "b"), [one, both]) == ["b"]
    assert uncovered(("a",), [one]) == []


def test_other_questions_have_another_version():
    cycle = Cycle("1", "A sign.", "text", (SIGN,))
    assert version([cycle]) == version([replace(cycle)])
    changed = replace(cycle, questions=(replace(SIGN, keywords=("OPEN",)),))
    assert len({version([cycle]), version([changed]), version([])}) == 3
