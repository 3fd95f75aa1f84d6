# ruff: noqa: E501  (a whole message is one line)
"""Question files of both forms, and everything that can be wrong in them, in one line each."""

import json

import pytest

from unictk.benchmarks.unicycle.files import read_cycles, spread
from unictk.errors import DataError

OWN = {
    "prompt_id": "a1",
    "category": "2D Spatial relation",
    "prompt": "A cat left of a dog.",
    "questions": [
        {
            "qid": "x",
            "format": "mcq",
            "question": "Where is the cat?",
            "options": ["left", "right"],
            "answer": "A",
        },
        {"question": "Is there a bird?", "answer": "no"},
        {"question": "What is right of the cat?", "answer": "a dog"},
        {"is_text": True, "question": "What does the sign say?", "answer": "GO ON", "options": []},
    ],
}
TIIF = {
    "type": "negation",
    "short_description": "No cats.",
    "long_description": "A long picture without cats.",
    "yn_question_list": ["Is there a cat? ", "Is it long?"],
    "yn_answer_list": ["No", "yes"],
}
ASKS = {name: TIIF[name] for name in ("type", "yn_question_list", "yn_answer_list")}
DRAWS = {name: TIIF[name] for name in ("type", "short_description", "long_description")}


def written(file, *rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_our_own_form(tmp_path):
    (cycle,) = read_cycles(written(tmp_path / "q.jsonl", OWN))
    assert (cycle.prompt_id, cycle.prompt, cycle.category) == ("a1", OWN["prompt"], OWN["category"])
    assert cycle.groups == ("2d_spatial_relation",)
    side, bird, dog, sign = cycle.questions
    assert (side.qid, side.kind, side.reference, side.letter) == ("x", "multiple_choice", "left", "A")
    assert side.lettered().splitlines()[:3] == ["Where is the cat?", "A. left", "B. right"]
    assert (bird.qid, bird.kind, bird.reference) == ("2", "yes_no", "no")
    assert (dog.kind, dog.reference) == ("open", "a dog")
    assert (sign.kind, sign.keywords) == ("keywords", ("GO", "ON"))


@pytest.mark.parametrize("reference", ["B", "(B)", "b.", "right", "Right.", "B. right"])
def test_an_option_is_named_by_its_letter_or_its_words(tmp_path, reference):
    row = OWN | {"questions": [OWN["questions"][0] | {"answer": reference}]}
    assert read_cycles(written(tmp_path / "q.jsonl", row))[0].questions[0].reference == "right"


def test_a_json_list_is_read_like_lines(tmp_path):
    (tmp_path / "q.json").write_text(json.dumps([OWN, TIIF]))
    assert [one.prompt_id for one in read_cycles(tmp_path / "q.json")] == ["a1", "q-0001"]


def test_tiif_in_both_lengths(tmp_path):
    file = written(tmp_path / "negation.jsonl", TIIF, TIIF)
    first, second = read_cycles(file)
    assert (first.prompt, first.category, first.prompt_id) == ("No cats.", "negation", "negation-0000")
    assert second.prompt_id == "negation-0001"
    assert [(one.kind, one.text, one.reference) for one in first.questions] == [
        ("yes_no", "Is there a cat?", "No"),
        ("yes_no", "Is it long?", "yes"),
    ]
    assert read_cycles(file, length="long")[0].prompt == "A long picture without cats."


def test_tiif_in_parallel_folders(tmp_path):
    written(tmp_path / "asks" / "negation.jsonl", ASKS)
    written(tmp_path / "asks" / "color.jsonl", ASKS | {"type": "color"})
    written(tmp_path / "draws" / "negation.jsonl", DRAWS)
    written(tmp_path / "draws" / "color.jsonl", DRAWS | {"type": "color", "short_description": "Red."})
    found = read_cycles(tmp_path / "asks", tmp_path / "draws")
    assert [(one.category, one.prompt) for one in found] == [("color", "Red."), ("negation", "No cats.")]


def test_a_limit_takes_from_everywhere(tmp_path):
    rows = [OWN | {"prompt_id": str(number)} for number in range(10)]
    found = read_cycles(written(tmp_path / "q.jsonl", *rows))
    assert [one.prompt_id for one in spread(found, 4)] == ["0", "2", "5", "7"]
    assert spread(found, None) == spread(found, 10) == spread(found, 99) == found


def asking(**changed):
    return OWN | {"questions": [OWN["questions"][0] | changed]}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "A cat."}, "row 0 has no questions; expected a list questions, or yn_question_list"),
        (OWN | {"questions": []}, "row 0 has no questions"),
        (OWN | {"questions": ["Is it?"]}, "row 0 question 1 is 'Is it?'; expected an object"),
        (OWN | {"prompt": " "}, "row 0 has no prompt; expected prompt or short_description"),
        (OWN | {"prompt": ["A cat."]}, "row 0 has prompt: ['A cat.']; expected text"),
        (ASKS, "row 0 has no prompt"),
        (TIIF | {"yn_answer_list": ["no"]}, "row 0 has 2 questions and 1 answers; expected as many of each"),
        (TIIF | {"yn_answer_list": ["no", "maybe"]}, "question 2 has the reference 'maybe'; expected yes or no"),
        (TIIF | {"yn_question_list": "Is it?"}, "row 0 has yn_question_list: 'Is it?'; expected a list of texts"),
        (asking(question=""), "question 1 has no question"),
        (asking(answer=None), "question 1 has no reference (or answer); expected the right answer"),
        (asking(answer="C"), "question 1 has the reference 'C'; expected a letter A to B, or one of the options"),
        (asking(options=["left"]), "question 1 has 1 options; expected two to 8"),
        (asking(options=["left", "Left."]), "question 1 has options left, Left.; expected different ones"),
        (asking(options=[1, 2]), "question 1 has options: [1, 2]; expected a list of texts"),
        (asking(format="mcqs"), "question 1 has the format 'mcqs'; nearest: mcq. All: yes_no, yesno, multiple"),
        (OWN | {"questions": OWN["questions"][:1] * 2}, "row 0 has two questions 'x'; expected every qid once"),
    ],
)  # fmt: skip
def test_wrong_rows(tmp_path, row, reason):
    file = written(tmp_path / "q.jsonl", row)
    with pytest.raises(DataError) as error:
        read_cycles(file)
    assert reason in str(error.value)
    assert str(error.value).startswith(f"benchmark.questions: {str(file)!r} ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("q.txt", "", "is no file of a known kind; expected .jsonl or .json"),
        ("q.jsonl", "", "has no questions"),
        ("q.jsonl", json.dumps(OWN) + "\n{", "line 2 is not JSON"),
        ("q.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("q.jsonl", "3", "holds 3; expected objects"),
        ("q.json", json.dumps(OWN), "holds no list; expected a list of objects"),
        ("q.jsonl", f"{json.dumps(OWN)}\n{json.dumps(OWN)}", "has two prompts 'a1'"),
    ],
)
def test_wrong_files(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=reason):
        read_cycles(tmp_path / name)


def test_missing_files_and_empty_folders(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_cycles(tmp_path / "gone.jsonl")
    with pytest.raises(DataError, match=r"has no .jsonl or .json files"):
        read_cycles(tmp_path)


def test_prompts_that_are_not_parallel(tmp_path):
    asks = written(tmp_path / "asks.jsonl", ASKS)
    with pytest.raises(DataError, match=r"benchmark.prompts: .* has 2 rows, .* has 1"):
        read_cycles(asks, written(tmp_path / "two.jsonl", DRAWS, DRAWS))
    with pytest.raises(DataError, match=r"row 0 has type 'color', .* has 'negation'; expected the same rows"):
        read_cycles(asks, written(tmp_path / "other.jsonl", DRAWS | {"type": "color"}))
    with pytest.raises(DataError, match=r"benchmark.prompts: .* cannot be read"):
        read_cycles(asks, tmp_path / "gone.jsonl")
