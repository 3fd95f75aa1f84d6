"""Lessons of equality without a picture, from the easiest on: two words, a sentence, a definition.

"Is it red?" needs two steps in one answer: find the value, then compare it. Small models stay at guessing for
very long when they meet both at once; comparing words alone they learn in a hundred steps, a claim about the
sentence before it soon after, and carry it over to definitions and pictures.
"""

from __future__ import annotations

import random
from dataclasses import asdict

from unictk.samples import Sample
from unictk.sprites.coded import Album
from unictk.sprites.grammar import knowledge
from unictk.sprites.grammar.knowledge import CLAIMS, NAMES
from unictk.sprites.grammar.phrases import PLACES, Phrasing, sentence
from unictk.sprites.grammar.predicates import VALUES, stated
from unictk.sprites.grammar.questions import LOOKS, QA, yes
from unictk.sprites.lessons.parts import answered
from unictk.sprites.scenes import Identity
from unictk.sprites.splits import FOODS, Facts, Part, facts_of, identities_of

PART: Part = "pretraining"
TRAINING: Phrasing = "training"

WORDS = (
    *(VALUES[name] for name in ("setting", "shape", "colour", "pattern", "eyes", "ears", "accessory")),
    FOODS,
)
"""Values of one kind, that are compared."""

PAIRS, SENTENCES, ABOUT_ONE = 12, 10, 8
"""Questions in one sample of each kind."""


def words(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """Pairs of values, half of them the same."""
    asked = []
    for _ in range(PAIRS):
        values = chance.choice(WORDS)
        one, same = chance.choice(values), chance.random() < 0.5
        other = one if same else chance.choice([value for value in values if value != one])
        asked.append(QA(f"Is {one} the same as {other}?", yes(same), "words"))
    return answered(chance, [], asked)


def statements(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """One to four sentences about somebody and claims that they make true or false, again and again."""
    asked: list[QA] = []
    while len(asked) < SENTENCES:
        name, identity, told = chance.choice(NAMES), *_somebody(chance)
        abouts = chance.sample((*LOOKS, *CLAIMS), chance.choice((1, 1, 2, 3, 4)))
        said = " ".join(f"{sentence(_said(about, name, identity, told))}." for about in abouts)
        first, *more = [
            claim(chance, name, identity, told, about) for about in chance.sample(abouts, len(abouts))
        ]
        asked += [QA(f"{said}\n{first.question}", first.answer, first.kind), *more]
    return answered(chance, [], asked)


def claims(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A whole definition and claims about it, half of them off in one value."""
    name, identity, told = chance.choice(NAMES), *_somebody(chance)
    asked = [
        claim(chance, name, identity, told, about) for about in chance.sample((*LOOKS, *CLAIMS), ABOUT_ONE)
    ]
    defined = knowledge.definition(chance, name, identity, told, TRAINING)
    first = QA(f"{defined}\n{asked[0].question}", asked[0].answer, asked[0].kind)
    return answered(chance, [], [first, *asked[1:]])


def claim(chance: random.Random, name: str, identity: Identity, told: Facts, about: str) -> QA:
    """A claim about an attribute or a fact, true or with another value."""
    truth = chance.random() < 0.5
    if about in CLAIMS:
        return knowledge.fact_claim(chance, name, told, about, truth, TRAINING)
    return knowledge.looks_claim(chance, name, identity, about, truth, TRAINING)


def _somebody(chance: random.Random) -> tuple[Identity, Facts]:
    return chance.choice(identities_of(PART)), chance.choice(facts_of(PART))


def _said(about: str, name: str, identity: Identity, told: Facts) -> str:
    """The true sentence about one attribute or fact."""
    if about not in CLAIMS:
        return stated(about, getattr(identity, about), name)
    value = asdict(told)[about]
    return CLAIMS[about][1].format(
        name=name, accessory=told.accessory, value=value, place=PLACES.get(value, "")
    )
