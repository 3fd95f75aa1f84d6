"""Broken data sets: every fault has one line that names the file and what was expected there."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from concept_folders import says, talk, write_json, write_picture, write_whole_concept
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.datamodules import pictures
from unictk.datamodules.check import check_dataset
from unictk.datamodules.concept_data import read_concept
from unictk.errors import DataError

Break = Callable[[Path], object]
TRAIN = "concept/train/bo"
TEST = "concept/test/bo"


def edit(root: Path, file: str, **changes: object) -> None:
    content = json.loads((root / file).read_text())
    write_json(root / file, content | changes)


def cut(path: Path) -> None:
    write_picture(path.with_suffix(".jpg"), 7)
    data = path.with_suffix(".jpg").read_bytes()
    path.with_suffix(".jpg").unlink()
    path.write_bytes(data[: len(data) - 200])


def absurd() -> bytes:
    """The head of a PNG of 40000 x 40000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    data = b"IDAT"
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, data)
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


BROKEN: dict[str, tuple[Break, str]] = {
    "truncated picture": (
        lambda root: cut(root / TRAIN / "1.png"),
        "concept/train/bo/1.png: expected a picture; found a damaged picture (image file is truncated)",
    ),
    "empty picture": (
        lambda root: (root / "random_images/4.png").write_bytes(b""),
        "random_images/4.png: expected a picture; found an empty file (0 bytes)",
    ),
    "picture of absurd size": (
        lambda root: (root / "random_images/4.png").write_bytes(absurd()),
        "random_images/4.png: expected a picture; found a picture of more than 100,000,000 pixels",
    ),
    "text with a picture's name": (
        lambda root: (root / TRAIN / "cropped/3.webp").write_text("a note"),
        "concept/train/bo/cropped/3.webp: expected a picture; found 6 bytes that are no picture",
    ),
    "folder with a picture's name": (
        lambda root: (root / TEST / "7.png").mkdir(),
        "concept/test/bo/7.png: expected a picture; found a folder",
    ),
    "link to nothing": (
        lambda root: (root / TEST / "7.png").symlink_to("gone.png"),
        "concept/test/bo/7.png: expected a picture; found No such file or directory",
    ),
    "broken JSON": (
        lambda root: (root / TEST / "vqa.json").write_text('{\n "0.png": [\n  {"query" "x"}]}'),
        "concept/test/bo/vqa.json: expected JSON; found Expecting ':' delimiter at line 3, column 12",
    ),
    "JSON that is not UTF-8": (
        lambda root: (root / TEST / "text_only.json").write_bytes('["é"]'.encode("latin-1")),
        "concept/test/bo/text_only.json: expected JSON in UTF-8; found byte 0xe9 at offset 2",
    ),
    "JSON that is too deep": (
        lambda root: (root / TEST / "text_only.json").write_text("[" * 200_000),
        "concept/test/bo/text_only.json: expected JSON; found brackets nested too deeply",
    ),
    "half a character": (
        lambda root: write_json(root / TEST / "text_only.json", says(("What?", "\ud800"))),
        'concept/test/bo/text_only.json: expected text at entry 0, answer 0; found "\\ud800"',
    ),
    "endless number": (
        lambda root: (root / TEST / "text_only.json").write_text("1" * 5000),
        "concept/test/bo/text_only.json: expected JSON; found Exceeds the limit (4300 digits) for integer "
        "string conversion: value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit",
    ),
    "null": (
        lambda root: (root / TEST / "text_only.json").write_text("null"),
        "concept/test/bo/text_only.json: expected a JSON list or object; found null",
    ),
    "key written twice": (
        lambda root: (root / TEST / "vqa.json").write_text('{"0.png": [], "0.png": []}'),
        "concept/test/bo/vqa.json: expected the key '0.png' once; found it 2 times",
    ),
    "another schema": (
        lambda root: write_json(root / TEST / "text_only.json", [{"q": "What?", "a": "That."}]),
        "concept/test/bo/text_only.json: expected {image, conversations} or {query, answer} at entry 0; "
        "found an object with the keys 'q', 'a'",
    ),
    "question without an answer": (
        lambda root: edit(root, f"{TRAIN}/conversations.json", **{"0.png": [{"query": "What fur?"}]}),
        "concept/train/bo/conversations.json: expected text at '0.png', answer 0; found null",
    ),
    "one question instead of a list": (
        lambda root: edit(root, f"{TRAIN}/conversations.json", text_only=says(("a", "b"))[0]),
        "concept/train/bo/conversations.json: expected a list of {query, answer} or of {from, value} at "
        "'text_only'; found an object with the keys 'query', 'answer'",
    ),
    "nobody answers": (
        lambda root: write_json(root / TEST / "text_only.json", [{"conversations": talk(("a", "b"))[:1]}]),
        "concept/test/bo/text_only.json: expected turns of human and gpt by turns at entry 0; found human",
    ),
    "evaluation question of no known type": (
        lambda root: write_json(
            root / "test_data/bo.json", [{"type": "vaq", "conversations": talk(("a", "b"))}]
        ),
        "test_data/bo.json: expected type rec, vqa, text_only or choice at entry 0; "
        'found "vaq"; nearest: vqa',
    ),
    "picture that is not there": (
        lambda root: edit(root, f"{TRAIN}/conversations.json", **{"0.jpg": says(("a", "b"))}),
        "concept/train/bo/conversations.json: expected pictures that are in concept/train/bo; "
        "found '0.jpg', which is not there; nearest: 0.png",
    ),
    "listed photo that is not there": (
        lambda root: write_json(root / "concept/train/train_images.json", {"bo": ["0.png", "1.jpg"]}),
        "concept/train/train_images.json: expected pictures that are in concept/train/bo; "
        "found '1.jpg', which is not there; nearest: 1.png",
    ),
    "path that leaves the data set": (
        lambda root: edit(root, f"{TEST}/vqa.json", **{"../../../../secret.png": says(("a", "b"))}),
        "concept/test/bo/vqa.json: expected pictures inside the data set; "
        "found the path '../../../../secret.png'",
    ),
    "path of another machine": (
        lambda root: edit(root, f"{TEST}/vqa.json", **{"/etc/hostname.png": says(("a", "b"))}),
        "concept/test/bo/vqa.json: expected pictures that are in concept/test/bo; "
        "found '/etc/hostname.png', which is not there",
    ),
    "photo listed twice": (
        lambda root: write_json(root / "concept/train/train_images.json", {"bo": ["0.png", "0.png"]}),
        "concept/train/train_images.json: expected '0.png' once for bo; found it 2 times",
    ),
    "no photo listed": (
        lambda root: write_json(root / "concept/train/train_images.json", {"bo": []}),
        "concept/train/train_images.json: expected at least one photo for bo; found an empty list",
    ),
    "list of photos without concepts": (
        lambda root: write_json(root / "concept/train/train_images.json", ["0.png"]),
        "concept/train/train_images.json: expected an object {concept: [photo, ...]}; found a list of 1",
    ),
    "test photo that is taught": (
        lambda root: write_picture(root / TEST / "0.png", 2),
        "concept/test/bo/0.png: expected a photo of its own; "
        "found the same picture as concept/train/bo/2.png",
    ),
    "empty folder": (
        lambda root: empty(root / TRAIN / "negative_example"),
        "concept/train/bo/negative_example: expected pictures (png, jpg, jpeg or webp); "
        "found an empty folder",
    ),
    "no info.json": (
        lambda root: (root / TRAIN / "info.json").unlink(),
        "concept/train/bo/info.json: expected a file with the keys class and info; found no file",
    ),
    "info without a class": (
        lambda root: write_json(root / TRAIN / "info.json", {"info": "<bo> is a dog."}),
        "concept/train/bo/info.json: expected the key 'class'; found an object with the keys 'info'",
    ),
    "unknown generation type": (
        lambda root: edit(root, f"{TRAIN}/info.json", generation_type="live subject"),
        "concept/train/bo/info.json: expected object or live_subject at generation_type; "
        'found "live subject"; nearest: live_subject',
    ),
    "more testing facts than facts": (
        lambda root: edit(root, f"{TRAIN}/info.json", num_testing_info=4),
        "concept/train/bo/info.json: expected a number from 0 to 3 at num_testing_info; found 4",
    ),
    "template without answers": (
        lambda root: write_json(
            root / "template.json", [{"type": "positive", "conversations": {"questions": ["Is <sks> here?"]}}]
        ),
        "template.json: expected a list of texts at entry 0, answers; found null",
    ),
    "template of another type": (
        lambda root: write_json(root / "template.json", [{"type": "maybe", "conversations": {}}]),
        "template.json: expected {type: positive or negative, conversations: {questions, answers}} at "
        "entry 0; found an object with the keys 'type', 'conversations'",
    ),
    "prompt without the concept": (
        lambda root: write_json(root / TEST / "t2i_conditions.json", ["A photo of <bo>.", "A dog in a hat."]),
        'concept/test/bo/t2i_conditions.json: expected <bo> in every prompt; found "A dog in a hat."',
    ),
    "prompts under unknown keys": (
        lambda root: write_json(root / TEST / "t2i_conditions.json", {"prompts": ["A photo of <bo>."]}),
        "concept/test/bo/t2i_conditions.json: expected a list of prompts, or an object with the key "
        "'personalized_driven_generation'; found an object with the keys 'prompts'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_case_33_each_fault_is_one_line(tmp_path: Path, fault: str) -> None:
    write_whole_concept(tmp_path)
    assert check_dataset(tmp_path) == []
    make, message = BROKEN[fault]
    make(tmp_path)
    assert [str(problem) for problem in check_dataset(tmp_path)] == [f"{tmp_path}/{message}"]
    with pytest.raises(DataError) as error:
        read_concept(tmp_path, "bo")
    assert str(error.value) == f"{tmp_path}/{message}"


TOGETHER = (
    "truncated picture",
    "empty picture",
    "text with a picture's name",
    "folder with a picture's name",
    "broken JSON",
    "another schema",
    "picture that is not there",
    "photo listed twice",
    "unknown generation type",
    "template without answers",
    "prompt without the concept",
)


def test_everything_wrong_is_listed_at_once(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    for fault in TOGETHER:
        BROKEN[fault][0](tmp_path)
    problems = [str(problem) for problem in check_dataset(tmp_path, "bo")]
    assert sorted(problems) == sorted(f"{tmp_path}/{BROKEN[fault][1]}" for fault in TOGETHER)
    with pytest.raises(DataError) as error:
        read_concept(tmp_path, "bo")
    assert str(error.value) == f"{problems[0]} (and 10 more problems: python run.py task=check_data)"


def test_no_picture_outside_the_data_set_is_read(tmp_path: Path) -> None:
    root, outside = tmp_path / "data", tmp_path / "outside.png"
    write_whole_concept(root)
    write_picture(outside, 1)
    edit(root, f"{TEST}/vqa.json", **{str(outside): says(("a", "b"))})
    assert [str(problem) for problem in check_dataset(root)] == [
        f"{root}/{TEST}/vqa.json: expected pictures that are in {TEST}; found '{outside}', which is not there"
    ]


def test_two_problems_are_one_more(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    for i in (1, 2):
        (tmp_path / f"random_images/{i}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"\(and 1 more problem: python run\.py task=check_data\)$"):
        read_concept(tmp_path, "bo")


def test_a_concept_that_is_not_there(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    write_whole_concept(tmp_path, "mam")
    message = f"{tmp_path}/concept/train: expected a concept 'bq'; found bo, mam; nearest: bo"
    assert [str(problem) for problem in check_dataset(tmp_path, "bq")] == [message]
    with pytest.raises(DataError) as error:
        read_concept(tmp_path, "bq")
    assert str(error.value) == message
    assert len(check_dataset(tmp_path, "../train/bo")) == 1  # a name is never a path


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    message = f"{gone}: expected a folder in the UniCTokens layout; found no folder"
    assert [str(problem) for problem in check_dataset(gone)] == [message]
    message = f"{tmp_path}: expected a folder of concepts at concept/train; found none"
    assert [str(problem) for problem in check_dataset(tmp_path, "bo")] == [message]


def test_the_concepts_list(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    file = tmp_path / "concepts_list.json"
    write_json(file, ["bo", "bo", "bob"])
    assert [str(problem) for problem in check_dataset(tmp_path)] == [
        f"{file}: expected 'bo' once; found it 2 times",
        f"{file}: expected concepts that have a folder in concept/train; found 'bob'; nearest: bo",
    ]
    assert check_dataset(tmp_path, "bo") == []  # the list is no concern of one concept
    write_json(file, {"bo": 1})
    message = f"{file}: expected a list of concept names; found an object with the keys 'bo'"
    assert [str(problem) for problem in check_dataset(tmp_path)] == [message]


def test_all_concepts_are_checked_and_shared_files_are_named_once(tmp_path: Path) -> None:
    for name in ("bo", "mam"):
        write_whole_concept(tmp_path, name)
        (tmp_path / f"concept/train/{name}/info.json").unlink()
    (tmp_path / "random_images/0.png").write_bytes(b"")
    assert sorted(problem.path.relative_to(tmp_path).as_posix() for problem in check_dataset(tmp_path)) == [
        "concept/train/bo/info.json",
        "concept/train/mam/info.json",
        "random_images/0.png",
    ]


def test_a_concept_without_any_photo(tmp_path: Path) -> None:
    train = write_whole_concept(tmp_path)
    for path in train.glob("*.png"):
        path.unlink()
    for file in ("positive_recognitions", "conversations"):
        (train / f"{file}.json").unlink()
    message = f"{train}: expected at least one photo (png, jpg, jpeg or webp); found none"
    assert [str(problem) for problem in check_dataset(tmp_path)] == [message]


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    train = write_whole_concept(tmp_path)
    (train / "._0.png").write_bytes(b"a note of the file system")
    assert check_dataset(tmp_path) == []


def test_a_picture_is_decoded_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = write_whole_concept(tmp_path)
    decoded: list[Path] = []
    open_picture = pictures.open_picture

    def counting(source: Path) -> object:
        decoded.append(source)
        return open_picture(source)

    monkeypatch.setattr(pictures, "open_picture", counting)
    assert check_dataset(tmp_path) == []
    assert len(decoded) == len(set(decoded)) == len([*tmp_path.rglob("*.png")]) - 1  # all but the black one
    assert check_dataset(tmp_path) == []
    assert len(decoded) == len(set(decoded))
    (train / "0.png").write_bytes(b"no picture any more")
    os.utime(train / "0.png", ns=(1, 1))
    assert [problem.path for problem in check_dataset(tmp_path)] == [train / "0.png"]


JSON_FILES = (
    f"{TRAIN}/info.json",
    f"{TRAIN}/conversations.json",
    f"{TEST}/t2i_conditions.json",
    "template.json",
    "concepts_list.json",
    "concept/train/train_images.json",
    "test_data/bo.json",
)
WORDS = (
    *(
        "image",
        "conversations",
        "query",
        "answer",
        "from",
        "value",
        "human",
        "gpt",
        "type",
        "positive",
        "rec",
    ),
    *(
        "class",
        "info",
        "extra_info",
        "num_testing_info",
        "questions",
        "answers",
        "bo",
        "0.png",
        "\x00",
        "/",
        "",
    ),
    *("personalized_driven_generation", "generation_type", "conversation_type", "\ud800", "x" * 300),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    write_whole_concept(root)
    return root


@settings(max_examples=300, deadline=None, derandomize=True)
@given(file=st.sampled_from(JSON_FILES), value=VALUES)
def test_whatever_json_says_it_is_read_or_reported(whole: Path, file: str, value: object) -> None:
    path = whole / file
    before = path.read_text() if path.exists() else None
    try:
        write_json(path, value)
        problems = check_dataset(whole)
        if not any(problem.path != whole / "concepts_list.json" for problem in problems):
            assert read_concept(whole, "bo").turns
        for problem in problems:
            assert "\n" not in str(problem)
            str(problem).encode()  # a terminal takes it
    finally:
        path.unlink() if before is None else path.write_text(before)
