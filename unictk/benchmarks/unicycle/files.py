"""Question files: one or a folder of them, prompts inside or in parallel files as TIIF has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unictk.benchmarks.unicycle.questions import Cycle
from unictk.benchmarks.unicycle.rows import Length, RowError, read_row, shown
from unictk.errors import DataError

ENDINGS = (".jsonl", ".json")
QUESTIONS, PROMPTS = "benchmark.questions", "benchmark.prompts"


def read_cycles(questions: Path, prompts: Path | None = None, length: Length = "short") -> list[Cycle]:
    """The prompts of a file, or of all files of a folder, with their questions, in order.

    ``prompts`` is parallel to ``questions``: as many rows in the same order, and a folder has files of the
    same names. What both have must be equal.

    Raises:
        DataError: a file is missing or damaged, a row cannot be read, or two rows share an id.
    """
    found = []
    for file in _files(QUESTIONS, questions):
        rows = read_rows(QUESTIONS, file)
        if prompts is not None:
            rows = _joined(file, rows, prompts / file.name if prompts.is_dir() else prompts)
        found += [_cycle(file, number, row, length) for number, row in enumerate(rows)]
    if not found:
        raise DataError(f"{QUESTIONS}: {str(questions)!r} has no questions")
    seen: set[str] = set()
    for one in found:
        if one.prompt_id in seen:
            raise DataError(f"{QUESTIONS}: {str(questions)!r} has two prompts {one.prompt_id!r}")
        seen.add(one.prompt_id)
    return found


def spread(cycles: Sequence[Cycle], limit: int | None) -> list[Cycle]:
    """At most ``limit`` of them, spread evenly: files are sorted by category."""
    if limit is None or limit >= len(cycles):
        return list(cycles)
    return [cycles[number * len(cycles) // limit] for number in range(limit)]


def read_rows(key: str, file: Path) -> list[Mapping[str, Any]]:
    """The objects of a file: a line each, or a JSON list. ``key`` is what an error names.

    Raises:
        DataError: it is missing or damaged.
    """
    if file.suffix not in ENDINGS:
        raise DataError(f"{key}: {str(file)!r} is no file of a known kind; expected {' or '.join(ENDINGS)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{key}: {str(file)!r} cannot be read ({error})") from error
    return list(_rows(key, file, text))


def _rows(key: str, file: Path, text: str) -> Iterator[Mapping[str, Any]]:
    lines = [(1, text)] if file.suffix == ".json" else list(enumerate(text.split("\n"), 1))
    for number, line in lines:
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{key}: {str(file)!r} line {number} is not JSON ({error})") from error
        whole = file.suffix == ".json"
        if whole and not isinstance(content, list):
            raise DataError(f"{key}: {str(file)!r} holds no list; expected a list of objects")
        for row in content if whole else [content]:
            if not isinstance(row, dict):
                raise DataError(f"{key}: {str(file)!r} holds {shown(row)}; expected objects")
            yield row


def _files(key: str, path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in ENDINGS)
    if not found:
        raise DataError(f"{key}: {str(path)!r} has no {' or '.join(ENDINGS)} files")
    return found


def _joined(file: Path, questions: Sequence[Mapping[str, Any]], prompts: Path) -> list[Mapping[str, Any]]:
    """Rows of questions with the prompts that stand at the same place."""
    found = read_rows(PROMPTS, prompts)
    if len(found) != len(questions):
        raise DataError(
            f"{PROMPTS}: {str(prompts)!r} has {len(found)} rows, {str(file)!r} has {len(questions)}; "
            "expected the same rows in the same order"
        )
    for number, (one, other) in enumerate(zip(questions, found, strict=True)):
        for name in one.keys() & other.keys():
            if one[name] != other[name]:
                raise DataError(
                    f"{PROMPTS}: {str(prompts)!r} row {number} has {name} {shown(other[name])}, "
                    f"{str(file)!r} has {shown(one[name])}; expected the same rows in the same order"
                )
    return [{**other, **one} for one, other in zip(questions, found, strict=True)]


def _cycle(file: Path, number: int, row: Mapping[str, Any], length: Length) -> Cycle:
    try:
        return read_row(row, f"{file.stem}-{number:04d}", length)
    except RowError as error:
        raise DataError(f"{QUESTIONS}: {str(file)!r} row {number} {error}") from error
