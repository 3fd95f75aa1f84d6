"""Answers compared with their references by rule: the same everywhere, and nobody is asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from unictk.benchmarks.unicycle.questions import LETTERS, Question
from unictk.judges.answers import AnswerRequest
from unictk.judges.rules import RulesJudge
from unictk.metrics.answers import exact_match, normalise, right_choice, yes_or_no


def score_of(question: Question, answer: str, strict: bool = False) -> float:
    """1 or 0; of keywords the share that the answer has.

    Yes and no are strict: both, or neither, is wrong. An open answer has every content word of the reference
    (:class:`~unictk.judges.rules.RulesJudge`); with ``strict`` it equals the reference.
    """
    if question.kind == "keywords":
        return keyword_share(answer, question.keywords)
    if question.kind == "multiple_choice":
        return float(picks(answer, question))
    if question.kind == "yes_no":
        return float(yes_or_no(answer) == yes_or_no(question.reference))
    if strict:
        return float(exact_match(answer, question.reference))
    (grade,) = RulesJudge().grade([AnswerRequest(question.text, question.reference, answer)])
    return float(grade.score == 1)


def keyword_share(answer: str, keywords: Sequence[str]) -> float:
    """Share of the keywords that occur in the answer as whole words, in any order and case.

    A word that is required twice must be said twice.

    Raises:
        ValueError: no words are required, so none could be missed.
    """
    if not keywords:
        raise ValueError("keywords: there are none; expected at least one word that the answer must have")
    said, wanted = normalise(answer), Counter(map(normalise, keywords))
    found = {word: len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", said)) for word in wanted}
    return sum(min(found[word], times) for word, times in wanted.items()) / len(keywords)


def picks(answer: str, question: Question) -> bool:
    """Whether the answer picks the right option and no other one, by its letter or in its words.

    Where letters are named they decide. An option inside another (``left`` in ``top left``) is not picked
    when that one is said.
    """
    letters = LETTERS[: len(question.options)]
    if any(right_choice(answer, letter) for letter in letters):
        return right_choice(answer, question.letter)
    said = {normalise(option) for option in question.options if right_choice(answer, option)}
    longest = {one for one in said if not any(one != other and right_choice(other, one) for other in said)}
    return longest == {normalise(question.reference)}
