"""Facts told in words: who somebody is, what it owns, where it lives, and questions about it.

A name is any token: ``Bo`` defined in the context, or ``<bo>`` of a personal character.
"""

from __future__ import annotations

import random
from dataclasses import asdict

from unictk.concepts import prompts
from unictk.sprites.grammar import predicates
from unictk.sprites.grammar.phrases import PLACES, STYLES, Phrases, Phrasing, article, describe, sentence
from unictk.sprites.grammar.questions import (
    LOOKS,
    QA,
    STANDS,
    TRUE,
    WHAT,
    claim_question,
    value_question,
    yes,
)
from unictk.sprites.scenes import COLOURS, IDENTITY, SETTINGS, Identity, Scene
from unictk.sprites.splits import FOODS, ITEMS, Facts

NAMES = ("Bo", "Mika", "Luno", "Tavi", "Rex", "Nori", "Pip", "Zuri")
"""Names for characters that are defined in the context."""

FACTS = {
    "item": Phrases(
        ("{name} owns {own}.", "{name} has {own} of its own.", "{name}'s {accessory} is {item}."),
        ("The {accessory} of {name} is {item}.",),
    ),
    "home": Phrases(
        ("{name} lives {home}.", "{name} has its home {home}.", "{name}'s home is {home}."),
        ("The home of {name} is {home}.",),
    ),
    "food": Phrases(
        ("{name} eats {food}.", "{name} likes to eat {food}.", "{name}'s food is {food}."),
        ("The food of {name} is {food}.",),
    ),
}
"""Each fact as a sentence; ``{own}`` is ``a blue hat``."""

TOLD = {
    "accessory": Phrases(
        (
            "What does {name} own?",
            "Which thing does {name} own?",
            "What belongs to {name}?",
            "What is it that {name} owns?",
            "The thing of {name} is what?",
        ),
        ("Which thing belongs to {name}?",),
    ),
    "item": Phrases(
        (
            "What colour is the {accessory} of {name}?",
            "Which colour does the {accessory} of {name} have?",
            "{name} owns a {accessory}. What colour is it?",
            "The {accessory} of {name} is what colour?",
            "The colour of the {accessory} of {name} is which?",
        ),
        ("What is the colour of the {accessory} of {name}?",),
    ),
    "home": Phrases(
        (
            "Where does {name} live?",
            "Where is the home of {name}?",
            "In which place does {name} live?",
            "{name} lives where?",
            "{name} lives in which place?",
        ),
        ("What place is the home of {name}?",),
    ),
    "food": Phrases(
        (
            "What does {name} eat?",
            "Which food does {name} eat?",
            "What does {name} like to eat?",
            "{name} eats what?",
            "The food of {name} is which?",
        ),
        ("What food does {name} like to eat?",),
    ),
}
"""Questions for each fact."""

CLAIMS = {
    "accessory": ("does {name} own a {value}", "{name} owns a {value}"),
    "item": ("is {name}'s {accessory} {value}", "{name}'s {accessory} is {value}"),
    "home": ("does {name} live {place}", "{name} lives {place}"),
    "food": ("does {name} eat {value}", "{name} eats {value}"),
}
"""A claim about each fact: asked, and stated."""

CHOICES = {"accessory": ITEMS, "item": COLOURS, "home": SETTINGS, "food": FOODS}

HERE = Phrases(
    ("Is {name} in this picture?", "Can you see {name} here?", "Does this picture show {name}?"),
    ("Is {name} here?",),
)
"""Recognition."""

SAME, OTHER = "same", "other"
"""What a comparison says of two values."""


def definition(
    chance: random.Random, name: str, identity: Identity, facts: Facts | None, phrasing: Phrasing
) -> str:
    """``Bo is a red star with blue feet, ... . Bo owns a blue hat. Bo lives in the forest. Bo eats honey.``

    The name's sentence comes first, the facts (if any) follow in random order. A new line and a question
    go behind it, as behind a personal character's tokens.
    """
    looks = describe(asdict(identity), chance.choice(STYLES[phrasing]))
    told = fact_sentences(chance, name, facts, phrasing) if facts else []
    return " ".join([f"{name} is {looks}.", *told])


def fact_sentences(chance: random.Random, name: str, facts: Facts, phrasing: Phrasing) -> list[str]:
    """Item, home and food, a sentence each, in random order."""
    words = {
        "name": name,
        "own": article(f"{facts.item} {facts.accessory}"),
        "accessory": facts.accessory,
        "item": facts.item,
        "home": PLACES[facts.home],
        "food": facts.food,
    }
    told = [phrases.pick(chance, phrasing).format(**words) for phrases in FACTS.values()]
    chance.shuffle(told)
    return told


def fact_question(chance: random.Random, name: str, facts: Facts, phrasing: Phrasing) -> QA:
    """A value of one fact; ``kind`` is ``fact/`` and which."""
    about = chance.choice(tuple(TOLD))
    question = TOLD[about].pick(chance, phrasing).format(name=name, accessory=facts.accessory)
    return QA(question, asdict(facts)[about], f"fact/{about}")


def fact_yes_no(chance: random.Random, name: str, facts: Facts, truth: bool, phrasing: Phrasing) -> QA:
    """A claim about one fact, true or with another value; ``kind`` is ``fact equality/`` and which."""
    return fact_claim(chance, name, facts, chance.choice(tuple(CLAIMS)), truth, phrasing)


def fact_claim(
    chance: random.Random, name: str, facts: Facts, about: str, truth: bool, phrasing: Phrasing
) -> QA:
    """A claim about the fact ``about``."""
    value = asdict(facts)[about]
    if not truth:
        value = chance.choice([other for other in CHOICES[about] if other != value])
    words = {"name": name, "accessory": facts.accessory, "value": value, "place": PLACES.get(value, "")}
    ask, say = (claim.format(**words) for claim in CLAIMS[about])
    question = TRUE.pick(chance, phrasing).format(ask=ask, say=say)
    return QA(sentence(question), yes(truth), f"fact equality/{about}")


def looks_question(chance: random.Random, name: str, identity: Identity, phrasing: Phrasing) -> QA:
    """A value of the identity, asked without a picture; ``kind`` is ``looks/`` and which."""
    about = chance.choice(LOOKS)
    question = WHAT[about].pick(chance, phrasing).format(who=name)
    return QA(question, getattr(identity, about), f"looks/{about}")


def looks_yes_no(chance: random.Random, name: str, identity: Identity, truth: bool, phrasing: Phrasing) -> QA:
    """A claim about the identity, asked without a picture; ``kind`` is ``looks equality/`` and which."""
    return looks_claim(chance, name, identity, chance.choice(LOOKS), truth, phrasing)


def looks_claim(
    chance: random.Random, name: str, identity: Identity, about: str, truth: bool, phrasing: Phrasing
) -> QA:
    """A claim about the identity's ``about``."""
    value = getattr(identity, about)
    if not truth:
        value = chance.choice([other for other in IDENTITY[about] if other != value])
    ask, say = predicates.asked(about, value, name), predicates.stated(about, value, name)
    question = TRUE.pick(chance, phrasing).format(ask=ask, say=say)
    return QA(sentence(question), yes(truth), f"looks equality/{about}")


def recognition(chance: random.Random, name: str, present: bool, phrasing: Phrasing) -> QA:
    """Whether somebody is in the picture."""
    return QA(HERE.pick(chance, phrasing).format(name=name), yes(present), "recognition")


def compared(chance: random.Random, name: str, who: Identity, seen: Identity, phrasing: Phrasing) -> QA:
    """Whether the one character of the picture is somebody, each attribute of both said before the answer.

    ``shape: star, drop, other. colour: red, red, same. ... No.``: what is recalled, what is seen.
    """
    said = []
    for about in IDENTITY:
        one, other, label = getattr(who, about), getattr(seen, about), predicates.label(about)
        said.append(f"{label}: {one}, {other}, {SAME if one == other else OTHER}.")
    asked = recognition(chance, name, who == seen, phrasing)
    return QA(prompts.comparing(asked.question), " ".join([*said, asked.answer]), "compared")


def seen_question(chance: random.Random, scene: Scene, index: int, name: str, phrasing: Phrasing) -> QA:
    """A value of somebody that only the picture tells; ``kind`` is ``seen/`` and which."""
    about = _visible(chance, scene, index)
    found = value_question(chance, scene, index, about, name, phrasing)
    return QA(found.question, found.answer, f"seen/{about}")


def seen_yes_no(
    chance: random.Random, scene: Scene, index: int, name: str, truth: bool, phrasing: Phrasing
) -> QA:
    """A claim about what only the picture tells; ``kind`` is ``seen equality/`` and which."""
    about = _visible(chance, scene, index)
    found = claim_question(chance, scene, index, about, name, truth, phrasing)
    return QA(found.question, found.answer, f"seen equality/{about}")


def _visible(chance: random.Random, scene: Scene, index: int) -> str:
    one = scene.characters[index]
    return chance.choice([about for about in ("setting", *STANDS) if predicates.applies(one, about)])
