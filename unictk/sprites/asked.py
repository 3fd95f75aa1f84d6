"""What a prompt asks of a picture, as data: the grammar writes and parses it, the oracle scores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unictk.sprites.scenes import IDENTITY

ATTRIBUTES = (*IDENTITY, "accessory", "item", "column", "row", "size")
"""Attributes of a character a prompt can name, in the order in which points are counted."""

RELATIONS = ("left", "above", "bigger")
"""Relation names; ``("left", i, j)`` says that character i is left of character j."""

SETTING = -1
"""Stands for the setting in ``refused``."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a prompt names, and nothing it leaves open.

    ``characters`` are in the order of the text, each with its named attributes only. ``count`` is None
    when no number is said: then as many are asked for as are described. ``refused`` are
    (character or :data:`SETTING`, attribute, value): what must not be so.
    """

    setting: str | None = None
    characters: tuple[Mapping[str, str], ...] = ()
    relations: tuple[tuple[str, int, int], ...] = ()
    count: int | None = None
    refused: tuple[tuple[int, str, str], ...] = ()

    @property
    def number(self) -> int:
        """How many characters the picture should show."""
        return len(self.characters) if self.count is None else self.count

    def points(self) -> tuple[str, ...]:
        """The name of every single thing asked, in a fixed order.

        ``setting``; ``0.colour`` (character and attribute); ``left 0 1``; ``count``;
        ``not 0.accessory hat`` and ``not setting snow``.
        """
        found = ["setting"] if self.setting is not None else []
        for index, named in enumerate(self.characters):
            found += [f"{index}.{name}" for name in ATTRIBUTES if name in named]
        found += [f"{name} {one} {other}" for name, one, other in self.relations]
        found += ["count"] if self.count is not None else []
        for index, name, value in self.refused:
            found.append(f"not setting {value}" if index == SETTING else f"not {index}.{name} {value}")
        return tuple(found)
