"""Questions about two pictures of one character each."""

from __future__ import annotations

import random

from unictk.sprites.grammar.phrases import Phrases, Phrasing
from unictk.sprites.grammar.predicates import value_of
from unictk.sprites.grammar.questions import QA, yes
from unictk.sprites.scenes import SIZES, Scene

SAME_CHARACTER = Phrases(
    (
        "Is it the same character in both pictures?",
        "Do both pictures show the same character?",
        "Is the character of both pictures the same?",
    ),
    ("Do the two pictures show the same character?",),
)
"""The same means: the same identity, whatever it wears and wherever it stands."""

SAME_SETTING = Phrases(
    (
        "Do both pictures show the same place?",
        "Is the place of both pictures the same?",
        "Is it the same place in both pictures?",
    ),
    ("Do the two pictures show the same place?",),
)
SAME = Phrases(
    (
        "Do both characters have the same {noun}?",
        "Is it the same {noun} in both pictures?",
        "Do both pictures show the same {noun}?",
    ),
    ("Do the two characters have the same {noun}?",),
)
BIGGER = Phrases(
    (
        "Which picture shows the bigger character?",
        "Which character is bigger: first, second or none?",
        "Is the first or the second character bigger?",
    ),
    ("Which of the two characters is bigger?",),
)

NOUNS = {
    "shape": "shape",
    "colour": "colour",
    "second": "colour of feet",
    "pattern": "pattern",
    "eyes": "eyes",
    "ears": "ears",
    "position": "position",
    "size": "size",
}


def pair_question(chance: random.Random, one: Scene, other: Scene, phrasing: Phrasing) -> QA:
    """Any of the questions of this file."""
    return chance.choice((same_character, same_attribute, same_attribute, which_bigger))(
        chance, one, other, phrasing
    )


def same_character(chance: random.Random, one: Scene, other: Scene, phrasing: Phrasing) -> QA:
    """Whether the identities are equal."""
    truth = one.characters[0].identity == other.characters[0].identity
    return QA(SAME_CHARACTER.pick(chance, phrasing), yes(truth), "pair/character")


def same_attribute(chance: random.Random, one: Scene, other: Scene, phrasing: Phrasing) -> QA:
    """Whether the setting or an attribute is equal; yes and no come equally often where both can be true."""
    abouts = ["setting", *NOUNS]
    equal = {about: _value(one, about) == _value(other, about) for about in abouts}
    truth = chance.random() < 0.5
    about = chance.choice([name for name in abouts if equal[name] == truth] or abouts)
    phrases = SAME_SETTING if about == "setting" else SAME
    question = phrases.pick(chance, phrasing).format(noun=NOUNS.get(about))
    return QA(question, yes(equal[about]), f"pair/{about}")


def which_bigger(chance: random.Random, one: Scene, other: Scene, phrasing: Phrasing) -> QA:
    """``first``, ``second`` or ``none``."""
    first, second = (SIZES.index(_value(scene, "size")) for scene in (one, other))
    answer = "first" if first > second else "second" if second > first else "none"
    return QA(BIGGER.pick(chance, phrasing), answer, "pair/bigger")


def _value(scene: Scene, about: str) -> str:
    if len(scene.characters) != 1:
        raise ValueError(f"pair: a scene has {len(scene.characters)} characters; expected one")
    return value_of(scene, scene.characters[0], about)
