"""``items.parquet``: every question a benchmark asked, with the answer and its score.

Records make an evaluation resumable, and let every number in ``metrics.json`` be recomputed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from unictk.errors import DataError

FILE = "items.parquet"
"""The file's name in a run folder."""


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One scored answer.

    ``metric`` is the full name, for example ``unifybench/vqa``: the mean of ``score`` over a metric and a
    phase is the number reported. ``image`` is a picture key relative to the data folder, None for a
    question without a picture. ``phase`` is ``base``, a stage (``s1``), or an epoch of it (``s1@5``).
    """

    metric: str
    item_id: str
    image: str | None
    question: str
    reference: str
    answer: str
    score: float
    phase: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes a record unique: phase, metric and item."""
        return self.phase, self.metric, self.item_id


def read_records(path: Path) -> list[ItemRecord]:
    """The file's records in order; none when there is no file.

    Raises:
        DataError: the file is not a table of records.
    """
    if not path.exists():
        return []
    import pyarrow
    from pyarrow import parquet

    columns = [field.name for field in fields(ItemRecord)]
    try:
        rows = parquet.ParquetFile(path).read(columns=columns).to_pylist()
        return [ItemRecord(**row) for row in rows]
    except (pyarrow.ArrowException, OSError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: not a table of records ({reason}); expected columns {', '.join(columns)}"
        ) from error


def merge_records(path: Path, records: Iterable[ItemRecord]) -> None:
    """Add the records to the file, replacing those of equal key; sorted by key, replaced in one move.

    Scores are rounded to 5 decimals, so that equal runs write equal files.
    """
    merged = {record.key: record for record in read_records(path)}
    merged.update({record.key: record for record in records})
    write_records(path, [merged[key] for key in sorted(merged)])


def write_records(path: Path, records: Iterable[ItemRecord]) -> None:
    """Write the file with exactly these records, in one move."""
    import pyarrow
    from pyarrow import parquet

    text = pyarrow.string()
    kinds = {"score": pyarrow.float64()}
    schema = pyarrow.schema([(field.name, kinds.get(field.name, text)) for field in fields(ItemRecord)])
    rows = [asdict(record) | {"score": round(record.score, 5)} for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), draft)
    os.replace(draft, path)
