"""Records from a tar file in webdataset's layout: neighbouring members of one name are a record.

``000.jpg`` and ``000.txt`` are a pair, ``000.jpg`` and ``000.json`` a conversation or a pair; several
pictures are ``000.0.jpg``, ``000.1.jpg``. Members of other kinds are passed over.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from unictk.datamodules.instructions.records import PICTURES, Picture, Raw
from unictk.datamodules.schemas import shown
from unictk.errors import DataError

SUFFIXES = ("png", "jpg", "jpeg", "webp")
BLOCK = 512


def entries(path: Path) -> Iterator[tuple[int, int, Raw | DataError]]:
    """(offset, bytes, record) of each record; its pictures' bytes are passed over.

    Raises:
        DataError: the file cannot be read, or ends before its end mark.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            members: list[tarfile.TarInfo] = []
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # it would keep every header
                if members and _key(member) != _key(members[0]):
                    yield _entry(archive, members, member.offset)
                    members = []
                members.append(member)
            if members:
                yield _entry(archive, members, archive.offset)
            file.seek(archive.offset)
            if file.read(BLOCK) != bytes(BLOCK):
                raise DataError(f"damaged or cut off at byte {archive.offset}")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"cannot be read as tar ({error})") from error


def read(path: Path, start: int, length: int, pictures: bool) -> Raw:
    """The record whose members lie in these bytes; without ``pictures``, its texts only.

    Raises:
        DataError: it cannot be read: the file has changed.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            with tarfile.open(fileobj=file, mode="r:") as archive:
                members = []
                for member in archive:
                    if member.offset >= start + length:
                        break
                    members.append(member)
                return _raw(archive, members, pictures)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"cannot be read as tar ({error})") from error


def _entry(
    archive: tarfile.TarFile, members: list[tarfile.TarInfo], end: int
) -> tuple[int, int, Raw | DataError]:
    start = members[0].offset
    try:
        return start, end - start, _raw(archive, members, pictures=False, counted=True)
    except DataError as error:
        return start, end - start, error


def _raw(
    archive: tarfile.TarFile, members: list[tarfile.TarInfo], pictures: bool, counted: bool = False
) -> Raw:
    fields: dict[str, Any] = {}
    found: list[Picture] = []
    for member in sorted(members, key=lambda one: one.name):
        suffix = member.name.rpartition(".")[2].lower()
        if suffix in SUFFIXES:
            found.append(_content(archive, member) if pictures else None)
        elif suffix == "txt":
            fields["text"] = _text(_content(archive, member))
        elif suffix == "json":
            fields |= _object(_text(_content(archive, member)))
    named = {key: value for key, value in fields.items() if key not in PICTURES}
    return Raw(named, tuple(found) if pictures or counted else None)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file: IO[bytes] | None = archive.extractfile(member)
    if file is None:
        raise DataError(f"expected a file at {member.name}; found none")
    return file.read()


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"expected text in UTF-8; found {error}") from error


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected a JSON object; found {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"expected a JSON object; found {shown(value)}")
    return value


def _key(member: tarfile.TarInfo) -> str:
    """What members of one record have in common: all up to the first point of the file's name."""
    path = PurePosixPath(member.name)
    return (path.parent / path.name.partition(".")[0]).as_posix()
