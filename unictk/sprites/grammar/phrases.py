"""Words for attributes, and how a character is named or described by them.

Evaluation phrasings are never trained on, but use no word that training does not use.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from unictk.sprites.scenes import SETTINGS, Character

Phrasing = Literal["training", "evaluation"]

NUMBERS = ("none", "one", "two", "three")
"""Number words by number."""

PLACES = {name: f"in the {name}" for name in SETTINGS} | {"beach": "at the beach", "space": "in space"}
"""Where a scene plays, as a phrase."""

MARKS = {"striped": "{} stripes", "dotted": "{} dots", "split": "a {} half", "plain": "{} feet"}
"""How a pattern and the second colour are said in one phrase; a plain character shows it in its feet."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Paraphrases of one thing: at least three to train with, others to evaluate with."""

    training: tuple[str, ...]
    evaluation: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.training) < 3 or not self.evaluation:
            raise ValueError(f"{self.training}: expected at least three for training and one for evaluation")
        if common := set(self.training) & set(self.evaluation):
            raise ValueError(f"{common}: both for training and for evaluation")

    def of(self, phrasing: Phrasing) -> tuple[str, ...]:
        """The paraphrases of one side."""
        return self.training if phrasing == "training" else self.evaluation

    def pick(self, chance: random.Random, phrasing: Phrasing) -> str:
        """One of them."""
        return chance.choice(self.of(phrasing))


Style = Literal["with", "wearing", "that", "dressed", "placed", "which"]
STYLES: dict[Phrasing, tuple[Style, ...]] = {
    "training": ("with", "wearing", "that", "dressed", "placed"),
    "evaluation": ("which",),
}
"""Ways to attach a description to its noun; see :func:`describe`."""


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def article(words: str) -> str:
    """The words with ``a`` or ``an``."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def listed(parts: Sequence[str]) -> str:
    """``x``, ``x and y``, ``x, y and z``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def name_of(character: Character) -> str:
    """``the red star``: unique in any scene :func:`~unictk.sprites.splits.random_scene` makes."""
    return f"the {character.identity.colour} {character.identity.shape}"


def position(column: str, row: str) -> str:
    """``top left``, ``top middle``, ..., ``middle``."""
    return "middle" if column == row else f"{row} {column}"


def head(named: Mapping[str, str]) -> str:
    """The noun with its adjectives: ``a small plain red star``; no pattern where stripes or dots tell it."""
    words = [named[key] for key in ("size",) if key in named]
    if "pattern" in named and ("second" not in named or named["pattern"] == "plain"):
        words.append(named["pattern"])
    words += [named["colour"]] if "colour" in named else []
    return article(" ".join([*words, named.get("shape", "character")]))


def features(named: Mapping[str, str]) -> list[str]:
    """What it has: ``blue stripes``, ``long ears``, ``wide eyes``."""
    found = []
    if "second" in named:
        found.append(MARKS[named.get("pattern", "plain")].format(named["second"]))
    if "ears" in named:
        found.append("no ears" if named["ears"] == "none" else f"{named['ears']} ears")
    if "eyes" in named:
        found.append(f"{named['eyes']} eyes")
    return [feature.replace("a orange", "an orange") for feature in found]


def worn(named: Mapping[str, str]) -> str:
    """``a green hat``, ``a hat`` or ``nothing``; empty when not named."""
    accessory = named.get("accessory", "")
    if accessory in ("", "none"):
        return "nothing" if accessory else ""
    return article(f"{named['item']} {accessory}" if "item" in named else accessory)


def place_of(named: Mapping[str, str]) -> str:
    """``at the top left``, ``in the left column``, ``in the top row``; empty when not named."""
    column, row = named.get("column"), named.get("row")
    if column and row:
        return f"at the {position(column, row)}"
    if column:
        return f"in the {column} column"
    return f"in the {row} row" if row else ""


def describe(
    named: Mapping[str, str],
    style: Style,
    refused: Sequence[tuple[str, str]] = (),
    who: str = "",
) -> str:
    """The named attributes as one noun phrase, ``refused`` ones (attribute, value) negated.

    * ``with``: a red star with blue stripes, wide eyes and a green hat at the top left
    * ``wearing``: a red star with blue stripes and wide eyes, wearing a green hat, at the top left
    * ``that``: a red star that has blue stripes and wide eyes, wears a green hat and stands at the top left
    * ``dressed``: a red star that wears a hat, stands at the top left and has wide eyes and blue stripes
    * ``placed``: a red star at the top left, wearing a green hat, with wide eyes and blue stripes
    * ``which``: a red star which stands at the top left, wears a green hat and has wide eyes and blue stripes

    ``who`` (a name such as ``<bo>``) replaces the noun and its adjectives but the size.
    """
    noun = who or head(named)
    if who and "size" in named:
        noun = f"{article(named['size'])} {who}"
    has = features(named) + [f"no {value}" for name, value in refused if name == "accessory"]
    nots = [f"not {value}" for name, value in refused if name != "accessory"]
    item, place = worn(named), place_of(named)
    hold = named.get("accessory") == "balloon"
    if style in ("that", "dressed", "which"):
        ordered = {"that": has, "dressed": has[1:] + has[:1], "which": has[::-1]}[style]
        looks = [*(f"is {no}" for no in nots), *([f"has {listed(ordered)}"] if has else [])]
        stands = [f"{'holds' if hold else 'wears'} {item}"] if item else []
        stands += [f"stands {place}"] if place else []
        verbs = {"that": looks + stands, "dressed": stands + looks, "which": (looks + stands)[::-1]}[style]
        return f"{noun} {'which' if style == 'which' else 'that'} {listed(verbs)}" if verbs else noun
    if style == "placed":
        parts = [f"{noun} {place}" if place else noun]
        parts += [f"{'holding' if hold else 'wearing'} {item}"] if item else []
        parts += [f"with {listed(has[::-1])}"] if has else []
        return ", ".join([*parts, *nots])
    if style == "with" and item not in ("", "nothing"):
        has, item = [*has, item], ""
    parts = [f"{noun} with {listed(has)}" if has else noun]
    parts += [f"{'holding' if hold else 'wearing'} {item}"] if item else []
    parts += [place] if place else []
    parts += nots
    return (" " if style == "with" and len(parts) == 2 else ", ").join(parts)
