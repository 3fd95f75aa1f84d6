"""Where drawn pictures go: a plain folder, or the tree that an official scorer reads.

The trees are those of the scorers' own repositories: TIIF-Bench, DPG-Bench (ELLA), WISE, GenEval, OneIG-Bench
and T2I-CompBench. A layout says which column of a prompt file it draws, how many pictures of each prompt
there are, and where each lies.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unictk.drawing.prompt_files import NAMES, PromptRow
from unictk.errors import DataError, not_a_choice


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file of ``count`` pictures, side by side and below each other where there are several."""

    path: str
    prompt: str
    number: int
    first: int
    count: int = 1


class Layout(ABC):
    """A tree of files; ``count`` is how many pictures of a prompt its scorer expects.

    ``listed``: a listing may lie among the pictures; scorers take every file of their tree for a picture.
    """

    count = 1
    listed = False
    columns: Sequence[str] = NAMES
    ending = "png"

    def __init__(self, model: str) -> None:
        self.model = model

    @abstractmethod
    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """Every file, in the order of the prompts."""

    def texts(self, rows: Sequence[PromptRow]) -> dict[str, str]:
        """Other files of the tree, by path: what the scorer reads beside the pictures."""
        return {}


class Plain(Layout):
    """``<prompt>-<picture>.png``, both counted from 0."""

    count = 4
    listed = True

    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """One picture a file."""
        return _singles(rows, count, lambda row, n: f"{row.number:04d}-{n:03d}.{self.ending}")


class Tiif(Layout):
    """``<type>/<model>/{short,long}_description/<n>.png``; n counts the rows of a type."""

    columns = ("short_description", "long_description")

    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """A short and a long picture per row."""
        seen: Counter[str] = Counter()
        found = []
        for row in rows:
            kind = _text(row, "type")
            for number, length in enumerate(self.columns):
                path = f"{_safe(kind)}/{self.model}/{length}/{seen[kind]}.{self.ending}"
                found.append(Sheet(path, _text(row, length), row.number, number))
            seen[kind] += 1
        return found


class Dpg(Layout):
    """``<item>.png``, four pictures in one file, top left, top right, bottom left, bottom right."""

    count = 4

    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """A grid per prompt."""
        return [
            Sheet(
                f"{_stem(_text(row, 'item_id', 'prompt_file_name'))}.{self.ending}",
                row.text,
                row.number,
                0,
                count,
            )
            for row in rows
        ]


class GenEval(Layout):
    """``<00000>/samples/<00000>.png``, and the prompt's ``metadata.jsonl`` beside ``samples``."""

    count = 4

    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """One picture a file."""
        return _singles(rows, count, lambda row, n: f"{row.number:05d}/samples/{n:05d}.{self.ending}")

    def texts(self, rows: Sequence[PromptRow]) -> dict[str, str]:
        """The rows as they are: the detector reads classes and counts from them."""
        for row in rows:
            _text(row, "tag")
        return {f"{row.number:05d}/metadata.jsonl": json.dumps(dict(row.row)) for row in rows}


class Wise(Layout):
    """``<prompt_id>.png``."""

    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """One picture per id."""
        return [
            Sheet(f"{_safe(_text(row, 'prompt_id'))}.{self.ending}", row.text, row.number, 0) for row in rows
        ]


ONEIG_CLASSES = {
    "Anime_Stylization": "anime",
    "Portrait": "human",
    "General_Object": "object",
    "Text_Rendering": "text",
    "Knowledge_Reasoning": "reasoning",
    "Multilingualism": "multilingualism",
}
"""OneIG's folder of each category."""


class OneIg(Layout):
    """``<class>/<model>/<id>.webp``, four pictures in one file."""

    count = 4
    ending = "webp"

    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """A grid per prompt."""
        found = []
        for row in rows:
            category = _text(row, "category")
            if category not in ONEIG_CLASSES:
                raise not_a_choice(f"category of row {row.number}", category, tuple(ONEIG_CLASSES))
            path = f"{ONEIG_CLASSES[category]}/{self.model}/{_safe(_text(row, 'id'))}.{self.ending}"
            found.append(Sheet(path, row.text, row.number, 0, count))
        return found


class CompBench(Layout):
    """``samples/<prompt>_<000000>.png``: scorers read the prompt from the name; ids go on over prompts."""

    count = 10

    def sheets(self, rows: Sequence[PromptRow], count: int) -> list[Sheet]:
        """One picture a file.

        Raises:
            DataError: a prompt that cannot be a file name of this layout.
        """
        for row in rows:
            if "/" in row.text or "_" in row.text or len(row.text.encode()) > 230:
                raise DataError(f"prompt of row {row.number}: {row.text!r} cannot be in a file name")
        ending = self.ending
        return _singles(
            rows, count, lambda row, n: f"samples/{row.text}_{row.number * count + n:06d}.{ending}"
        )


LAYOUTS: Mapping[str, type[Layout]] = {
    "plain": Plain,
    "tiif": Tiif,
    "dpg": Dpg,
    "geneval": GenEval,
    "wise": Wise,
    "oneig": OneIg,
    "compbench": CompBench,
}


def unique(sheets: Iterable[Sheet]) -> list[Sheet]:
    """The same list.

    Raises:
        DataError: two files have the same name.
    """
    found = list(sheets)
    (path, times), *_ = Counter(sheet.path for sheet in found).most_common(1) or [("", 0)]
    if times > 1:
        raise DataError(f"{path}: {times} prompts would be drawn into this file; expected ids of their own")
    return found


def _singles(rows: Sequence[PromptRow], count: int, path: Callable[[PromptRow, int], str]) -> list[Sheet]:
    """A file for each of ``count`` pictures of every prompt."""
    return [Sheet(path(row, n), row.text, row.number, n) for row in rows for n in range(count)]


def _text(row: PromptRow, *names: str) -> str:
    for name in names:
        value: Any = row.row.get(name)
        if isinstance(value, (str, int)) and str(value).strip():
            return str(value).strip()
    found = ", ".join(map(str, row.row))
    raise DataError(f"row {row.number} has {found}; this layout needs {' or '.join(names)}")


def _safe(name: str) -> str:
    """A name that stays in its folder."""
    if name in (".", "..") or any(mark in name for mark in "/\\\0"):
        raise DataError(f"{name!r}: not a file name")
    return name


def _stem(name: str) -> str:
    return _safe(name.removesuffix(".txt"))
