"""Records on disk, each written exactly once: a shard is there as a whole or not at all.

A shard is one step of work (a period of proposals, a batch of rollouts), so its name and rows follow from the
work list and not from which process did it, or when. It is a parquet file and a manifest of equal name, each
written beside, flushed to disk and renamed; the manifest, which comes last, is what makes the shard count. So
a killed process leaves drafts that are written again, never half a shard, and any number of processes that
divide the steps write the very files that one would.
"""

from __future__ import annotations

import hashlib
import json
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from unictk.errors import DataError
from unictk.selfplay.rows import VOLATILE

DIGITS = 5
"""Floats are rounded to this many decimals."""

GROUP = 64
"""Rows in a row group: as many are in memory at a time."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What makes a shard count. ``content`` is of the work it does, ``digest`` of its rows."""

    kind: str
    name: str
    rows: int
    content: str
    digest: str


class Shards(Generic[R]):
    """All shards of one kind in a folder: ``<kind>-<name>.parquet`` with ``<kind>-<name>.json``.

    Args:
        folder: made when something is written.
        kind: of the records; several kinds share a folder.
        row: their class, a flat dataclass of :mod:`unictk.selfplay.rows`.
    """

    def __init__(self, folder: Path, kind: str, row: type[R]) -> None:
        self.folder, self.kind, self.row = folder, kind, row

    def write(self, name: str, rows: Sequence[R], content: str) -> None:
        """Put the shard there, its rows in this order. Writing an equal one again changes nothing.

        Args:
            name: says which step of work it is; shards are read in the order of their names.
            rows: all its records.
            content: :func:`content_key` of everything the step depends on.
        """
        import pyarrow
        from pyarrow import parquet

        plain = [_plain(asdict(row)) for row in rows]  # type: ignore[call-overload]
        table = pyarrow.Table.from_pylist(plain, schema=_schema(self.row))
        manifest = Manifest(self.kind, name, len(plain), content, _digest(plain))
        self.folder.mkdir(parents=True, exist_ok=True)
        with committed(self._file(name, "parquet")) as draft:
            parquet.write_table(table, draft, row_group_size=GROUP)
        with committed(self._file(name, "json")) as draft:
            draft.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
        _flush(self.folder)

    def has(self, name: str, content: str) -> bool:
        """Whether the shard is there, made of the same work.

        Raises:
            DataError: it is there and comes of other work, or cannot be read.
        """
        path = self._file(name, "json")
        if not path.exists():
            return False
        found = self._manifest(path)
        if found.content != content:
            raise DataError(
                f"{path}: made of other work ({found.content[:12]}, expected {content[:12]}); "
                "rerun=true starts afresh, and what selfplay.records shares needs another folder"
            )
        return True

    def names(self, prefix: str = "") -> list[str]:
        """The shards that count, in order; those of a prefix, such as a round's."""
        stem = f"{self.kind}-"
        return sorted(path.stem.removeprefix(stem) for path in self.folder.glob(f"{stem}{prefix}*.json"))

    def __iter__(self) -> Iterator[R]:
        """All rows in the order of the shards, a row group in memory at a time."""
        for name in self.names():
            yield from self.read(name)

    def of_round(self, number: int) -> Iterator[R]:
        """The rows of one round of self-play, with which the names of its shards begin."""
        for name in self.names(f"{number:02d}-"):
            yield from self.read(name)

    def read(self, name: str) -> Iterator[R]:
        """The rows of one shard, a row group in memory at a time.

        Raises:
            DataError: the shard is not what its manifest says.
        """
        import pyarrow
        from pyarrow import parquet

        path, count = self._file(name, "parquet"), 0
        manifest = self._manifest(self._file(name, "json"))
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=GROUP):
                    for row in batch.to_pylist():
                        yield _row(self.row, row)
                        count += 1
        except (pyarrow.ArrowException, OSError, TypeError, KeyError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"{path}: not a shard of {self.kind} ({reason}); rerun=true makes it again"
            ) from error
        if count != manifest.rows:
            raise DataError(f"{path}: {count} rows, expected {manifest.rows}; rerun=true makes it again")

    def manifests(self, prefix: str = "") -> list[Manifest]:
        """The manifests, in the order of the shards: equal for equal runs."""
        return [self._manifest(self._file(name, "json")) for name in self.names(prefix)]

    def check(self) -> None:
        """Read everything.

        Raises:
            DataError: rows are not those that were written.
        """
        for manifest in self.manifests():
            rows = [_plain(asdict(row)) for row in self.read(manifest.name)]  # type: ignore[call-overload]
            if _digest(rows) != manifest.digest:
                path = self._file(manifest.name, "parquet")
                raise DataError(f"{path}: its rows were changed; rerun=true makes it again")

    def clean(self) -> None:
        """Remove drafts and files without a manifest, which killed processes left; while nobody writes."""
        for path in self.folder.glob(f".{self.kind}-*.draft"):
            path.unlink()
        for path in self.folder.glob(f"{self.kind}-*.parquet"):
            if not path.with_suffix(".json").exists():
                path.unlink()

    def _file(self, name: str, ending: str) -> Path:
        return self.folder / f"{self.kind}-{name}.{ending}"

    def _manifest(self, path: Path) -> Manifest:
        try:
            return Manifest(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{path}: not a manifest ({error}); rerun=true makes it again") from error


def content_key(*parts: object) -> str:
    """A hash of what a step of work depends on: equal keys, equal results."""
    text = json.dumps([str(part) for part in parts], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def committed(path: Path, flush: bool = True) -> Iterator[Path]:
    """A draft beside ``path``; when the block ends well it has its name, else it is gone.

    ``flush``: it is on disk before, so that not even a power failure leaves a name without content.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
        if flush:
            _flush(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def stable(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that are equal between two equal runs."""
    return {name: value for name, value in row.items() if not any(word in name for word in VOLATILE)}


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(rows: Sequence[Mapping[str, Any]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        text = json.dumps(stable(row), sort_keys=True, default=bytes.hex)
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Floats rounded, tuples as lists, in nested rows too."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def _row(kind: Any, found: Mapping[str, Any]) -> Any:
    """The dataclass ``kind`` again."""
    hints = _hints(kind)
    return kind(**{field.name: _value(hints[field.name], found[field.name]) for field in fields(kind)})


def _value(hint: Any, value: Any) -> Any:
    if get_origin(hint) is not tuple:
        return value
    inner = get_args(hint)[0]
    return tuple(_row(inner, one) if is_dataclass(inner) else one for one in value)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _schema(kind: Any) -> Any:
    import pyarrow

    hints = _hints(kind)
    return pyarrow.schema([(field.name, _column(hints[field.name])) for field in fields(kind)])


def _column(hint: Any) -> Any:
    import pyarrow

    plain = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        bytes: pyarrow.binary(),
    }
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is types.UnionType:
        return _column(next(one for one in get_args(hint) if one is not types.NoneType))
    if get_origin(hint) is tuple:
        return pyarrow.list_(_column(get_args(hint)[0]))
    return pyarrow.struct(list(_schema(hint)))
