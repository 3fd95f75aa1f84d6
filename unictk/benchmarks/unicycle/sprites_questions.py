"""Questions about a prompt of the sprites world, made by its grammar, with exact references.

Everything that the prompt asks is asked once by itself: by turns of chance for a value, as a multiple choice,
or as a claim that is true or wrong. What must not be is a claim that is wrong; a relation is claimed in both
directions. One more question is for a description, which must have the prompt's words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

from unictk.benchmarks.sprites.items import PHRASING
from unictk.benchmarks.unicycle.questions import Kind, Question
from unictk.sprites.asked import ATTRIBUTES, SETTING, Asked
from unictk.sprites.grammar.captions import CAPTION
from unictk.sprites.grammar.claims import called
from unictk.sprites.grammar.descriptions import BETWEEN
from unictk.sprites.grammar.phrases import NUMBERS, sentence
from unictk.sprites.grammar.predicates import VALUES, answer_of, stated
from unictk.sprites.grammar.questions import HOW_MANY, TRUE, WHAT, yes

OPTIONS = 4
"""Of a multiple choice, at most."""

FORMS: tuple[Kind, ...] = ("open", "open", "multiple_choice", "yes_no")
"""Of questions about a value, as often as they come."""

NAMED = ("shape", "colour")
"""Attributes by which the grammar's questions name a character."""

SAID = (*NAMED, "accessory", "item", "size")
"""Attributes whose values a caption says word for word; ``striped`` is said as ``blue stripes``."""


def questions_of(chance: random.Random, asked: Asked) -> list[Question]:
    """Questions about everything that the prompt asks, numbered from 1.

    A point is left out where no question names its character beyond doubt: "What colour is the star?" asks
    nothing where both may be stars. :func:`~unictk.benchmarks.unicycle.questions.uncovered` tells.
    """
    found = [*_single(chance, asked), *_described(chance, asked)]
    return [replace(one, qid=str(number)) for number, one in enumerate(found, 1)]


def _single(chance: random.Random, asked: Asked) -> Iterator[Question]:
    if asked.setting is not None:
        yield _value(chance, "setting", "setting", asked.setting, {})
    for index, who in enumerate(asked.characters):
        for name in ATTRIBUTES:
            if name in who and distinct(asked, index, name):
                yield _value(chance, f"{index}.{name}", name, who[name], who)
    for name, one, other in asked.relations:
        if distinct(asked, one, "") and distinct(asked, other, ""):
            first, second = (called(asked.characters[at], "") for at in (one, other))
            word, converse = BETWEEN[name]
            for truth, between in ((True, word), (False, converse)):
                yield _claim(f"{name} {one} {other}", f"{first} is {between} {second}", truth)
    if asked.count is not None:
        offered, text = chance.random() < 0.5, HOW_MANY.pick(chance, PHRASING)
        yield _asked(chance, "count", text, NUMBERS[asked.count], NUMBERS[1:], offered)
    for index, name, value in asked.refused:
        if index == SETTING:
            yield _claim(f"not setting {value}", stated("setting", value, ""), False, decides=True)
        elif distinct(asked, index, name):
            words = stated(name, value, called(asked.characters[index], name))
            yield _claim(f"not {index}.{name} {value}", words, False, decides=True)


def distinct(asked: Asked, index: int, hidden: str) -> bool:
    """Whether a question can mean this character and no other one, without telling what is ``hidden``."""
    if asked.number == 1:
        return True
    if asked.number != len(asked.characters):
        return False  # there is somebody of whom nothing is known
    one = asked.characters[index]
    names = [name for name in NAMED if name in one and name != hidden]
    others = [who for at, who in enumerate(asked.characters) if at != index]
    return all(any(other.get(name, one[name]) != one[name] for name in names) for other in others)


def _value(chance: random.Random, point: str, about: str, value: str, who: Mapping[str, str]) -> Question:
    """A value that the prompt names: asked for, offered among others, or claimed."""
    name, item = called(who, about), who.get("accessory", "")
    form = chance.choice(FORMS)
    if form == "yes_no":
        truth = chance.random() < 0.5
        others = [one for one in VALUES[about] if one != value]
        said = stated(about, value if truth else chance.choice(others), name, item)
        return _claim(point, said, truth, decides=truth)
    text = WHAT[about].pick(chance, PHRASING).format(who=name, item=item)
    values = tuple(answer_of(about, one) for one in VALUES[about])
    return _asked(chance, point, sentence(text), answer_of(about, value), values, form == "multiple_choice")


def _asked(
    chance: random.Random,
    point: str,
    text: str,
    right: str,
    values: tuple[str, ...],
    offered: bool,
) -> Question:
    """``right`` as the value of a point; ``offered`` among other ``values``."""
    if not offered:
        return Question("", "open", text, right, points=(point,), decides=True)
    wrong = [value for value in values if value != right]
    options = [right, *chance.sample(wrong, min(OPTIONS - 1, len(wrong)))]
    chance.shuffle(options)
    return Question("", "multiple_choice", text, right, tuple(options), points=(point,), decides=True)


def _claim(point: str, words: str, truth: bool, decides: bool | None = None) -> Question:
    text = sentence(TRUE.of(PHRASING)[0].format(say=words, ask=words))
    return Question(
        "", "yes_no", text, yes(truth), points=(point,), decides=truth if decides is None else decides
    )


def _described(chance: random.Random, asked: Asked) -> Iterator[Question]:
    told = {} if asked.setting is None else {"setting": asked.setting}
    for index, who in enumerate(asked.characters):
        told |= {f"{index}.{name}": who[name] for name in SAID if who.get(name, "none") != "none"}
    if told:
        words = tuple(dict.fromkeys(told.values()))
        text = CAPTION.pick(chance, PHRASING)
        yield Question("", "keywords", text, ", ".join(words), keywords=words, points=tuple(told))
