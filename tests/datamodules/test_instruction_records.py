"""Records in every kind of shard are the same samples; what is none is told in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from instruction_files import add, pairs, png, talks, write_jsonl, write_parquet, write_tar

from unictk.datamodules.instructions.records import Raw, read_record
from unictk.datamodules.instructions.sources import Opened, Source, opened
from unictk.errors import DataError
from unictk.samples import Image, Sample, Text

WRITERS = {"jsonl": write_jsonl, "tar": write_tar, "parquet": write_parquet}


def source(path: Path, task: str = "understanding", refuse: bool = True) -> Opened:
    (found,) = opened({"some": Source(path.name, task)}, path.parent, None, 20.0, refuse)  # type: ignore[arg-type]
    return found


def texts(sample: Sample) -> list[tuple[str, bool]]:
    return [(one.text if isinstance(one, Text) else "picture", one.target) for one in sample]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("records", [pairs, talks])
def test_every_kind_of_shard_gives_the_same_samples(
    tmp_path: Path, kind: str, records: Callable[[int], list[dict[str, Any]]]
) -> None:
    found = source(WRITERS[kind](tmp_path / f"some.{kind}", records(7)))
    plain = source(write_jsonl(tmp_path / "plain/some.jsonl", records(7)))
    assert len(found) == len(plain) == 7
    for number in (6, 0, 3):  # in any order
        ours, theirs = found.sample(number, "k", 1), plain.sample(number, "k", 1)
        assert texts(ours) == texts(theirs)
        assert [np.asarray(one.source).tolist() for one in ours.images] == [
            np.asarray(one.source).tolist() for one in theirs.images
        ]
        assert texts(found.outline(number, "k", 1)) == texts(ours)
        assert {one.source for one in found.outline(number, "k", 1).images} == {None}


def test_a_pair_is_described_or_drawn() -> None:
    raw = Raw({"text": " A cup. "}, ("a.png",))
    described = read_record(raw, "understanding", "What is it?").sample([None], "k", None)
    assert texts(described) == [("picture", False), ("What is it?", False), ("A cup.", True)]
    drawn = read_record(raw, "generation", "What is it?").sample([None], "k", None)
    assert texts(drawn) == [("A cup.", False), ("picture", True)]


def test_pictures_stand_where_the_text_has_them() -> None:
    turns = [
        {"from": "user", "value": "First <image> then <|image|>\nJoin them."},
        {"from": "assistant", "value": "So: <image>"},
    ]
    record = read_record(Raw({"conversations": turns}, ("a", "b", "c")), "understanding", "")
    wanted = [("First", False), ("picture", False), ("then", False), ("picture", False)]
    wanted += [("Join them.", False), ("So:", True), ("picture", True)]
    sample = record.sample([None] * 3, "k", None)
    assert texts(sample) == wanted
    assert [one.key for one in sample.images] == ["k#0", "k#1", "k#2"]


def test_pictures_without_a_place_come_first() -> None:
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "Two."}]
    record = read_record(Raw({"conversations": turns}, ("a", "b")), "understanding", "")
    assert [isinstance(one, Image) for one in record.sample([None, None], "k", None)] == [True, True] + [
        False
    ] * 2


def talk(*said: tuple[str, object]) -> dict[str, object]:
    return {"conversations": [{"from": who, "value": value} for who, value in said], "image": "0.png"}


ASK, REPLY = ("human", "<image> What?"), ("gpt", "A cup.")
BAD: list[tuple[object, str]] = [
    ({"text": "A cup."}, "expected one picture with its text; found none"),
    ({"text": "A cup.", "image": None}, "expected one picture with its text; found none"),
    ({"text": "A cup.", "image": ["0.png", "1.png"]}, "expected one picture with its text; found 2"),
    ({"text": " ", "image": "0.png"}, 'expected text at text; found " "'),
    ({"text": "A cup.", "image": 3}, "expected the name of a picture at image; found 3"),
    (
        {"txt": "A cup."},
        "expected the key conversations or text or caption or prompt; found an object with the keys 'txt'",
    ),
    (talk(ASK), "expected an answer to turn 0; found the end"),
    (talk(REPLY, ASK), 'expected a turn of human at turn 0; found "gpt"'),
    (talk(ASK, ("gpt", None)), "expected text at turn 1; found null"),
    (
        {**talk(ASK, REPLY), "image": None},
        "expected as many pictures as <image> in the text, 1; found 0",
    ),
    ({"conversations": []}, "expected a list of turns at conversations; found a list of 0"),
    ([1], "expected a JSON object in this line; found a list of 1"),
]


@pytest.mark.parametrize(("record", "reason"), BAD, ids=[reason[:50] for _, reason in BAD])
def test_a_bad_record_is_named_and_refused_before_any_training(
    tmp_path: Path, record: object, reason: str
) -> None:
    file = write_jsonl(tmp_path / "some.jsonl", pairs(2))
    with file.open("a") as lines:
        lines.write(json.dumps(record) + "\n{broken\n")
    with pytest.raises(DataError) as caught:
        source(file)
    assert str(caught.value) == (
        f"{file}: record 2: {reason} (and 1 more problem in some); datamodule.bad=skip leaves out what is bad"
    )
    kept = source(file, refuse=False)
    assert (len(kept), kept.index.problem_count) == (2, 2)
    assert "record 3: expected a JSON object in this line; found Expecting" in kept.index.problems[1]


def test_a_tar_that_is_cut_off_is_named_and_what_stands_before_is_kept(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "whole.tar", pairs(4)).read_bytes()
    last = whole.rindex(b"000003.png")
    damaged = f"after 3 records: damaged or cut off at byte {last}"
    for content, left, reason in (
        (whole[:last], 3, damaged),
        (whole[: last + 100], 3, damaged),
        (whole[:last] + b"x" * 50 + whole[last + 50 :], 3, damaged),
        (whole[: last + 700], 3, "after 3 records: cannot be read as tar (unexpected end of data)"),
    ):
        file = tmp_path / "some.tar"
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"some\.tar") as caught:
            source(file)
        assert reason in str(caught.value)
        assert len(source(file, refuse=False)) == left


def test_a_broken_shard_beside_a_good_one(tmp_path: Path) -> None:
    write_parquet(tmp_path / "s/a.parquet", pairs(4))
    (tmp_path / "s/b.parquet").write_bytes(b"PAR1 nonsense")
    (tmp_path / "s/c.tar").write_bytes(b"nonsense")
    write_jsonl(tmp_path / "s/d.jsonl", pairs(2))
    with pytest.raises(DataError, match=r"s/b\.parquet: cannot be read as parquet") as caught:
        source(tmp_path / "s")
    assert "(and 1 more problem in some)" in str(caught.value)
    found = source(tmp_path / "s", refuse=False)
    assert found.shard_sizes().tolist() == [4, 0, 0, 2]
    assert texts(found.sample(5, "k", 1))[2] == ("Cup 1.", True)


def test_a_source_that_is_not_there_or_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("x")
    (tmp_path / "empty.jsonl").write_text("\n")
    for name, reason in (
        ("none-*.tar", "is not there or holds no shard; expected one of .jsonl, .parquet, .tar"),
        ("some.txt", "is not of a kind that is read; expected one of .jsonl, .parquet, .tar"),
        ("empty.jsonl", "some: no record in empty.jsonl can be used"),
    ):
        with pytest.raises(DataError) as caught:
            source(tmp_path / name)
        assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such picture"),
        (b"text", "cannot be decoded as a picture"),
        (png(0)[:60], "cannot be decoded as a picture"),
        (png(0, (1, 10_000)), "is 1 x 10000 pixels; expected a long side of at most 20 times the short one"),
    ],
)
def test_a_picture_that_cannot_be_used(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = write_jsonl(tmp_path / "some.jsonl", pairs(2))
    (tmp_path / "1.png").unlink() if content is None else (tmp_path / "1.png").write_bytes(content)
    found = source(file)
    found.sample(0, "k", 1)
    with pytest.raises(DataError) as caught:
        found.sample(1, "k", 1)
    said = str(caught.value)
    assert said.startswith(f"{file}: record at byte ")
    assert f"{tmp_path}/1.png" in said
    assert reason in said
    assert "\n" not in said


def test_bytes_that_are_no_picture(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "some.tar", "w") as archive:
        add(archive, "a.png", b"text")
        add(archive, "a.txt", b"A cup.")
    with pytest.raises(DataError, match="record at byte 0: its picture cannot be decoded as a picture"):
        source(tmp_path / "some.tar").sample(0, "k", 1)


def test_the_table_of_records_is_kept_until_a_shard_changes(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "data/some.jsonl", pairs(3))
    arguments = ({"some": Source("some.jsonl", "generation")}, tmp_path / "data", tmp_path / "kept", 20.0)
    (first,) = opened(*arguments, True)  # type: ignore[arg-type]
    (table,) = (tmp_path / "kept").glob("*.npy")
    changed = table.stat().st_mtime_ns
    (again,) = opened(*arguments, True)  # type: ignore[arg-type]
    assert table.stat().st_mtime_ns == changed
    assert again.index.entries.tolist() == first.index.entries.tolist()
    write_jsonl(file, pairs(5))
    (grown,) = opened(*arguments, True)  # type: ignore[arg-type]
    assert len(grown) == 5
