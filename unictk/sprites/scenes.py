"""A scene as data: where it plays and who stands in it, in words that are also the grammar's words.

An identity is what stays the same in every picture of a character; accessory, place and size change.
There are 8 x 8 x 7 x 4 x 3 x 4 = 21,504 identities.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

SETTINGS = ("beach", "forest", "city", "space", "desert", "snow", "meadow", "sea")
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "drop", "flower")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
PATTERNS = ("plain", "striped", "dotted", "split")
EYES = ("round", "wide", "sleepy")
EARS = ("none", "round", "pointed", "long")
ACCESSORIES = ("none", "hat", "scarf", "balloon")
COLUMNS = ("left", "middle", "right")
ROWS = ("top", "middle", "bottom")
SIZES = ("small", "big")
MOST = 3
"""Characters in one scene."""


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What a character is: shape, body colour, second colour (feet, ears, pattern), pattern, eyes, ears."""

    shape: str
    colour: str
    second: str
    pattern: str
    eyes: str
    ears: str

    def __post_init__(self) -> None:
        for name, choices in IDENTITY.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(choices)}")
        if self.colour == self.second:
            raise ValueError(f"second: {self.second!r} is the body's colour; expected another one")


IDENTITY = {
    "shape": SHAPES,
    "colour": COLOURS,
    "second": COLOURS,
    "pattern": PATTERNS,
    "eyes": EYES,
    "ears": EARS,
}
"""The attributes of an identity and their values."""


@dataclass(frozen=True, slots=True)
class Character:
    """An identity somewhere: its accessory (``item`` is the accessory's colour), place and size."""

    identity: Identity
    accessory: str
    item: str
    column: str
    row: str
    size: str

    def __post_init__(self) -> None:
        for name, choices in (
            ("accessory", ACCESSORIES),
            ("column", COLUMNS),
            ("row", ROWS),
            ("size", SIZES),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(choices)}")
        if (self.item in COLOURS) == (self.accessory == "none"):
            raise ValueError(f"item: {self.item!r} does not fit accessory {self.accessory!r}")

    def attributes(self) -> dict[str, str]:
        """Every attribute by name, those of the identity first."""
        own = {name: getattr(self.identity, name) for name in IDENTITY}
        return own | {name: getattr(self, name) for name in ("accessory", "item", "column", "row", "size")}


@dataclass(frozen=True, slots=True)
class Scene:
    """A setting and one to three characters, painted in order: a later one stands before an earlier one."""

    setting: str
    characters: tuple[Character, ...]

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise ValueError(f"setting: {self.setting!r} is not one of {', '.join(SETTINGS)}")
        if not 1 <= len(self.characters) <= MOST:
            raise ValueError(f"characters: {len(self.characters)}; expected 1 to {MOST}")


def identities() -> Iterator[Identity]:
    """All 21,504 identities, in a fixed order."""
    for values in itertools.product(*IDENTITY.values()):
        if values[1] != values[2]:
            yield Identity(*values)


def left_of(one: Character, other: Character) -> bool:
    """Whether ``one`` stands in a column left of ``other``'s."""
    return COLUMNS.index(one.column) < COLUMNS.index(other.column)


def above(one: Character, other: Character) -> bool:
    """Whether ``one`` stands in a row above ``other``'s."""
    return ROWS.index(one.row) < ROWS.index(other.row)


def bigger(one: Character, other: Character) -> bool:
    """Whether ``one`` is big and ``other`` small."""
    return SIZES.index(one.size) > SIZES.index(other.size)
