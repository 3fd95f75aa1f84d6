"""Prompts that ask for a picture, and captions that describe one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from unictk.sprites.asked import SETTING, Asked
from unictk.sprites.grammar.phrases import (
    NUMBERS,
    PLACES,
    STYLES,
    Phrases,
    Phrasing,
    Style,
    describe,
    listed,
    sentence,
)
from unictk.sprites.scenes import (
    ACCESSORIES,
    COLOURS,
    COLUMNS,
    PATTERNS,
    ROWS,
    SETTINGS,
    Character,
    Scene,
    above,
    bigger,
    left_of,
)

Detail = Literal["short", "medium", "dense", "relation", "count", "negation"]

PLACED = Phrases(
    training=("{c} {p}.", "{p}: {c}.", "A photo of {c} {p}.", "Draw {c} {p}.", "There {is} {c} {p}."),
    evaluation=("{p} there {is} {c}.", "Draw a photo of {c} {p}."),
)
"""A prompt's frame: ``{c}`` is who, ``{p}`` where."""

UNPLACED = Phrases(
    training=("{c}.", "A photo of {c}.", "Draw {c}.", "There {is} {c}."),
    evaluation=("Draw a photo of {c}.",),
)
"""Frames of prompts that leave the setting open."""

RELATED: dict[Phrasing, tuple[str, ...]] = {
    "training": ("phrase", "sentence", "converse"),
    "evaluation": ("comma",),
}
"""How a relation is said; see :func:`_related`."""

BETWEEN = {
    "left": ("left of", "right of"),
    "above": ("above", "below"),
    "bigger": ("bigger than", "smaller than"),
}
"""Words of a relation, and of its converse."""

REFUSABLE = {"accessory": ACCESSORIES[1:], "pattern": PATTERNS, "colour": COLOURS}
"""Attributes of a character a prompt can refuse, and their values."""

HOLDS = {"left": left_of, "above": above, "bigger": bigger}
"""The truth of each relation between two characters."""


def prompt(chance: random.Random, scene: Scene, detail: Detail, phrasing: Phrasing) -> tuple[str, Asked]:
    """A prompt that ``scene`` fulfils, and what it asks.

    ``short`` names setting, colour and shape; ``medium`` some attributes; ``dense`` all; ``relation`` what
    holds between two characters (the scene needs two); ``count`` how many; ``negation`` what is not so.
    """
    asked = choose(chance, scene, detail)
    return say(chance, asked, phrasing), asked


def choose(chance: random.Random, scene: Scene, detail: Detail) -> Asked:
    """What a prompt of this detail asks of the scene, the characters in random order."""
    cast = list(scene.characters)
    chance.shuffle(cast)
    if detail == "dense":
        return Asked(scene.setting, tuple(named(one) for one in cast))
    short = tuple(named(one, ("shape", "colour")) for one in cast)
    where = scene.setting if chance.random() < 0.75 else None
    if detail == "short":
        return Asked(scene.setting, short)
    if detail == "count":
        return Asked(where, short if chance.random() < 0.5 else (), count=len(cast))
    if detail == "relation":
        if not (true := relations(cast)):
            raise ValueError(
                "relation: none holds in the scene; expected two characters that differ in place or size"
            )
        return Asked(where, short, relations=(chance.choice(true),))
    if detail == "negation":
        return negated(chance, scene, cast, chance.choice(("setting", "accessory", "pattern", "colour")))
    return Asked(where, tuple(some(chance, one) for one in cast))


def named(character: Character, names: Sequence[str] | None = None) -> dict[str, str]:
    """The character's attributes (all, or those of ``names``), without an item it does not have."""
    every = character.attributes()
    kept = every if names is None else {name: every[name] for name in every if name in names}
    return {name: value for name, value in kept.items() if (name, value) != ("item", "none")}


def some(chance: random.Random, character: Character, least: int = 1) -> dict[str, str]:
    """Shape or colour or both, and ``least`` to five groups of other attributes."""
    groups = [
        ("pattern",),
        ("second",),
        ("eyes",),
        ("ears",),
        ("accessory", "item"),
        ("column", "row"),
        ("size",),
    ]
    groups += [("pattern", "second"), ("accessory",), ("column",), ("row",)]
    kept = list(chance.choice([("shape", "colour"), ("shape", "colour"), ("shape",), ("colour",)]))
    for group in chance.sample(groups, chance.randint(least, 5)):
        kept += group
    return named(character, kept)


def relations(cast: Sequence[Character]) -> list[tuple[str, int, int]]:
    """Every relation that holds between two of the characters."""
    pairs = [(one, other) for one in range(len(cast)) for other in range(len(cast)) if one != other]
    return [(name, *pair) for name in HOLDS for pair in pairs if HOLDS[name](cast[pair[0]], cast[pair[1]])]


def negated(chance: random.Random, scene: Scene, cast: Sequence[Character], about: str) -> Asked:
    """Short, with one value that must not be: of the setting or of an attribute in :data:`REFUSABLE`."""
    if about == "setting":
        other = chance.choice([name for name in SETTINGS if name != scene.setting])
        short = tuple(named(one, ("shape", "colour")) for one in cast)
        return Asked(None, short, refused=((SETTING, "setting", other),))
    index = chance.randrange(len(cast))
    value = chance.choice([one for one in REFUSABLE[about] if one != cast[index].attributes()[about]])
    kept = [
        named(one, ("shape",) if (about, at) == ("colour", index) else ("shape", "colour"))
        for at, one in enumerate(cast)
    ]
    return Asked(scene.setting, tuple(kept), refused=((index, about, value),))


def say(chance: random.Random, asked: Asked, phrasing: Phrasing, names: Sequence[str] = ()) -> str:
    """The prompt that asks this; ``names`` (such as ``<bo>``) stand for what the first characters are."""
    style = chance.choice(STYLES[phrasing])
    if asked.relations:
        return _related(chance, asked, phrasing, style)
    many = asked.count or 0
    parts = [_number(many)] if many else []
    parts += [join(_described(asked, style, names))] if asked.characters else []
    return framed(chance, ", ".join(parts), where(asked), phrasing, plural=many > 1)


def framed(chance: random.Random, cast: str, place: str, phrasing: Phrasing, plural: bool = False) -> str:
    """The phrase in one of the frames, as a sentence."""
    frame = (PLACED if place else UNPLACED).pick(chance, phrasing)
    if "," in cast:
        frame = frame.replace("{c} {p}", "{c}, {p}")
    return sentence(frame.format(c=cast, p=place, **{"is": "are" if plural else "is"}))


def where(asked: Asked) -> str:
    """``in the snow``, ``not in the snow`` or nothing."""
    if asked.setting is not None:
        return PLACES[asked.setting]
    return " ".join(f"not {PLACES[value]}" for index, _, value in asked.refused if index == SETTING)


def join(parts: Sequence[str]) -> str:
    """The descriptions in one phrase, parted by semicolons where they have commas of their own."""
    return "; ".join(parts) if len(parts) > 1 and any("," in part for part in parts) else listed(parts)


def _number(count: int) -> str:
    return f"{NUMBERS[count]} character{'s' if count > 1 else ''}"


def _described(asked: Asked, style: Style, names: Sequence[str] = ()) -> list[str]:
    said = []
    for index, character in enumerate(asked.characters):
        refused = [(name, value) for at, name, value in asked.refused if at == index]
        said.append(describe(character, style, refused, names[index] if index < len(names) else ""))
    return said


def _related(chance: random.Random, asked: Asked, phrasing: Phrasing, style: Style) -> str:
    """The relation in words.

    * ``phrase`` (two characters only): a red star left of a blue drop in the forest.
    * ``sentence``: a red star and a blue drop in the forest. The red star is left of the blue drop.
    * ``converse``: the same with: The blue drop is right of the red star.
    * ``comma``: a red star and a blue drop, the red star left of the blue drop, in the forest.
    """
    said = _described(asked, style)
    ((name, one, other),) = asked.relations
    word, converse = BETWEEN[name]
    short = [f"the {who['colour']} {who['shape']}" for who in asked.characters]
    how = chance.choice([way for way in RELATED[phrasing] if way != "phrase" or len(said) == 2])
    if how == "phrase":
        cast = f"{said[0]} {word if one == 0 else converse} {said[1]}"
        return framed(chance, cast, where(asked), phrasing)
    if how == "comma":
        return framed(chance, f"{join(said)}, {short[one]} {word} {short[other]}", where(asked), phrasing)
    claim = (short[one], word, short[other]) if how == "sentence" else (short[other], converse, short[one])
    return f"{framed(chance, join(said), where(asked), phrasing)} {sentence('{} is {} {}.'.format(*claim))}"


def canonical(scene: Scene) -> str:
    """The complete caption in its one form; characters from top to bottom, then from left to right.

    ``In the forest: a small red star with blue stripes, long ears and wide eyes, wearing a green hat, at
    the top left.``
    """
    said = join([describe(named(one), "wearing") for one in sorted(scene.characters, key=_reading_order)])
    return sentence(f"{PLACES[scene.setting]}: {said}.")


def _reading_order(one: Character) -> tuple[int, int, str, str]:
    return ROWS.index(one.row), COLUMNS.index(one.column), one.identity.shape, one.identity.colour
