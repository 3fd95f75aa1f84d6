from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet

from unictk.errors import DataError
from unictk.records import ItemRecord, merge_records, read_records

ONE = ItemRecord("unifybench/vqa", "0/0", "concept/test/bo/0.png", "What?", "Red.", "red", 1.0, "s1")


def test_no_file_is_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "items.parquet") == []


def test_merge_replaces_equal_keys_and_keeps_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "items.parquet"
    text_only = ItemRecord("unifybench/text_qa", "1", None, "Who?", "A dog.", '<b>"a" cat\n', 1 / 3, "s1")
    merge_records(file, [ONE, text_only])
    merge_records(file, [replace(ONE, answer="blue", score=0.0), replace(ONE, phase="base")])
    assert read_records(file) == [
        replace(ONE, phase="base"),
        replace(text_only, score=0.33333),
        replace(ONE, answer="blue", score=0.0),
    ]
    assert [path.name for path in file.parent.iterdir()] == ["items.parquet"]


def test_the_order_of_writing_leaves_no_trace(tmp_path: Path) -> None:
    records = [replace(ONE, item_id=str(i), phase=phase) for i in range(3) for phase in ("base", "s2")]
    merge_records(tmp_path / "a", records)
    for record in reversed(records):
        merge_records(tmp_path / "b", [record])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_columns_are_the_contract(tmp_path: Path) -> None:
    merge_records(tmp_path / "items.parquet", [ONE])
    names = parquet.read_schema(tmp_path / "items.parquet").names
    assert names == ["metric", "item_id", "image", "question", "reference", "answer", "score", "phase"]


def test_a_killed_write_leaves_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "items.parquet"
    merge_records(file, [ONE])
    before = file.read_bytes()

    def half(table: object, where: Path) -> None:
        Path(where).write_bytes(b"PAR1 half")
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet, "write_table", half)
    with pytest.raises(KeyboardInterrupt):
        merge_records(file, [replace(ONE, item_id="9")])
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a table", b"PAR1 half a file"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "items.parquet"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_records(file)
    assert str(caught.value).startswith(f"{file}: not a table of records (")
    assert "\n" not in str(caught.value)


def test_a_table_without_our_columns_is_refused(tmp_path: Path) -> None:
    import pyarrow

    parquet.write_table(pyarrow.table({"metric": ["a"]}), tmp_path / "items.parquet")
    with pytest.raises(DataError, match="expected columns metric, item_id"):
        read_records(tmp_path / "items.parquet")
