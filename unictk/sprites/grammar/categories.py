"""The categories of the sprites world's prompts, as data, and which prompts belong to them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from unictk.sprites.asked import Asked
from unictk.sprites.grammar.descriptions import named, negated, relations, some
from unictk.sprites.grammar.parse import parse
from unictk.sprites.scenes import Scene

FILE = Path(__file__).with_name("categories.yaml")


@dataclass(frozen=True, slots=True)
class Subcategory:
    """What its prompts name; see ``categories.yaml``."""

    name: str
    needs: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    every: tuple[str, ...] = ()
    relation: str = ""
    count: int = 0
    refused: str = ""

    def holds(self, asked: Asked) -> bool:
        """Whether a prompt that asks this belongs here."""
        return (
            (not (self.needs or self.values) or any(self._told(who) for who in asked.characters))
            and all(name in who for name in self.every for who in asked.characters)
            and (not self.relation or any(name == self.relation for name, *_ in asked.relations))
            and (not self.count or asked.count == self.count)
            and (not self.refused or any(name == self.refused for _, name, _ in asked.refused))
        )

    def _told(self, who: Mapping[str, str]) -> bool:
        return all(name in who for name in self.needs) and self.values.items() <= who.items()


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of prompt, with the rule the proposer is told."""

    name: str
    rule: str
    characters: tuple[int, ...]
    subcategories: tuple[Subcategory, ...]

    def holds(self, asked: Asked) -> bool:
        """Whether a prompt that asks this belongs here."""
        return asked.number in self.characters and any(one.holds(asked) for one in self.subcategories)


@cache
def categories() -> dict[str, Category]:
    """All ten, by name."""
    found = {}
    for entry in yaml.safe_load(FILE.read_text(encoding="utf-8")):
        inner = tuple(_subcategory(name, what) for name, what in entry["subcategories"].items())
        found[entry["name"]] = Category(entry["name"], entry["rule"], tuple(entry["characters"]), inner)
    return found


def _subcategory(name: str, what: dict[str, Any]) -> Subcategory:
    return Subcategory(name, **(what | {key: tuple(what[key]) for key in ("needs", "every") if key in what}))


def fits(category: str, prompt_text: str) -> bool:
    """Whether the text is a prompt of the grammar and belongs to the category."""
    asked = parse(prompt_text)
    return asked is not None and categories()[category].holds(asked)


def choose(chance: random.Random, scene: Scene, category: str) -> tuple[str, Asked]:
    """A subcategory the scene can serve, and what a prompt of it asks of the scene.

    Raises:
        ValueError: the scene has a number of characters that the category does not allow.
    """
    kind = categories()[category]
    if len(scene.characters) not in kind.characters:
        raise ValueError(f"{category}: {len(scene.characters)} characters; expected {kind.characters}")
    choices = list(kind.subcategories)
    chance.shuffle(choices)
    for one in choices:
        asked = _asked(chance, scene, one)
        if asked and one.holds(asked):
            return one.name, asked
    raise ValueError(f"{category}: no subcategory suits {scene}")


def _asked(chance: random.Random, scene: Scene, kind: Subcategory) -> Asked | None:
    cast = list(scene.characters)
    chance.shuffle(cast)
    setting = scene.setting if chance.random() < 0.75 else None
    if kind.refused:
        return negated(chance, scene, cast, kind.refused)
    told = {"shape", "colour", *kind.needs, *kind.values, *kind.every}
    if "accessory" in told and chance.random() < 0.5:
        told.add("item")
    if kind.relation:
        claims = [claim for claim in relations(cast) if claim[0] == kind.relation]
        who = tuple(named(one, tuple(told)) for one in cast)
        return Asked(setting, who, relations=(chance.choice(claims),)) if claims else None
    if kind.count:
        listed = chance.random() < 0.5
        return Asked(
            setting, tuple(named(one, tuple(told)) for one in cast) if listed else (), count=len(cast)
        )
    extra = [some(chance, one, least=0) if chance.random() < 0.5 else {} for one in cast]
    return Asked(setting, tuple(named(one, (*told, *more)) for one, more in zip(cast, extra, strict=True)))
