"""Scenes that differ a little from another one: what judging, reflection and hard questions need."""

from __future__ import annotations

import random
from dataclasses import replace

from unictk.sprites.grammar.predicates import VALUES
from unictk.sprites.render import MOST_HIDDEN, most_hidden
from unictk.sprites.scenes import IDENTITY, SETTINGS, Character, Identity, Scene
from unictk.sprites.splits import Part, Staging, hard_negatives, part_of

CHANGES = ("setting", *IDENTITY, "accessory", "item", "column", "row", "size")
"""What can change."""


def variant(chance: random.Random, scene: Scene, part: Part, changes: int) -> Scene:
    """The scene with ``changes`` values changed at random, still of ``part`` and still readable."""
    while True:
        other = scene
        for name in chance.sample(CHANGES, changes):
            other = _changed(chance, other, name)
        if other != scene and fits_part(other, part) and most_hidden(other) <= MOST_HIDDEN:
            return other


def fits_part(scene: Scene, part: Part) -> bool:
    """Whether every identity and staging belongs to the part, and no two characters share their words."""
    names = {(one.identity.colour, one.identity.shape) for one in scene.characters}
    return len(names) == len(scene.characters) and all(
        part_of(one.identity) == part and part_of(_staging(scene, one)) == part for one in scene.characters
    )


def look_alike(chance: random.Random, identity: Identity) -> Identity:
    """An identity of the same part that differs in exactly one attribute.

    Raises:
        IndexError: the part has none.
    """
    return chance.choice(hard_negatives(identity))


def _staging(scene: Scene, one: Character) -> Staging:
    return Staging(scene.setting, one.accessory, one.item, one.column, one.row, one.size)


def _changed(chance: random.Random, scene: Scene, name: str) -> Scene:
    if name == "setting":
        return replace(scene, setting=chance.choice([s for s in SETTINGS if s != scene.setting]))
    cast = list(scene.characters)
    at = chance.randrange(len(cast))
    cast[at] = _moved(chance, cast[at], name)
    return replace(scene, characters=tuple(cast))


def _moved(chance: random.Random, one: Character, name: str) -> Character:
    """The character with another value; unchanged where there is none."""
    if name == "item" and one.accessory == "none":
        return one
    value = chance.choice([v for v in VALUES[name] if v != one.attributes()[name]])
    if name in IDENTITY:
        other = {"colour": one.identity.second, "second": one.identity.colour}.get(name)
        return one if value == other else replace(one, identity=_with(one.identity, name, value))
    if name == "accessory":
        item = (
            "none" if value == "none" else one.item if one.item != "none" else chance.choice(VALUES["item"])
        )
        return replace(one, accessory=value, item=item)
    return _placed(one, name, value)


def _with(identity: Identity, name: str, value: str) -> Identity:
    values = {key: getattr(identity, key) for key in IDENTITY} | {name: value}
    return Identity(*(values[key] for key in IDENTITY))


def _placed(one: Character, name: str, value: str) -> Character:
    if name == "item":
        return replace(one, item=value)
    if name == "column":
        return replace(one, column=value)
    return replace(one, row=value) if name == "row" else replace(one, size=value)
