"""Who is seen when: a hash keeps pretraining, concepts and reviewers' concepts apart, in every respect.

Identities, stagings (setting, accessory, place, size) and facts (own item, home, food) are each divided
80 : 10 : 10. Pretraining sees only the first part of each. Concepts with seeds below 50,000 and the test
scenes come from the second. The third serves seeds from 50,000 on, which nothing in this project uses.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from unictk.chance import seed_of
from unictk.sprites.render import MOST_HIDDEN, most_hidden
from unictk.sprites.scenes import (
    ACCESSORIES,
    COLOURS,
    COLUMNS,
    IDENTITY,
    ROWS,
    SETTINGS,
    SIZES,
    Character,
    Identity,
    Scene,
    identities,
)

Part = Literal["pretraining", "concepts", "reviewers"]
REVIEWERS_FROM = 50_000
"""Concept seeds from here on belong to reviewers."""

FOODS = ("apples", "bread", "cheese", "honey", "nuts", "carrots", "soup", "cake")
ITEMS = tuple(name for name in ACCESSORIES if name != "none")
FEWEST_NEIGHBOURS = 3
"""Identities of its own part that differ from a concept in one attribute: its hard negatives."""


@dataclass(frozen=True, slots=True)
class Staging:
    """Everything of a picture of one character but its identity."""

    setting: str
    accessory: str
    item: str
    column: str
    row: str
    size: str

    def of(self, identity: Identity) -> Character:
        """The character so staged."""
        return Character(identity, self.accessory, self.item, self.column, self.row, self.size)


@dataclass(frozen=True, slots=True)
class Facts:
    """What no picture of a concept shows: its own accessory and the colour of it, its home, its food."""

    accessory: str
    item: str
    home: str
    food: str


def part_of(thing: Identity | Staging | Facts) -> Part:
    """The part of the world that may show this."""
    tenth = seed_of("sprites", type(thing).__name__, thing) % 10
    return "pretraining" if tenth < 8 else "concepts" if tenth == 8 else "reviewers"


@cache
def identities_of(part: Part) -> tuple[Identity, ...]:
    """All identities of a part, in a fixed order."""
    return tuple(identity for identity in identities() if part_of(identity) == part)


@cache
def stagings_of(part: Part) -> tuple[Staging, ...]:
    """All stagings of a part, in a fixed order; 3,600 in all parts."""
    worn = [("none", "none"), *itertools.product(ITEMS, COLOURS)]
    every = itertools.product(SETTINGS, worn, COLUMNS, ROWS, SIZES)
    made = (Staging(setting, *worn, column, row, size) for setting, worn, column, row, size in every)
    return tuple(staging for staging in made if part_of(staging) == part)


@cache
def facts_of(part: Part) -> tuple[Facts, ...]:
    """All facts of a part, in a fixed order; 1,536 in all parts."""
    every = itertools.product(ITEMS, COLOURS, SETTINGS, FOODS)
    return tuple(facts for values in every if part_of(facts := Facts(*values)) == part)


def neighbours(identity: Identity) -> list[Identity]:
    """Identities that differ in exactly one attribute, in a fixed order."""
    found = []
    for name, choices in IDENTITY.items():
        for value in choices:
            other = {name: value}
            clash = identity.second if name == "colour" else identity.colour if name == "second" else None
            if value not in (getattr(identity, name), clash):
                found.append(replace(identity, **other))
    return found


def hard_negatives(identity: Identity) -> list[Identity]:
    """Neighbours of the identity's own part."""
    return [other for other in neighbours(identity) if part_of(other) == part_of(identity)]


@cache
def _concept_identities(part: Part) -> tuple[Identity, ...]:
    """Identities with enough hard negatives, in an order without pattern."""
    fit = [one for one in identities_of(part) if len(hard_negatives(one)) >= FEWEST_NEIGHBOURS]
    return tuple(sorted(fit, key=lambda one: seed_of("concept order", one)))


def part_of_seed(seed: int) -> Part:
    """``concepts`` below 50,000, ``reviewers`` from there on."""
    return "concepts" if seed < REVIEWERS_FROM else "reviewers"


def concept_identity(seed: int) -> Identity:
    """The identity of concept ``seed``; the first thousand seeds of a part all differ."""
    choices = _concept_identities(part_of_seed(seed))
    return choices[seed % len(choices)]


def concept_facts(seed: int) -> Facts:
    """The facts of concept ``seed``."""
    return random.Random(seed_of("concept facts", seed)).choice(facts_of(part_of_seed(seed)))


def random_scene(
    chance: random.Random, part: Part, count: int = 1, identity: Identity | None = None
) -> Scene:
    """A scene of ``count`` characters, every one with identity and staging of ``part``.

    ``identity`` is the first character's (it may be of another part). Characters never hide each other
    too much to be read (:data:`~unictk.sprites.render.MOST_HIDDEN`), and no two are told by the same words.
    """
    stagings, who = stagings_of(part), identities_of(part)
    while True:
        first = chance.choice(stagings)
        cast = [first.of(identity or chance.choice(who))]
        while len(cast) < count:
            other = chance.choice(stagings)
            cast.append(replace(other, setting=first.setting).of(chance.choice(who)))
        chance.shuffle(cast)
        scene = Scene(first.setting, tuple(cast))
        names = {(one.identity.colour, one.identity.shape) for one in cast}
        stands = {Staging(scene.setting, *_standing(one)) for one in cast}
        if (
            len(names) == count
            and all(part_of(s) == part for s in stands)
            and most_hidden(scene) <= MOST_HIDDEN
        ):
            return scene


def _standing(one: Character) -> tuple[str, str, str, str, str]:
    return one.accessory, one.item, one.column, one.row, one.size
