"""Prompts from a file: a line each (txt), a row each (csv), an object each (jsonl, or a JSON list)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unictk.errors import DataError, not_a_choice

ENDINGS = (".txt", ".csv", ".jsonl", ".json")
NAMES = ("prompt", "Prompt", "prompt_en", "prompt_cn", "text", "caption")
"""Columns that hold the prompt, the first that a row has."""


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A prompt and the row it comes from; ``number`` counts from 0."""

    number: int
    text: str
    row: Mapping[str, Any] = field(default_factory=dict)


def read_prompts(path: Path, columns: Sequence[str] = NAMES) -> list[PromptRow]:
    """The file's prompts in order; empty lines of a txt file are left out.

    Raises:
        UserError: the file's ending is none of :data:`ENDINGS`.
        DataError: it is missing or damaged, has no prompts, or a row has none of ``columns``.
    """
    if path.suffix not in ENDINGS:
        raise not_a_choice("task.prompts", path.name, ENDINGS)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"task.prompts: {str(path)!r} cannot be read ({error})") from error
    rows = list(_rows(path, text))
    if not rows:
        raise DataError(f"task.prompts: {str(path)!r} has no prompts")
    return [PromptRow(number, _prompt(path, number, row, columns), row) for number, row in enumerate(rows)]


def _rows(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".txt":
        yield from ({"prompt": line.strip()} for line in text.splitlines() if line.strip())
    elif path.suffix == ".csv":
        yield from csv.DictReader(text.splitlines())
    elif path.suffix == ".json":
        content = _json(path, 1, text)
        if not isinstance(content, list):
            raise DataError(f"task.prompts: {str(path)!r} holds no list; expected a list of objects")
        yield from (_object(path, number, row) for number, row in enumerate(content))
    else:
        for number, line in enumerate(text.splitlines()):
            if line.strip():
                yield _object(path, number, _json(path, number + 1, line))


def _json(path: Path, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"task.prompts: {str(path)!r} line {line} is not JSON ({error})") from error


def _object(path: Path, number: int, row: Any) -> Mapping[str, Any]:
    if isinstance(row, str):
        return {"prompt": row}
    if not isinstance(row, dict):
        raise DataError(f"task.prompts: {str(path)!r} row {number} is {row!r}; expected an object")
    return row


def _prompt(path: Path, number: int, row: Mapping[str, Any], columns: Sequence[str]) -> str:
    for name in columns:
        if isinstance(row.get(name), str) and row[name].strip():
            return row[name].strip()
    found, expected = ", ".join(map(str, row)), ", ".join(columns)
    raise DataError(f"task.prompts: {str(path)!r} row {number} has {found}; expected one of {expected}")
