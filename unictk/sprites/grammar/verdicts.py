"""The judge's words: what is right and wrong about a picture, one point after the other, then a score.

The form is the method's (UniCorn, figure 9): one JSON object, the analysis before the score.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unictk.sprites import oracle
from unictk.sprites.asked import ATTRIBUTES, SETTING, Asked
from unictk.sprites.grammar.descriptions import BETWEEN
from unictk.sprites.grammar.phrases import NUMBERS, Phrases, Phrasing
from unictk.sprites.grammar.predicates import answer_of, label
from unictk.sprites.oracle import Reading
from unictk.sprites.scenes import Scene

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


UNCLEAR = "picture: unclear, wrong."
"""The whole analysis of a picture that shows nothing clearly: then no point is right."""

MISSING = "missing"
"""What is seen of a character that is not there."""

CLEAR = Phrases(
    ("Is the picture clear?", "Is this a clear picture?", "Does the picture show something clearly?"),
    ("Is this picture clear?",),
)
"""Asked of a picture before any prompt."""

_SENTENCE = re.compile(r"((?:not )?[a-z ]+: [a-z ]+)(?:, seen [a-z ]+)?, (right|wrong)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said: its points in its words (``colour: red``), whether each is right, and the score.

    Of a picture that it calls unclear it names no point, and all of them are wrong.
    """

    points: tuple[tuple[str, bool], ...]
    score: int
    clear: bool = True

    def each(self, asked: Asked) -> dict[str, bool]:
        """The judgement of every point of :meth:`Asked.points` that the verdict names as it was asked."""
        if not self.clear:
            return dict.fromkeys(asked.points(), False)
        said = dict(self.points)
        return {point.name: said[point.words] for point in _points(asked) if point.words in said}

    def complete(self, asked: Asked) -> bool:
        """Whether it names every point that was asked, in that order, and nothing else."""
        if not self.clear:
            return True
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


def verdict_text(asked: Asked, each: Mapping[str, bool], seen: Mapping[str, str] | None = None) -> str:
    """``{"analysis": "setting: forest, right. colour: red, wrong.", "score": 5}``.

    With ``seen`` (see :func:`read_points`) each point says what the picture shows before it is called right
    or wrong (``colour: red, seen blue, wrong.``).
    """
    points = {point.name: each[point.name] for point in _points(asked)}
    said = []
    for point in _points(asked):
        shown = f"seen {seen[point.name]}, " if seen and point.name in seen else ""
        said.append(f"{point.words}, {shown}{'right' if points[point.name] else 'wrong'}.")
    return json.dumps({"analysis": " ".join(said), "score": score_of(points)})


def verdict_on(asked: Asked, reading: Reading) -> str:
    """The verdict of a perfect reader: what it sees of every point, or that the picture is unclear."""
    if not reading.readable:
        return json.dumps({"analysis": UNCLEAR, "score": 0})
    return verdict_text(asked, oracle.score(asked, reading).each, read_points(asked, reading.scene))


def read_points(asked: Asked, scene: Scene) -> dict[str, str]:
    """What a scene shows of every point that is about a value; relations have none."""
    found = {"setting": scene.setting, "count": NUMBERS[len(scene.characters)]}
    cast = [None if one is None else one.attributes() for one in oracle.matched(asked, scene)]

    def value(index: int, name: str) -> str:
        who = cast[index]
        return MISSING if who is None else answer_of(name, who[name])

    for index, named in enumerate(asked.characters):
        found |= {f"{index}.{name}": value(index, name) for name in named}
    for index, name, refused in asked.refused:
        where = f"not setting {refused}" if index == SETTING else f"not {index}.{name} {refused}"
        found[where] = scene.setting if index == SETTING else value(index, name)
    return found


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
    if analysis == UNCLEAR:
        return Verdict((), score, clear=False)
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
        what, value = words.removeprefix("not ").split(": ")
        if not right:
            wrong.append(f"the {what} should {'not ' * words.startswith('not ')}be {value}")
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
            called = f"{ORDER[index]} {label(attribute)}" if several else label(attribute)
            yield _Point(next(names), called, answer_of(attribute, who[attribute]))
    for name, one, other in asked.relations:
        yield _Point(next(names), "relation", f"{ORDER[one]} {BETWEEN[name][0]} {ORDER[other]}")
    if asked.count is not None:
        yield _Point(next(names), "count", NUMBERS[asked.count])
    for index, attribute, value in asked.refused:
        called = f"{ORDER[index]} {attribute}" if several and index != SETTING else attribute
        yield _Point(next(names), called, value, refused=True)
