"""The judge's words: what is right and wrong about a picture, one point after the other, then a score.

The form is the method's (UniCorn, figure 9): one JSON object, the analysis before the score.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unictk.sprites.asked import ATTRIBUTES, SETTING, Asked
from unictk.sprites.grammar.descriptions import BETWEEN
from unictk.sprites.grammar.phrases import NUMBERS, Phrases, Phrasing
from unictk.sprites.grammar.predicates import answer_of

JUDGE = Phrases(
    (
        "Judge the picture, each thing and then a score from 0 to 10. Prompt: {p}",
        "Name what is right and what is wrong, then give a score from 0 to 10. Prompt: {p}",
        "Does the picture show what the prompt names? Give a score from 0 to 10. Prompt: {p}",
    ),
    ("Judge what the picture shows, then give a score from 0 to 10. Prompt: {p}",),
)
"""The rubric stands before the prompt, as in the method."""

REDRAW = Phrases(
    ("{c} Draw it again: {p}", "Draw the prompt again: {p} {c}", "The picture is not right. {c} Prompt: {p}"),
    ("Draw the picture again: {p} {c}",),
)
"""Reflection: a critique (``{c}``) of a picture of a prompt, which is to be drawn better."""

ORDER = ("first", "second", "third")
BEST = 10


_SENTENCE = re.compile(r"((?:not )?[a-z ]+: [a-z ]+), (right|wrong)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said: its points in its words (``colour: red``), whether each is right, and the score."""

    points: tuple[tuple[str, bool], ...]
    score: int

    def each(self, asked: Asked) -> dict[str, bool]:
        """The judgement of every point of :meth:`Asked.points` that the verdict names as it was asked."""
        said = dict(self.points)
        return {point.name: said[point.words] for point in _points(asked) if point.words in said}

    def complete(self, asked: Asked) -> bool:
        """Whether it names every point that was asked, in that order, and nothing else."""
        return [words for words, _ in self.points] == [point.words for point in _points(asked)]


@dataclass(frozen=True, slots=True)
class _Point:
    """A point in words: ``first colour``, ``red``; ``refused`` is about what must not be."""

    name: str
    label: str
    value: str
    refused: bool = False

    @property
    def words(self) -> str:
        """``not colour: red``."""
        return f"{'not ' * self.refused}{self.label}: {self.value}"


def judge_question(chance: random.Random, prompt: str, phrasing: Phrasing) -> str:
    """What stands before the picture that is to be judged."""
    return JUDGE.pick(chance, phrasing).format(p=prompt)


def score_of(each: Mapping[str, bool]) -> int:
    """Ten times the share of points that are right, rounded down: ten only if all are.

    Raises:
        ValueError: there are no points.
    """
    if not each:
        raise ValueError("score: the prompt asks nothing; expected at least one point")
    return BEST * sum(each.values()) // len(each)


def verdict_text(asked: Asked, each: Mapping[str, bool]) -> str:
    """``{"analysis": "setting: forest, right. colour: red, wrong.", "score": 5}``."""
    points = {point.name: each[point.name] for point in _points(asked)}
    said = [f"{point.words}, {'right' if points[point.name] else 'wrong'}." for point in _points(asked)]
    return json.dumps({"analysis": " ".join(said), "score": score_of(points)})


def parse_verdict(text: str) -> Verdict | None:
    """The verdict, if it has the form of :func:`verdict_text`, whatever points it names; else None."""
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(said, dict) or list(said) != ["analysis", "score"]:
        return None
    analysis, score = said["analysis"], said["score"]
    if type(score) is not int or not 0 <= score <= BEST or not isinstance(analysis, str):
        return None
    found = [_SENTENCE.fullmatch(one) for one in analysis.removesuffix(".").split(". ")]
    if not analysis.endswith(".") or None in found:
        return None
    return Verdict(tuple((one[1], one[2] == "right") for one in found if one), score)


def critique(asked: Asked, each: Mapping[str, bool]) -> str:
    """``Wrong: the colour should be red, the accessory should not be hat.``, or that nothing is wrong."""
    return criticism([(point.words, each[point.name]) for point in _points(asked)])


def criticism(points: Sequence[tuple[str, bool]]) -> str:
    """The critique of points in words, each with whether it is right; see :func:`critique`."""
    wrong = []
    for words, right in points:
        label, value = words.removeprefix("not ").split(": ")
        if not right:
            wrong.append(f"the {label} should {'not ' * words.startswith('not ')}be {value}")
    return f"Wrong: {', '.join(wrong)}." if wrong else "Nothing is wrong."


def redraw(chance: random.Random, prompt: str, criticism: str, phrasing: Phrasing) -> str:
    """What stands behind a picture that is to be drawn again."""
    return REDRAW.pick(chance, phrasing).format(p=prompt, c=criticism)


def _points(asked: Asked) -> Iterator[_Point]:
    """The points of :meth:`Asked.points`, in its order, in words."""
    names = iter(asked.points())
    several = len(asked.characters) > 1
    if asked.setting is not None:
        yield _Point(next(names), "setting", asked.setting)
    for index, who in enumerate(asked.characters):
        for attribute in (name for name in ATTRIBUTES if name in who):
            label = "feet" if attribute == "second" else attribute
            label = f"{ORDER[index]} {label}" if several else label
            yield _Point(next(names), label, answer_of(attribute, who[attribute]))
    for name, one, other in asked.relations:
        yield _Point(next(names), "relation", f"{ORDER[one]} {BETWEEN[name][0]} {ORDER[other]}")
    if asked.count is not None:
        yield _Point(next(names), "count", NUMBERS[asked.count])
    for index, attribute, value in asked.refused:
        label = f"{ORDER[index]} {attribute}" if several and index != SETTING else attribute
        yield _Point(next(names), label, value, refused=True)
