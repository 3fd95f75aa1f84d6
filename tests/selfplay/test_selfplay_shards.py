from __future__ import annotations

import math
import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
from pyarrow import parquet

from unictk.errors import DataError
from unictk.selfplay.rows import (
    VOLATILE,
    JudgementRow,
    LessonRow,
    ProposalRow,
    RatingRow,
    RolloutRow,
    SegmentRow,
)
from unictk.selfplay.shards import GROUP, Shards, committed, content_key, stable

PROPOSAL = ProposalRow(
    "00-x-slot-00000-0", 0, "X", "a", "", 0, 0, 2**62, ("u1", "u2"), '{"é"}\n', "accepted", "p", 0, "u"
)
ROLLOUT = RolloutRow(
    *("00-x-00000-00", 0, "u", "X", "a", "p", 0, 2**62, 1 / 3, 1.0, 4, "self", "selfplay/a.png", "ab", 4, 4),
    *(b"\x00\xff", "uint8", (2,), 0.25),
)
LESSON = LessonRow(
    *("id", "caption", 0, "X", "u", "p", "caption", "w", "", 7.123456789, None),
    (
        SegmentRow(None, "a.png", False, "w", b"\x01", "uint8", (1,)),
        SegmentRow("Say.", None, True, "", None, "", ()),
    ),
)


def many(count: int) -> list[RolloutRow]:
    return [replace(ROLLOUT, sample_id=f"{number:04d}", rollout=number) for number in range(count)]


def test_rows_come_back_as_they_were(tmp_path: Path):
    for kind, row in (("proposals", PROPOSAL), ("rollouts", ROLLOUT), ("lessons", LESSON)):
        store = Shards(tmp_path, kind, type(row))
        store.write("0", [row], "made of this")
        (found,) = store
        expected = {"proposals": row, "rollouts": replace(ROLLOUT, guidance=0.33333)}.get(kind)
        assert found == (expected or replace(LESSON, score=7.12346))
        store.check()


def test_nothing_is_there_before_something_is_written(tmp_path: Path):
    store = Shards(tmp_path / "none", "rollouts", RolloutRow)
    assert (store.names(), list(store), store.has("0", "x")) == ([], [], False)


def test_shards_are_read_in_the_order_of_their_names(tmp_path: Path):
    store, rows = Shards(tmp_path, "rollouts", RolloutRow), many(6)
    for name in ("00-000002", "01-000000", "00-000000"):
        number = int(name[-1]) + 3 * int(name[1])
        store.write(name, rows[number : number + 1], "c")
    other = Shards(tmp_path, "judgements", JudgementRow)
    assert other.names() == []
    assert store.names() == ["00-000000", "00-000002", "01-000000"]
    assert store.names("00-") == ["00-000000", "00-000002"]
    assert [row.rollout for row in store] == [0, 2, 3]


def test_a_row_group_at_a_time_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = Shards(tmp_path, "rollouts", RolloutRow)
    store.write("0", many(3 * GROUP + 1), "c")
    assert parquet.ParquetFile(tmp_path / "rollouts-0.parquet").num_row_groups == 4
    made = []
    original = parquet.ParquetFile.iter_batches

    def counted(self, **settings):
        for batch in original(self, **settings):
            made.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", counted)
    rows = iter(store)
    assert next(rows).rollout == 0
    assert made == [GROUP], "one group only was read for the first row"
    assert len(list(rows)) == 3 * GROUP


def test_a_shard_of_other_work_is_refused(tmp_path: Path):
    store = Shards(tmp_path, "rollouts", RolloutRow)
    store.write("0", many(2), content_key("weights a"))
    assert store.has("0", content_key("weights a"))
    with pytest.raises(DataError, match="made of other work"):
        store.has("0", content_key("weights b"))


def test_content_keys_tell_parts_apart():
    keys = {content_key(), content_key(""), content_key("a", "b"), content_key("ab"), content_key("a,b")}
    assert len(keys) == 5
    assert content_key(1) == content_key("1")


@pytest.mark.parametrize("spoil", ["cut", "empty", "gone", "fewer rows", "manifest"])
def test_a_damaged_shard_is_named_in_one_line(tmp_path: Path, spoil: str):
    store = Shards(tmp_path, "rollouts", RolloutRow)
    store.write("0", many(5), "c")
    file = tmp_path / "rollouts-0.parquet"
    if spoil == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    elif spoil == "empty":
        file.write_bytes(b"")
    elif spoil == "gone":
        file.unlink()
    elif spoil == "fewer rows":
        parquet.write_table(parquet.read_table(file).slice(0, 3), file)
    else:
        (tmp_path / "rollouts-0.json").write_text('{"kind": ')
    with pytest.raises(DataError) as caught:
        list(store)
    assert "rollouts-0." in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changed_rows_are_found(tmp_path: Path):
    store = Shards(tmp_path, "rollouts", RolloutRow)
    store.write("0", many(5), "c")
    other = Shards(tmp_path / "other", "rollouts", RolloutRow)
    other.write("0", [replace(row, seed=1) for row in many(5)], "c")
    (tmp_path / "rollouts-0.parquet").write_bytes((tmp_path / "other" / "rollouts-0.parquet").read_bytes())
    with pytest.raises(DataError, match="its rows were changed"):
        store.check()


def test_times_leave_no_trace_in_a_manifest(tmp_path: Path):
    one, two = (Shards(tmp_path / name, "rollouts", RolloutRow) for name in "ab")
    one.write("0", many(3), "c")
    two.write("0", [replace(row, seconds=9.0) for row in many(3)], "c")
    assert one.manifests() == two.manifests()
    assert "seconds" not in stable({"seconds": 1, "seed": 2})


def test_columns_that_may_differ_are_those_and_no_others():
    volatile = {
        field.name
        for kind in (ProposalRow, RatingRow, RolloutRow, JudgementRow, LessonRow)
        for field in fields(kind)
        if any(word in field.name for word in VOLATILE)
    }
    assert volatile == {"seconds"}
    assert all("sample_id" in {field.name for field in fields(kind)} for kind in (ProposalRow, LessonRow))


@pytest.mark.parametrize("point", range(1, 9))
def test_an_interrupted_write_leaves_nothing_or_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: int
):
    """Stopped at each call that changes the folder; the shard counts as a whole or not at all."""
    store, calls = Shards(tmp_path, "rollouts", RolloutRow), [0]

    def stop_before(original):
        def call(*args, **named):
            calls[0] += 1
            if calls[0] == point:
                raise KeyboardInterrupt
            return original(*args, **named)

        return call

    for owner, name in ((os, "replace"), (os, "fsync"), (parquet, "write_table"), (Path, "write_text")):
        monkeypatch.setattr(owner, name, stop_before(getattr(owner, name)))
    if point <= 7:
        with pytest.raises(KeyboardInterrupt):
            store.write("0", many(3), "c")
    else:
        store.write("0", many(3), "c")
    monkeypatch.undo()
    assert len(list(store)) in (0, 3)
    assert store.has("0", "c") == (len(list(store)) == 3) == (point >= 7)
    assert not list(tmp_path.glob(".*")), "a draft was left"
    store.clean()
    assert len(list(tmp_path.iterdir())) == (2 if point >= 7 else 0)
    store.write("0", many(3), "c")
    assert [row.rollout for row in store] == [0, 1, 2]


def test_a_failed_draft_is_gone(tmp_path: Path):
    (tmp_path / "x").write_text("old")

    def fail() -> None:
        with committed(tmp_path / "x") as draft:
            draft.write_text("half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_numbers_that_are_not_finite_survive(tmp_path: Path):
    store = Shards(tmp_path, "rollouts", RolloutRow)
    store.write("0", [replace(ROLLOUT, guidance=math.inf)], "c")
    assert next(iter(store)).guidance == math.inf
    store.check()
