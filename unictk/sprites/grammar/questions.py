"""Questions about one picture, with their answers.

An answer is a value as it is (``red``, ``top left``, ``two``, ``nothing``), or ``Yes.`` / ``No.``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from unictk.sprites.grammar.descriptions import BETWEEN, HOLDS, some
from unictk.sprites.grammar.phrases import (
    NUMBERS,
    PLACES,
    STYLES,
    Phrases,
    Phrasing,
    describe,
    name_of,
    sentence,
)
from unictk.sprites.grammar.predicates import VALUES, answer_of, applies, asked, of_many, stated, value_of
from unictk.sprites.scenes import Character, Scene


@dataclass(frozen=True, slots=True)
class QA:
    """A question and its answer; ``kind`` names what it measures."""

    question: str
    answer: str
    kind: str


def _of_noun(noun: str, *natural: str) -> Phrases:
    """The paraphrases that fit every attribute, after those of its own."""
    said = (f"Name the {noun} of {{who}}.", f"The {noun} of {{who}} is what?")
    return Phrases((*natural, *said), (f"What is the {noun} of {{who}}?",))


WHAT = {
    "setting": Phrases(
        ("Where is this?", "What place is this?", "Name the place of the picture."),
        ("Which place does the picture show?",),
    ),
    "shape": _of_noun("shape", "What shape is {who}?", "Which shape does {who} have?"),
    "colour": _of_noun("colour", "What colour is {who}?", "Which colour does {who} have?"),
    "second": Phrases(
        (
            "What colour are the feet of {who}?",
            "Name the colour of the feet of {who}.",
            "Which colour do its feet have: {who}?",
            "The feet of {who} are what colour?",
        ),
        ("What is the colour of the feet of {who}?",),
    ),
    "pattern": _of_noun("pattern", "What pattern does {who} have?", "Which pattern does {who} have?"),
    "eyes": Phrases(
        ("What eyes does {who} have?", "Name the eyes of {who}.", "How are the eyes of {who}?"),
        ("Which eyes does {who} have?",),
    ),
    "ears": Phrases(
        ("What ears does {who} have?", "Name the ears of {who}.", "How are the ears of {who}?"),
        ("Which ears does {who} have?",),
    ),
    "accessory": Phrases(
        (
            "What is {who} wearing or holding?",
            "What does {who} wear or hold?",
            "Name the thing {who} wears or holds.",
            "{who} wears or holds what?",
        ),
        ("Which thing does {who} wear or hold?",),
    ),
    "item": Phrases(
        (
            "What colour is the {item} of {who}?",
            "Which colour does the {item} of {who} have?",
            "Name the colour of the {item} of {who}.",
            "The {item} of {who} is what colour?",
        ),
        ("What is the colour of the {item} of {who}?",),
    ),
    "position": Phrases(
        ("Where is {who}?", "Where does {who} stand?", "Name the position of {who}.", "{who} stands where?"),
        ("What is the position of {who}?",),
    ),
    "column": Phrases(
        (
            "Is {who} on the left, in the middle or on the right?",
            "On which side is {who}?",
            "Left, middle or right: where is {who}?",
            "Where is {who}: left, middle or right?",
        ),
        ("Where does {who} stand: left, middle or right?",),
    ),
    "row": Phrases(
        (
            "Is {who} at the top, in the middle or at the bottom?",
            "How high is {who}?",
            "Top, middle or bottom: where is {who}?",
            "Where is {who}: top, middle or bottom?",
        ),
        ("Where does {who} stand: top, middle or bottom?",),
    ),
    "size": Phrases(
        ("What size is {who}?", "How big is {who}?", "Is {who} small or big?", "Name the size of {who}."),
        ("What is the size of {who}?",),
    ),
}
"""Questions for a value; ``{who}`` is a character, ``{item}`` its accessory.

Some are statements but for the word that asks: a model that met only claims of that form says yes or no.
"""

TRUE = Phrases(
    ("{ask}?", "Is it true that {say}?", "{say}. True?", "{say}. Is that so?", "Is it so that {say}?"),
    ("{say}. Is it true?",),
)
"""Yes-or-no questions about a claim."""

THERE = Phrases(
    ("Is there {c} {p}?", "Does the picture show {c} {p}?", "There is {c} {p}. True?"),
    ("Is it true that there is {c} {p}?",),
)
"""Yes-or-no questions about a description."""

HOW_MANY = Phrases(
    ("How many characters are there?", "How many characters does the picture show?", "Count the characters."),
    ("How many characters are in the picture?",),
)
HOW_MANY_SUCH = Phrases(
    (
        "How many characters {such}?",
        "How many of the characters {such}?",
        "Count the characters that {such}.",
    ),
    ("How many characters are there that {such}?",),
)

LOOKS = ("shape", "colour", "second", "pattern", "eyes", "ears")
STANDS = ("accessory", "item", "position", "column", "row", "size")
"""What a question can be about: the identity, and the rest of a character."""


def yes(truth: bool) -> str:
    """The one form of a yes-or-no answer."""
    return "Yes." if truth else "No."


def referents(scene: Scene, index: int, hidden: str = "") -> list[str]:
    """Ways to name one character that fit no other and do not give ``hidden`` (an attribute) away."""
    one = scene.characters[index].identity
    others = [other.identity for at, other in enumerate(scene.characters) if at != index]
    found = [] if others else ["the character"]
    if hidden != "shape" and all(other.shape != one.shape for other in others):
        found.append(f"the {one.shape}")
    if hidden != "colour" and all(other.colour != one.colour for other in others):
        found.append(f"the {one.colour} character")
    if hidden not in ("shape", "colour"):
        found.append(name_of(scene.characters[index]))
    return found


def attribute_question(chance: random.Random, scene: Scene, phrasing: Phrasing) -> QA:
    """A value of one character, or the setting; ``kind`` is what it is about."""
    index, about, who = _subject(chance, scene, tuple(WHAT))
    return value_question(chance, scene, index, about, who, phrasing)


def value_question(
    chance: random.Random, scene: Scene, index: int, about: str, who: str, phrasing: Phrasing
) -> QA:
    """The value of ``about`` of the character called ``who``."""
    one = scene.characters[index]
    question = WHAT[about].pick(chance, phrasing).format(who=who, item=one.accessory)
    return QA(sentence(question), answer_of(about, value_of(scene, one, about)), about)


def yes_no(chance: random.Random, scene: Scene, truth: bool, phrasing: Phrasing) -> QA:
    """A claim about one attribute, or a whole description, that is true or wrong in one attribute."""
    make = equality if chance.random() < 0.6 else statement
    return make(chance, scene, truth, phrasing)


def equality(chance: random.Random, scene: Scene, truth: bool, phrasing: Phrasing) -> QA:
    """``Is the star red?``; ``kind`` is ``equality/`` and what it is about."""
    index, about, who = _subject(chance, scene, tuple(VALUES))
    return claim_question(chance, scene, index, about, who, truth, phrasing)


def value_then_claim(chance: random.Random, scene: Scene, truth: bool, phrasing: Phrasing) -> list[QA]:
    """A value and then a claim about the same: a step on the way to claims alone."""
    index, about, who = _subject(chance, scene, tuple(VALUES))
    return [
        value_question(chance, scene, index, about, who, phrasing),
        claim_question(chance, scene, index, about, who, truth, phrasing),
    ]


def claim_question(
    chance: random.Random, scene: Scene, index: int, about: str, who: str, truth: bool, phrasing: Phrasing
) -> QA:
    """Whether ``about`` of the character called ``who`` has a value: the true one or any other."""
    one = scene.characters[index]
    value = value_of(scene, one, about)
    if not truth:
        value = chance.choice([other for other in VALUES[about] if other != value])
    words = (about, value, who, one.accessory)
    question = TRUE.pick(chance, phrasing).format(ask=asked(*words), say=stated(*words))
    return QA(sentence(question), yes(truth), f"equality/{about}")


def statement(chance: random.Random, scene: Scene, truth: bool, phrasing: Phrasing) -> QA:
    """``Is there a red star with long ears in the forest?``; if false, one attribute off."""
    setting = scene.setting
    character = some(chance, chance.choice(scene.characters), least=0)
    if not truth:
        setting, character = _one_off(chance, scene, character)
    frame = THERE.pick(chance, phrasing)
    said = describe(character, chance.choice(STYLES[phrasing]))
    if "," in said:
        frame = frame.replace("{c} {p}", "{c}, {p}")
    return QA(frame.format(c=said, p=PLACES[setting]), yes(truth), "statement")


def _one_off(chance: random.Random, scene: Scene, true: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Setting and character with one value changed so that no character fits."""
    while True:
        about = chance.choice(["setting", *true])
        now = scene.setting if about == "setting" else true[about]
        value = chance.choice([other for other in VALUES[about] if other != now])
        if about == "setting":
            return value, true
        changed = true | {about: value}
        if changed.get("accessory") == "none":
            changed.pop("item", None)
        clash = changed.get("colour", "") == changed.get("second")
        if not clash and not any(fits(other, changed) for other in scene.characters):
            return scene.setting, changed


def fits(character: Character, named_values: dict[str, str]) -> bool:
    """Whether the character has all these values."""
    return named_values.items() <= character.attributes().items()


def comparison(chance: random.Random, scene: Scene, phrasing: Phrasing) -> QA:
    """Left, above or bigger between two characters; yes and no come equally often where both can be true.

    Raises:
        ValueError: the scene has one character only.
    """
    cast = scene.characters
    if len(cast) < 2:
        raise ValueError("comparison: the scene has one character; expected two or three")
    claims = [(name, one, other) for name in HOLDS for one in cast for other in cast if one is not other]
    truth = chance.random() < 0.5
    wanted = [claim for claim in claims if HOLDS[claim[0]](*claim[1:]) == truth] or claims
    name, one, other = chance.choice(wanted)
    word, converse = BETWEEN[name]
    words = (
        (name_of(one), word, name_of(other))
        if chance.random() < 0.5
        else (name_of(other), converse, name_of(one))
    )
    ask, say = "is {} {} {}".format(*words), "{} is {} {}".format(*words)
    question = TRUE.pick(chance, phrasing).format(ask=ask, say=say)
    return QA(sentence(question), yes(HOLDS[name](one, other)), f"comparison/{name}")


def counting(chance: random.Random, scene: Scene, phrasing: Phrasing) -> QA:
    """How many characters there are, or how many have something: ``none`` to ``three``."""
    if chance.random() < 0.3:
        return QA(HOW_MANY.pick(chance, phrasing), NUMBERS[len(scene.characters)], "count")
    about = chance.choice(("shape", "colour", "pattern", "eyes", "ears", "accessory", "size"))
    value = chance.choice(VALUES[about])
    if chance.random() < 0.7:
        value = value_of(scene, chance.choice(scene.characters), about)
    count = sum(value_of(scene, one, about) == value for one in scene.characters)
    question = HOW_MANY_SUCH.pick(chance, phrasing).format(such=of_many(about, value))
    return QA(question, NUMBERS[count], "count such")


def _subject(chance: random.Random, scene: Scene, abouts: Sequence[str]) -> tuple[int, str, str]:
    """A character, something to ask of it, and a name for it that does not tell."""
    while True:
        index, about = chance.randrange(len(scene.characters)), chance.choice(abouts)
        called = referents(scene, index, about)
        if called and applies(scene.characters[index], about):
            return index, about, chance.choice(called)
