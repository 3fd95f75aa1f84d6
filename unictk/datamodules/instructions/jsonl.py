"""Records from a file of one JSON object a line; pictures are files that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unictk.datamodules.instructions.records import Raw, named_pictures
from unictk.datamodules.schemas import shown
from unictk.errors import DataError


def entries(path: Path) -> Iterator[tuple[int, int, Raw | DataError]]:
    """(offset, bytes, record) of each line that is not blank; in place of a record, why it is none.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = 0
            for line in file:
                if line.strip():
                    yield start, len(line), _tried(line)
                start += len(line)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from error


def read(path: Path, start: int, length: int, pictures: bool) -> Raw:
    """The record at an offset; its pictures are names, ``pictures`` or not.

    Raises:
        DataError: the line is no JSON object: the file has changed.
    """
    with path.open("rb") as file:
        file.seek(start)
        return _parsed(file.read(length))


def _tried(line: bytes) -> Raw | DataError:
    try:
        return _parsed(line)
    except DataError as error:
        return error


def _parsed(line: bytes) -> Raw:
    try:
        fields: Any = json.loads(line.decode("utf-8-sig"))
    except RecursionError as error:
        raise DataError("expected JSON; found brackets nested too deeply") from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are
        raise DataError(f"expected a JSON object in this line; found {error}") from error
    if not isinstance(fields, dict):
        raise DataError(f"expected a JSON object in this line; found {shown(fields)}")
    return Raw(fields, named_pictures(fields))
