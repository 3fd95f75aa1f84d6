"""The published cases (UniCorn, figure 10), from answers to scores."""

import pytest

from unictk.benchmarks.unicycle.questions import Question
from unictk.benchmarks.unicycle.rows import RowError, read_question
from unictk.benchmarks.unicycle.rules import keyword_share, score_of
from unictk.metrics.unicycle import SoftHard

SIDE = Question(
    "1", "multiple_choice", "Where is the cat?", "left", ("left", "right", "above", "none of these")
)
NUMBER = Question("1", "open", "How many cats are there?", "three")
COLOUR = Question("2", "open", "What colour is the sofa?", "green")
SHAPE = Question("3", "open", "What shape is the table?", "round")
SIGN = Question(
    "1", "keywords", "What does the sign say?", "", keywords=("OPEN", "24", "HOURS", "EVERY", "DAY")
)

ONE_WRONG = [(SIDE, "B")]
TWO_OF_THREE = [(NUMBER, "There are three."), (COLOUR, "Blue."), (SHAPE, "round")]
EVERY_WORD = [(SIGN, "It says: open 24 hours, every day.")]


def scored(*prompts):
    metric = SoftHard()
    metric.update([[score_of(*answered) for answered in prompt] for prompt in prompts])
    return {name: value.item() for name, value in metric.compute().items()}


@pytest.mark.parametrize(
    ("prompt", "soft", "hard"), [(ONE_WRONG, 0, 0), (TWO_OF_THREE, 2 / 3, 0), (EVERY_WORD, 1, 1)]
)
def test_case_25_the_three_of_the_figure(prompt, soft, hard):
    assert scored(prompt) == {"soft": pytest.approx(soft), "hard": hard}


def test_case_25_prompts_weigh_the_same_however_many_questions_they_have():
    assert scored(EVERY_WORD, TWO_OF_THREE) == {"soft": pytest.approx((1 + 2 / 3) / 2), "hard": 0.5}
    assert scored([(NUMBER, "three")] * 5, ONE_WRONG) == {"soft": 0.5, "hard": 0.5}


def test_case_25_without_keywords_the_words_of_the_answer_are_required_and_without_those_it_is_refused():
    row = {"is_text": True, "question": "What does it say?", "keywords": [], "answer": "OPEN DAILY"}
    assert score_of(read_question(row, "1"), "open") == 0.5
    with pytest.raises(RowError, match="has no keywords; expected words that the answer must have"):
        read_question(row | {"answer": ""}, "1")
    with pytest.raises(ValueError, match="there are none"):
        keyword_share("anything", ())
