"""Reads the file of an offline W&B run: 7 bytes, then LevelDB's log framing, then one message a record."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = 7
BLOCK = 32768
FRAME = struct.Struct("<IHB")  # checksum, length, kind
FULL, LAST = 1, 4


def messages(content: bytes) -> Iterator[bytes]:
    """The records' bytes: a record is one frame, or several where it crosses blocks."""
    assert content[:4] == b":W&B"
    place, parts = HEADER, b""
    while place + FRAME.size <= len(content):
        left = BLOCK - place % BLOCK
        if left < FRAME.size:
            place += left  # the rest of a block holds no frame
            continue
        _, length, kind = FRAME.unpack_from(content, place)
        place += FRAME.size
        parts += content[place : place + length]
        place += length
        if kind in (FULL, LAST):
            yield parts
            parts = b""


@dataclass
class OfflineRun:
    """What a run's file says, its values read from JSON."""

    run: Any = None
    arguments: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    exit_code: int | None = None

    def values(self, key: str) -> list[tuple[int | None, Any]]:
        """(``trainer/global_step``, value) of each time that the key was logged."""
        return [(row.get("trainer/global_step"), row[key]) for row in self.history if key in row]

    def artifact(self, name: str) -> list[Any]:
        """The artifacts of that name, in order."""
        return [one for one in self.artifacts if one.name == name]


def read_offline_run(file: Path) -> OfflineRun:
    """The whole file."""
    from wandb.proto import wandb_internal_pb2 as protocol

    found = OfflineRun()
    for message in messages(file.read_bytes()):
        record = protocol.Record()
        record.ParseFromString(message)
        kind = record.WhichOneof("record_type")
        content = getattr(record, kind)
        if kind == "run":
            found.run = content
            found.config |= _items(content.config.update)
        elif kind == "environment":
            found.arguments += content.args
        elif kind == "config":
            found.config |= _items(content.update)
        elif kind == "history":
            found.history.append(_items(content.item))
        elif kind == "summary":
            found.summary |= _items(content.update)
        elif kind == "artifact":
            found.artifacts.append(content)
        elif kind == "files":
            found.files += [one.path for one in content.files]
        elif kind == "exit":
            found.exit_code = content.exit_code
    return found


def _items(items: Any) -> dict[str, Any]:
    """Keys and values; a nested key's first part holds the rest."""
    found: dict[str, Any] = {}
    for item in items:
        first, *rest = [item.key] if item.key else list(item.nested_key)
        value = json.loads(item.value_json)
        if rest:
            found.setdefault(first, {})["/".join(rest)] = value
        else:
            found[first] = value
    return found
