"""One attribute of one character as a clause: asked, stated, and true or false of a scene."""

from __future__ import annotations

from unictk.sprites.grammar.phrases import article, position
from unictk.sprites.scenes import (
    ACCESSORIES,
    COLOURS,
    COLUMNS,
    EARS,
    EYES,
    PATTERNS,
    ROWS,
    SETTINGS,
    SHAPES,
    SIZES,
    Character,
    Scene,
)

POSITIONS = tuple(position(column, row) for row in ROWS for column in COLUMNS)

VALUES = {
    "setting": SETTINGS,
    "shape": SHAPES,
    "colour": COLOURS,
    "second": COLOURS,
    "pattern": PATTERNS,
    "eyes": EYES,
    "ears": EARS,
    "accessory": ACCESSORIES,
    "item": COLOURS,
    "position": POSITIONS,
    "column": COLUMNS,
    "row": ROWS,
    "size": SIZES,
}
"""What a question can be about, with the possible answers; ``position`` is column and row in one."""


def value_of(scene: Scene, character: Character, about: str) -> str:
    """The true value."""
    if about == "setting":
        return scene.setting
    if about == "position":
        return position(character.column, character.row)
    return character.attributes()[about]


def answer_of(about: str, value: str) -> str:
    """The value as an answer: itself, but nothing is worn where the accessory is ``none``."""
    return "nothing" if (about, value) == ("accessory", "none") else value


def label(about: str) -> str:
    """What an attribute is called before a colon."""
    return "feet" if about == "second" else about


def applies(character: Character, about: str) -> bool:
    """Whether it makes sense to ask: only a worn item has a colour."""
    return about != "item" or character.accessory != "none"


def stated(about: str, value: str, who: str, item: str = "") -> str:
    """``the star is red``; ``item`` is the accessory whose colour it is about."""
    if about == "setting":
        return f"this is {_setting(value)}"
    verb, rest = clause(about, value)
    return f"{_subject(about, who, item)} {verb} {rest}"


def asked(about: str, value: str, who: str, item: str = "") -> str:
    """``is the star red``, a question without its mark."""
    if about == "setting":
        return f"is this {_setting(value)}"
    verb, rest = clause(about, value)
    if verb in ("is", "are"):
        return f"{verb} {_subject(about, who, item)} {rest}"
    return f"does {who} {PLURAL[verb]} {rest}"


def of_many(about: str, value: str) -> str:
    """What follows ``characters``: ``are red``, ``have wide eyes``, ``wear a hat``."""
    verb, rest = clause(about, value)
    return f"{PLURAL[verb]} {value}s" if about == "shape" else f"{PLURAL[verb]} {rest}"


PLURAL = {"is": "are", "are": "are", "has": "have", "wears": "wear", "holds": "hold"}
"""Verbs of one and of many."""


def clause(about: str, value: str) -> tuple[str, str]:
    """The verb and what follows it, for one character (``item`` and ``second``: for what has the colour)."""
    if about == "shape":
        return "is", article(value)
    if about in ("eyes", "ears"):
        return "has", f"{'no' if value == 'none' else value} {about}"
    if about == "accessory":
        verb = "holds" if value == "balloon" else "wears"
        return verb, "nothing" if value == "none" else article(value)
    if about == "position":
        return "is", f"at the {value}"
    if about in ("column", "row"):
        return "is", f"in the {value} {about}"
    return "are" if about == "second" else "is", value


def _subject(about: str, who: str, item: str) -> str:
    return {"second": f"the feet of {who}", "item": f"the {item} of {who}"}.get(about, who)


def _setting(value: str) -> str:
    return value if value == "space" else f"the {value}"
