"""Where every record of some shards lies: made in one pass over them, kept, and checked on the way.

With it any record can be read at any time, so what was read before is a number, and a training goes on with
the very next sample. Only this table of numbers is held: 24 bytes a record.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from unictk.callbacks.meter import Meter
from unictk.datamodules.instructions import jsonl, parquet, tars
from unictk.datamodules.instructions.records import Raw
from unictk.errors import DataError

READERS: dict[str, ModuleType] = {".jsonl": jsonl, ".parquet": parquet, ".tar": tars}
"""Each has ``entries(path)``, all records of a shard, and ``read(path, a, b, pictures)``, one of them."""

NAMED = 100
"""So many problems are kept in words; all are counted."""

VERSION = 1
"""Of the rules for a record; another one makes kept tables void."""


@dataclass(frozen=True, slots=True)
class Index:
    """``entries`` (records, 3) int64: number of the shard, and the two numbers its reader wants.

    ``problems`` are the first records and shards that cannot be used, ``problem_count`` says how many
    there are. They have no entry.
    """

    shards: tuple[Path, ...]
    entries: np.ndarray
    problems: tuple[str, ...]
    problem_count: int

    def raw(self, number: int, pictures: bool) -> Raw:
        """A record as its file has it."""
        shard, first, second = self.entries[number].tolist()
        path = self.shards[shard]
        return READERS[path.suffix].read(path, first, second, pictures)

    def place(self, number: int) -> str:
        """A record's place in words."""
        shard, first, second = self.entries[number].tolist()
        return f"{self.shards[shard]}: {where(self.shards[shard], first, second)}"


def where(path: Path, first: int, second: int) -> str:
    """A record's place in its file."""
    return f"row {second} of group {first}" if path.suffix == ".parquet" else f"record at byte {first}"


def kept_index(
    shards: Sequence[Path], check: Callable[[Raw], object], rules: str, name: str, folder: Path | None
) -> Index:
    """The table of these shards, from ``folder`` where it was made before and no shard has changed.

    Args:
        shards: files, in order.
        check: raises DataError for a record that cannot be used.
        rules: what ``check`` depends on.
        name: of the source, shown while it is read.
        folder: where tables are kept; None: nowhere.
    """
    states = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in shards]
    key = hashlib.blake2b(json.dumps([VERSION, rules, states]).encode(), digest_size=16).hexdigest()
    file = None if folder is None else folder / f"{key}.npy"
    if file is not None and file.with_suffix(".json").is_file():
        known = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        entries = np.load(file, mmap_mode="r", allow_pickle=False)
        return Index(tuple(shards), entries, tuple(known["problems"]), known["count"])
    made = _made(shards, check, name)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{key}.{os.getpid()}.npy")
        np.save(part, made.entries)
        os.replace(part, file)
        part = part.with_suffix(".json")
        told = {"problems": made.problems, "count": made.problem_count}
        part.write_text(json.dumps(told), encoding="utf-8")
        os.replace(part, file.with_suffix(".json"))  # last: it says that the table is whole
    return made


def _made(shards: Sequence[Path], check: Callable[[Raw], object], name: str) -> Index:
    found: list[np.ndarray] = []
    problems: list[str] = []
    count = total = 0
    with Meter(f"{name} records", None) as meter:
        for shard, path in enumerate(shards):
            rows = array("q")  # millions of tuples would take gigabytes
            for first, second, problem in _checked(path, check):
                if problem is None:
                    rows.extend((shard, first, second))
                    continue
                count += 1
                if len(problems) < NAMED:
                    problems.append(f"{path}: {problem}")
            found.append(np.array(rows, dtype=np.int64).reshape(-1, 3))
            total += len(found[-1])
            meter.show(total)
    return Index(tuple(shards), np.concatenate(found), tuple(problems), count)


def _checked(path: Path, check: Callable[[Raw], object]) -> Iterator[tuple[int, int, str | None]]:
    """(two numbers, what is wrong) of each record; a shard that cannot be read on ends with a problem."""
    number = 0
    try:
        for first, second, raw in READERS[path.suffix].entries(path):
            try:
                if isinstance(raw, DataError):
                    raise raw
                check(raw)
            except DataError as error:
                yield first, second, f"record {number}: {error}"
            else:
                yield first, second, None
            number += 1
    except DataError as error:
        yield 0, 0, f"after {number} records: {error}" if number else str(error)
