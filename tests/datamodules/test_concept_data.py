"""Reading a concept: what is taught, what is examined, and that the two are kept apart."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from concept_folders import (
    TEMPLATE,
    says,
    talk,
    write_bare_concept,
    write_json,
    write_negatives,
    write_picture,
    write_whole_concept,
)

from unictk.datamodules.concept_data import ConceptData, Conditions, Item, Turn, read_concept
from unictk.datamodules.conditions import KNOWLEDGE
from unictk.datamodules.evaluation_items import hold_out
from unictk.errors import UserError


def turns_of(data: ConceptData, *kinds: str) -> list[tuple[str | None, str, str]]:
    return [
        (None if turn.image is None else data.picture_key(turn.image), turn.question, turn.answer)
        for turn in data.turns
        if turn.kind in kinds
    ]


def asked(data: ConceptData, metric: str) -> list[tuple[str | None, str, str]]:
    return [
        (None if item.image is None else data.picture_key(item.image), item.question, item.reference)
        for item in data.items
        if item.metric == metric
    ]


def seen(rows: list[tuple[str | None, str, str]]) -> set[str | None]:
    return {picture for picture, _, _ in rows}


def test_a_whole_concept(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    data = read_concept(str(tmp_path), "bo")

    assert (data.class_noun, data.description) == ("dog", "<bo> is a small dog.")
    assert (data.conversation_type, data.generation_type, data.is_human) == ("animal", "live_subject", False)
    assert data.facts == ("<bo> has a red hat.", "<bo> has a ball.")
    assert data.held_out == ("<bo> likes tea.",)
    train = tmp_path / "concept/train/bo"
    assert data.photos == (train / "2.png", train / "0.png")  # the list's own order; 1.png is not in it
    assert data.crops == tuple(train / f"cropped/{i}.png" for i in range(3))
    assert data.test_photos == tuple(tmp_path / f"concept/test/bo/{i}.png" for i in range(2))
    assert len(data.hard_negatives) == 4
    assert len(data.random_images) == 8
    assert data.conditions == Conditions("A photo of <bo>.", ("A photo of <bo> in its hat.",), {})

    question = "Is <bo> in this photo?"
    assert turns_of(data, "positive") == [(f"concept/train/bo/{i}.png", question, "Yes.") for i in (0, 2)]
    assert {row[1:] for row in turns_of(data, "random", "hard")} == {(question, "No.")}
    photo = "concept/train/bo/0.png"
    assert turns_of(data, "vqa") == [(photo, "What fur?", "White."), (photo, "Which ears?", "Long.")]
    assert turns_of(data, "text_only") == [(None, "What hat has <bo>?", "A red hat.")]

    assert asked(data, "rec_positive") == [
        (f"concept/test/bo/{i}.png", "Is <bo> here?", "Yes.") for i in range(2)
    ]
    assert {row[1:] for m in ("rec_random", "rec_hard") for row in asked(data, m)} == {
        ("Is <bo> here?", "No.")
    }
    assert asked(data, "vqa") == [("concept/test/bo/1.png", "Where is <bo>?", "On grass.")]
    assert asked(data, "text_qa") == [(None, "What does <bo> play with?", "A ball.")]


def test_ids_are_unique_and_do_not_depend_on_the_place(tmp_path: Path) -> None:
    found = []
    for place in ("here", "there"):
        write_whole_concept(tmp_path / place)
        data = read_concept(tmp_path / place, "bo")
        keys = [turn.key for turn in data.turns]
        ids = [(item.metric, item.item_id) for item in data.items]
        assert len(set(keys)) == len(keys)
        assert len(set(ids)) == len(ids)
        assert pickle.loads(pickle.dumps(data)) == data
        found.append((keys, ids))
    assert found[0] == found[1]
    assert "vqa/concept/train/bo/0.png/1" in found[0][0]
    assert ("text_qa", "text/0") in found[0][1]


@pytest.mark.parametrize(("share", "random", "hard"), [(0.0, 1, 1), (0.25, 2, 1), (0.5, 4, 2), (0.99, 7, 3)])
def test_negatives_examined_are_never_taught(tmp_path: Path, share: float, random: int, hard: int) -> None:
    write_whole_concept(tmp_path)
    data = read_concept(tmp_path, "bo", holdout=share)
    for kind, metric, all_of_them, held in (
        ("random", "rec_random", data.random_images, random),
        ("hard", "rec_hard", data.hard_negatives, hard),
    ):
        taught, examined = seen(turns_of(data, kind)), seen(asked(data, metric))
        assert len(examined) == held
        assert not taught & examined
        assert taught | examined == {data.picture_key(path) for path in all_of_them}


def test_a_negative_under_two_names_is_not_taught(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    examined = sorted(filter(None, seen(asked(read_concept(tmp_path, "bo"), "rec_hard"))))
    copy = tmp_path / "random_images" / "0.png"
    copy.write_bytes((tmp_path / examined[0]).read_bytes())
    data = read_concept(tmp_path, "bo")
    assert sorted(filter(None, seen(asked(data, "rec_hard")))) == examined
    assert "random_images/0.png" not in seen(turns_of(data, "random"))


def test_a_single_negative_is_taught_and_examined(tmp_path: Path) -> None:
    write_bare_concept(tmp_path)
    write_negatives(tmp_path, random=1, hard=1)
    data = read_concept(tmp_path, "bo")
    assert seen(turns_of(data, "random")) == seen(asked(data, "rec_random")) == {"random_images/0.png"}
    hard = {"concept/train/bo/negative_example/0.png"}
    assert seen(turns_of(data, "hard")) == seen(asked(data, "rec_hard")) == hard


def test_hold_out_prefers_pictures_that_nothing_teaches_and_goes_by_name(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    assert hold_out(paths, paths[:18], 0.1) == paths[18:]
    held = hold_out(paths, paths, 0.25)
    assert len(held) == 5
    assert held != paths[:5]
    moved = [Path("/else") / path.name for path in reversed(paths)]
    assert {path.name for path in hold_out(moved, moved, 0.25)} == {path.name for path in held}
    assert hold_out([], [], 0.25) == []


def test_the_least_a_concept_needs(tmp_path: Path) -> None:
    train = write_bare_concept(tmp_path, photos=0)
    for i in (10, 2, 1):
        write_picture(train / f"{i}.png", i)
    data = read_concept(tmp_path, "bo")
    assert [path.name for path in data.photos] == ["1.png", "2.png", "10.png"]
    assert data.crops == data.photos
    assert data.items == ()
    assert data.conditions == Conditions("A photo of <bo>.")
    assert {turn.kind for turn in data.turns} == {"positive"}
    assert [row[1:] for row in turns_of(data, "positive")] == [("Is <bo> in this photo?", "Yes.")] * 3


def test_recognitions_from_the_template(tmp_path: Path) -> None:
    write_bare_concept(tmp_path, photos=3)
    write_negatives(tmp_path)
    write_json(tmp_path / "template.json", TEMPLATE)
    data = read_concept(tmp_path, "bo")
    assert [row[1:] for row in turns_of(data, "positive")] == [
        ("Is <bo> here?", "Yes, <bo> is."),
        ("Do you see <bo>?", "Yes, <bo> is."),
        ("Is <bo> here?", "Yes, <bo> is."),
    ]
    pairs = {("Is <bo> here?", "No, not <bo>."), ("Do you see <bo>?", "No.")}
    assert {row[1:] for row in turns_of(data, "random")} == pairs
    assert {row[1:] for row in turns_of(data, "hard")} == pairs


def test_no_question_is_asked_of_negatives_only(tmp_path: Path) -> None:
    """Otherwise the question alone gives the answer away."""
    train = write_bare_concept(tmp_path)
    write_negatives(tmp_path)
    write_json(tmp_path / "template.json", TEMPLATE)
    mine = ("Do you see <sks>?", "Yes, I do."), ("Any <sks>?", "Yes.")
    write_json(train / "positive_recognitions.json", {"0.png": says(*mine)})
    data = read_concept(tmp_path, "bo")
    pairs = {("Do you see <bo>?", "No."), ("Any <bo>?", "No.")}
    assert {row[1:] for row in turns_of(data, "random")} == pairs
    assert {row[1:] for row in turns_of(data, "hard")} == pairs


@pytest.mark.parametrize("form", ["object", "list of queries", "list of turns"])
def test_every_form_of_a_file_says_the_same(tmp_path: Path, form: str) -> None:
    train = write_bare_concept(tmp_path)
    pairs = [("What fur has <sks>?", "White."), ("Which ears?", "Long.")]
    fact = ("What hat?", "A red one.")
    content = {
        "object": {"0.png": says(*pairs), "text_only": says(fact)},
        "list of queries": [{"image": "0.png", "conversations": says(*pairs)}, {"conversations": says(fact)}],
        "list of turns": [
            {"image": "0.png", "conversations": talk(*pairs)},
            {"image": "text_only", "conversations": talk(fact)},
        ],
    }[form]
    write_json(train / "conversations.json", content)
    data = read_concept(tmp_path, "bo")
    photo = "concept/train/bo/0.png"
    assert turns_of(data, "vqa", "text_only") == [
        (photo, "What fur has <bo>?", "White."),
        (photo, "Which ears?", "Long."),
        (None, "What hat?", "A red one."),
    ]


def generated(root: Path, where: str = "") -> list[dict[str, object]]:
    train = f"{where}concept/train/bo"
    rows = [
        (f"{train}/0.png", ("Is <bo> in this photo?", "Yes.")),
        (f"{train}/0.png", ("Is <bo> white?", "Yes.")),
        (f"{train}/negative_example/0.png", ("Is <bo> in this photo?", "No.")),
        *[(f"{where}random_images/{i}.png", ("Is <bo> in this photo?", "No.")) for i in range(4)],
        (f"{where}black_512x512.png", ("What hat?", "Red.")),
    ]
    return [{"image": image, "conversations": talk(pair)} for image, pair in rows]


@pytest.mark.parametrize(
    "where", ["", "./", "./dataset/unictokens_data/", "/home/someone/unictokens_data/", "C:\\data\\"]
)
def test_case_33_generated_training_files_and_items_without_a_picture(tmp_path: Path, where: str) -> None:
    write_bare_concept(tmp_path)
    write_negatives(tmp_path, random=4, hard=1)
    rows = generated(tmp_path, where)
    write_json(tmp_path / "showo_training_data_stage_1/bo.json", rows)
    more = [{"conversations": talk(("What ball?", "Blue."))}]
    write_json(tmp_path / "showo_training_data_stage_3/bo.json", rows + more)
    data = read_concept(tmp_path, "bo")
    # One of four random images is held out; both files repeat each other; no image means text only.
    kinds = Counter(turn.kind for turn in data.turns)
    assert kinds == {"positive": 1, "vqa": 1, "hard": 1, "random": 3, "text_only": 2}
    assert turns_of(data, "vqa") == [("concept/train/bo/0.png", "Is <bo> white?", "Yes.")]
    assert turns_of(data, "text_only") == [(None, "What hat?", "Red."), (None, "What ball?", "Blue.")]
    assert not seen(turns_of(data, "random")) & seen(asked(data, "rec_random"))


def test_own_files_come_before_generated_ones(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    before = read_concept(tmp_path, "bo").turns
    write_json(tmp_path / "showo_training_data_stage_1/bo.json", generated(tmp_path))
    assert read_concept(tmp_path, "bo").turns == before


def test_generated_evaluation_files_fill_what_is_missing(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    rows = [
        ("vqa", "concept/test/bo/0.png", ("Ignored?", "Yes: vqa.json is there.")),
        ("single_choice", "concept/test/bo/0.png", ("Which? A. dog B. cat", "A")),
        ("single_choice", "concept/test/bo/0.png", ("Which? A. cat B. dog", "B")),
        ("text_only", "black_512x512.png", ("What does it drink?", "Tea.")),
        ("rec", "random_images/3.png", ("Is <bo> here?", "No.")),
    ]
    content = [{"type": t, "image": i, "conversations": talk(pair)} for t, i, pair in rows]
    write_json(tmp_path / "test_data/bo.json", content)
    (tmp_path / "concept/test/bo/text_only.json").unlink()
    data = read_concept(tmp_path, "bo")
    photo = "concept/test/bo/0.png"
    assert asked(data, "choice") == [
        (photo, "Which? A. dog B. cat", "A"),
        (photo, "Which? A. cat B. dog", "B"),
    ]
    assert asked(data, "text_qa") == [(None, "What does it drink?", "Tea.")]
    assert asked(data, "vqa") == [("concept/test/bo/1.png", "Where is <bo>?", "On grass.")]
    assert len(asked(data, "rec_random")) == 2


def test_published_negatives_are_sorted_by_where_they_lie_and_not_taught(tmp_path: Path) -> None:
    train = write_bare_concept(tmp_path)
    for i in range(3):
        write_picture(tmp_path / "concept/train/other" / f"{i}.png", 50 + i)
    no, none = ("Is <bo> here?", "No."), ("Is <bo> here?", "No, nobody.")
    rows = [
        ("concept/train/other/0.png", no),
        ("concept/train/other/1.png", none),
        ("concept/train/bo/0.png", ("Is <bo> here?", "Not a doubt.")),
    ]
    content = [{"type": "rec", "image": image, "conversations": talk(pair)} for image, pair in rows]
    write_json(tmp_path / "test_data/bo.json", content)
    others = {f"concept/train/other/{i}.png": says(no) for i in range(3)}
    write_json(train / "random_recognitions.json", others)
    data = read_concept(tmp_path, "bo")
    first, second = (f"concept/train/other/{i}.png" for i in range(2))
    assert asked(data, "rec_random") == [(first, *no), (second, *none)]
    assert asked(data, "rec_positive") == [("concept/train/bo/0.png", "Is <bo> here?", "Not a doubt.")]
    assert seen(turns_of(data, "random")) == {"concept/train/other/2.png"}


def test_case_33_conditions_of_the_newer_form(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    groups = {KNOWLEDGE: ["A photo of <sks> in its hat."], "dense_prompt_generation": ["A dog, a red hat."]}
    write_json(tmp_path / "concept/test/bo/t2i_conditions.json", groups)
    prompts = ("A photo of <bo> in its hat.",)
    expected = {KNOWLEDGE: prompts, "dense_prompt_generation": ("A dog, a red hat.",)}
    assert read_concept(tmp_path, "bo").conditions == Conditions("A photo of <bo>.", prompts, expected)


def test_people_are_told_apart_by_their_conversation_type(tmp_path: Path) -> None:
    train = write_bare_concept(tmp_path)
    write_json(train / "info.json", {"class": "man", "info": "<bo> is a man."})
    assert not read_concept(tmp_path, "bo").is_human
    write_json(train / "info.json", {"class": "man", "info": "<bo> is a man.", "conversation_type": "human"})
    assert read_concept(tmp_path, "bo").is_human


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_holdout_that_is_no_share(tmp_path: Path, share: float) -> None:
    write_bare_concept(tmp_path)
    message = f"concept.holdout: {share!r} is not a share; expected 0 <= holdout < 1"
    with pytest.raises(UserError) as error:
        read_concept(tmp_path, "bo", holdout=share)
    assert str(error.value) == message


def test_importing_it_does_not_import_torch() -> None:
    code = "import sys, unictk.datamodules.concept_data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_records_are_what_their_readers_expect(tmp_path: Path) -> None:
    write_whole_concept(tmp_path)
    data = read_concept(tmp_path, "bo")
    photo = tmp_path / "concept/train/bo/0.png"
    key = "positive/concept/train/bo/0.png/0"
    assert data.turns[0] == Turn("positive", photo, "Is <bo> in this photo?", "Yes.", key)
    test = tmp_path / "concept/test/bo/0.png"
    assert data.items[0] == Item("rec_positive", "concept/test/bo/0.png/0", test, "Is <bo> here?", "Yes.")
