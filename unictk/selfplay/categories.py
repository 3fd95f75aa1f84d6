"""Kinds of prompts as data: what the proposer is told to write and what the judge is told to look at.

A set of categories is a YAML file: a list of ``name``, ``rule``, ``subcategories`` (names, by turns; a
mapping counts as its keys) and ``criteria`` (most important first). UniCorn's ten (table 7) and those of the
sprites world come with the package; a file of one's own has the same form.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unictk.errors import DataError, not_a_choice

FILES: Mapping[str, Path] = {
    "paper": Path(__file__).with_name("paper_categories.yaml"),
    "sprites": Path(__file__).parents[1] / "sprites" / "grammar" / "categories.yaml",
}
"""The sets that come with the package."""

KEYS = ("name", "rule", "subcategories", "criteria")
WORLD_KEYS = ("characters",)
"""What the sprites world's set says beside: read by its grammar, not here."""


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of prompt: the proposer's ``rule``, and the judge's ``criteria``, most important first."""

    name: str
    rule: str
    subcategories: tuple[str, ...]
    criteria: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The name as a part of keys and file names."""
        return slug_of(self.name)

    def knows(self, subcategory: str) -> bool:
        """Whether the subcategory is one of this category's; without any, every one is."""
        return not self.subcategories or folded(subcategory) in map(folded, self.subcategories)


@dataclass(frozen=True)
class CategorySet:
    """Categories in their order; ``set[name]`` is one of them."""

    name: str
    categories: tuple[Category, ...]

    def __iter__(self) -> Iterator[Category]:
        return iter(self.categories)

    def __len__(self) -> int:
        return len(self.categories)

    def __getitem__(self, name: str) -> Category:
        for one in self.categories:
            if one.name == name:
                return one
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names, in order."""
        return tuple(one.name for one in self.categories)

    def only(self, names: Collection[str] | None, key: str = "selfplay.only") -> CategorySet:
        """The set without the others; None: all of it.

        Raises:
            UserError: a name is not in the set.
        """
        if names is None:
            return self
        for name in names:
            if name not in self.names:
                raise not_a_choice(key, name, self.names, f"the categories of {self.name}")
        return CategorySet(self.name, tuple(one for one in self.categories if one.name in names))

    def shares(self, count: int) -> dict[str, int]:
        """``count`` divided evenly, by name; what is left over goes to the first ones."""
        return even(count, self.names)


def even(count: int, names: Sequence[str]) -> dict[str, int]:
    """``count`` divided evenly over the names; what is left over goes to the first ones."""
    each, over = divmod(count, len(names))
    return {name: each + (place < over) for place, name in enumerate(names)}


def slug_of(name: str) -> str:
    """The name as a part of keys and file names: ``Object Relations`` is ``object-relations``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def folded(name: str) -> str:
    """The name as models repeat it: without case, spaces, hyphens and underscores."""
    return re.sub(r"[\s_\-]+", "", name.casefold())


def load_categories(which: str) -> CategorySet:
    """A set of the package by its name, else a YAML file by its path.

    Raises:
        UserError: it is neither.
        DataError: the file is not a list of categories, or two of them have one name.
    """
    if which in FILES:
        return read_categories(FILES[which], which, WORLD_KEYS if which == "sprites" else ())
    path = Path(which)
    if not path.is_file():
        raise not_a_choice("selfplay.categories", which, tuple(FILES), "or the path of a YAML file")
    return read_categories(path, path.stem)


def read_categories(path: Path, name: str, ignored: Collection[str] = ()) -> CategorySet:
    """The categories of a file; keys in ``ignored`` are for somebody else.

    Raises:
        DataError: see :func:`load_categories`.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: cannot be read as YAML ({reason}); expected a list of categories"
        ) from error
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: expected a list of categories with {', '.join(KEYS)}")
    found = tuple(_category(path, number, entry, ignored) for number, entry in enumerate(entries))
    slugs = [one.slug for one in found]
    for one in found:
        if slugs.count(one.slug) > 1:
            raise DataError(
                f"{path}: {slugs.count(one.slug)} categories are called {one.name!r}; expected one"
            )
    return CategorySet(name, found)


def _category(path: Path, number: int, entry: Any, ignored: Collection[str]) -> Category:
    if not isinstance(entry, dict):
        raise DataError(f"{path}: entry {number} is {entry!r}; expected a mapping with {', '.join(KEYS)}")
    where = f"{path}: entry {number}"
    for key in entry:
        if key not in KEYS and key not in ignored:
            raise not_a_choice(f"{where}, key", key, KEYS)
    inner = entry.get("subcategories") or ()
    return Category(
        name=_text(where, entry, "name"),
        rule=_text(where, entry, "rule"),
        subcategories=_texts(where, "subcategories", list(inner) if isinstance(inner, dict) else inner),
        criteria=_texts(where, "criteria", entry.get("criteria"), least=1),
    )


def _text(where: str, entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not slug_of(value):
        raise DataError(f"{where}: {key} is {value!r}; expected text")
    return " ".join(value.split())


def _texts(where: str, key: str, values: Any, least: int = 0) -> tuple[str, ...]:
    several = isinstance(values, (list, tuple)) and len(values) >= least
    if not several or not all(isinstance(one, str) and one.strip() for one in values):
        raise DataError(f"{where}: {key} is {values!r}; expected {'at least one text' if least else 'texts'}")
    if len(set(map(folded, values))) < len(values):
        raise DataError(f"{where}: {key} has one text twice; expected each once")
    return tuple(" ".join(one.split()) for one in values)
