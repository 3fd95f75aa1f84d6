"""Records from a parquet file: a row each, its pictures as names or as the bytes of their files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from unictk.datamodules.instructions.records import PICTURES, TEXTS, Raw, named_pictures
from unictk.errors import DataError

KEPT = 4
"""Row groups that stay decoded: a row cannot be read without its group."""


def entries(path: Path) -> Iterator[tuple[int, int, Raw | DataError]]:
    """(row group, row, record) of each row. Pictures are not read, only whether there are some.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        for group in range(_file(path).num_row_groups):
            with_pictures = _missing_pictures(path, group)
            for row, fields in enumerate(_rows(path, group, with_pictures).to_pylist()):
                pictures = named_pictures(fields) if with_pictures else None
                yield group, row, Raw(fields, pictures)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot be read as parquet ({_line(error)})") from error


def read(path: Path, group: int, row: int, pictures: bool) -> Raw:
    """A row; without ``pictures``, its texts only.

    Raises:
        DataError: it cannot be read.
    """
    try:
        (fields,) = _rows(path, group, pictures).slice(row, 1).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"cannot be read as parquet ({_line(error)})") from error
    return Raw(fields, named_pictures(fields) if pictures else None)


@lru_cache(maxsize=16)
def _file(path: Path) -> Any:
    return parquet.ParquetFile(path)


def _missing_pictures(path: Path, group: int) -> bool:
    """Whether a row of the group may have no picture, as far as the file's statistics tell."""
    file = _file(path)
    wanted = [name for name in PICTURES if name in file.schema_arrow.names]
    described = file.metadata.row_group(group)
    columns = [described.column(number) for number in range(described.num_columns)]
    for name in wanted:
        some = [one for one in columns if one.path_in_schema.split(".")[0] == name]
        if any(one.statistics and one.statistics.null_count == 0 for one in some):
            return False
    return True


@lru_cache(maxsize=KEPT)
def _rows(path: Path, group: int, pictures: bool) -> pa.Table:
    file = _file(path)
    wanted = ("conversations", *TEXTS, *(PICTURES if pictures else ()))
    columns = [name for name in file.schema_arrow.names if name in wanted]
    return file.read_row_group(group, columns=columns, use_threads=False)  # loader workers are many already


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
