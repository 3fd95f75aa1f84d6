"""The writer of questions: what it asks, when it is content, and the file that comes of it."""

import json

import pytest
from chat_server import serving

from unictk.benchmarks.unicycle import write as command
from unictk.benchmarks.unicycle.files import read_cycles
from unictk.benchmarks.unicycle.rows import read_row
from unictk.benchmarks.unicycle.write import by_backbone, write
from unictk.benchmarks.unicycle.writing import Writing, as_row, incomplete, read_questions, told

GOOD = {
    "questions": [
        {"question": "What colour is the cat?", "format": "open", "answer": "red"},
        {
            "question": "What colour is the dog?",
            "format": "open",
            "answer": "blue",
            "keywords": [],
            "options": [],
        },
    ]
}
COVERED = {
    "facts": [{"fact": "the cat is red", "questions": [1]}, {"fact": "the dog is blue", "questions": [2]}]
}


def wrong(**changed):
    return json.dumps({"questions": [GOOD["questions"][0] | changed]})


def writing(attempts=3):
    return Writing("p1", "A red cat and a blue dog.", "color", attempts)


def facts(*numbers):
    return json.dumps(
        {"facts": [{"fact": f"fact {at}", "questions": each} for at, each in enumerate(numbers)]}
    )


def test_written_checked_and_done():
    one = writing()
    asked = one.wanted()
    assert (asked.role, asked.attempt) == ("write", 0)
    assert asked.question.user == "TASK_TYPE: color\nIMAGE_PROMPT: A red cat and a blue dog."
    assert one.wanted() == asked, "asking changes nothing"
    one.tell(f"Here they are: {json.dumps(GOOD)}")
    asked = one.wanted()
    assert asked.role == "check"
    assert asked.question.user.splitlines()[2:] == [
        "1. What colour is the cat? Reference answer: red",
        "2. What colour is the dog? Reference answer: blue",
    ]
    one.tell(json.dumps(COVERED))
    assert one.done
    assert one.wanted() is None
    assert [question.reference for question in one.cycle.questions] == ["red", "blue"]
    assert read_row(as_row(one.cycle), "0") == one.cycle.__class__(
        "p1", one.prompt, "color", one.cycle.questions, groups=("color",)
    )
    with pytest.raises(ValueError, match="nothing was asked"):
        one.tell("more")


def test_an_incomplete_set_is_written_again_with_the_complaint():
    one = writing()
    one.tell(json.dumps(GOOD))
    one.tell(facts([1], [], [2]))
    asked = one.wanted()
    assert (asked.role, asked.attempt) == ("write", 1)
    assert "were not accepted: no question asks 'fact 1'.\n" in asked.question.user
    one.tell(json.dumps(GOOD))
    one.tell(json.dumps(COVERED))
    assert one.cycle is not None
    assert one.complaint == ""


def test_after_a_few_attempts_a_prompt_is_given_up():
    one = writing(attempts=2)
    one.tell("I would rather not.")
    one.tell(json.dumps(GOOD))
    assert not one.done
    one.tell(facts([1]))
    assert one.done
    assert one.cycle is None
    assert one.wanted() is None
    assert one.complaint == "what question 2 asks is not in the prompt."


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (facts([1], [2]), ""),
        (facts([2], [1]), ""),
        (facts([1], []), "no question asks 'fact 1'; what question 2 asks is not in the prompt."),
        (facts([1, 2]), "questions 1, 2 all ask 'fact 0'."),
        (facts([1], [1], [2]), "question 1 asks several facts at once."),
        (facts(), "the prompt says nothing about the task type."),
        (facts([3]), "the check of the questions has the fact 'fact 0' with no list of numbers 1 to 2."),
        (facts([True]), "the check of the questions has the fact 'fact 0' with no list of numbers 1 to 2."),
        (facts("1"), "the check of the questions has the fact 'fact 0' with no list of numbers 1 to 2."),
        ("complete!", 'the check of the questions has no JSON object with a list "facts".'),
        ('{"facts": [1]}', 'the check of the questions has no JSON object with a list "facts".'),
    ],
)
def test_completeness(answer, complaint):
    assert incomplete(answer, 2) == complaint


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("nothing", 'the reply has no JSON object with a list "questions".'),
        ('{"questions": []}', 'the reply has no JSON object with a list "questions".'),
        ('{"questions": ["Is it?"]}', "question 1 is 'Is it?'; expected an object."),
        (wrong(answer=""), "question 1 has no reference (or answer); expected the right answer."),
        (wrong(format="yes_no"), "question 1 has the reference 'red'; expected yes or no."),
        (wrong(question="Is the red cat red?"), "question 1 contains its answer, 'red'."),
        (wrong(format="multiple_choice", options=["red"]), "question 1 has 1 options; expected two to 8."),
        (json.dumps({"questions": GOOD["questions"][:1] * 2}), "question 2 is asked twice."),
    ],
)
def test_questions_that_cannot_be_asked(answer, complaint):
    assert read_questions(answer) == complaint


def test_ids_of_a_writer_are_not_taken():
    rows = {"questions": [{**one, "qid": "same"} for one in GOOD["questions"]]}
    assert [one.qid for one in read_questions(json.dumps(rows))] == ["1", "2"]


def test_an_answer_inside_a_longer_word_is_not_told():
    (one,) = read_questions(wrong(question="How tired is the cat?"))
    assert told(one) == ""


class Author:
    """A backbone that writes the good set, and checks it."""

    def __init__(self):
        self.calls = []

    def generate_text(self, requests):
        self.calls.append(len(requests))
        texts = ["".join(segment.text for segment in one) for one in requests]
        return [json.dumps(COVERED if "Reference answer" in text else GOOD) for text in texts]


def test_the_model_itself_can_write():
    author, kept = Author(), []
    several = [Writing(str(number), "A red cat and a blue dog.", "color") for number in range(5)]
    write(several, by_backbone(author, seed=0), kept.extend, size=3)
    assert kept == several
    assert all(one.cycle is not None for one in several)
    assert author.calls == [3, 3, 2, 2]


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["write", *map(str, words)])
    return command.main()


def test_the_command_writes_a_question_file(tmp_path, monkeypatch, capsys):
    prompts = tmp_path / "color.jsonl"
    rows = [{"type": "color", "short_description": f"A red cat and a blue dog, {n}."} for n in range(3)]
    prompts.write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "questions.jsonl"

    def behave(asked, came):
        said = asked["messages"][1]["content"]
        if "dog, 1." in said:
            return "no"
        return json.dumps(COVERED if "Reference answer" in said else GOOD)

    with serving(behave) as server:
        assert run(monkeypatch, prompts, out, "--model", "m", "--base-url", server.url) == 0
        said = capsys.readouterr().out
        assert "color-0001: left out: the reply has no JSON object" in said
        assert f"{out}: 2 prompts, 2 of them new; 1 left out" in said
        assert [one.prompt_id for one in read_cycles(out)] == ["color-0000", "color-0002"]
        count, kept = len(server.requests), out.read_text()
        assert (
            run(monkeypatch, prompts, out, "--model", "m", "--base-url", server.url, "--attempts", "1") == 0
        )
        assert len(server.requests) == count + 1, "only the one that is missing is asked for again"
    assert out.read_text() == kept


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "A cat."}, "row 0 has no category (or type); give --category"),
        ({"type": "color"}, "row 0 has no prompt; expected prompt or short_description"),
    ],
)
def test_wrong_prompts_are_told_in_one_line(tmp_path, monkeypatch, capsys, row, reason):
    prompts = tmp_path / "p.jsonl"
    prompts.write_text(json.dumps(row))
    assert run(monkeypatch, prompts, tmp_path / "out.jsonl", "--model", "m", "--base-url", "http://x") == 2
    assert capsys.readouterr().err == f"error: prompts: {str(prompts)!r} {reason}\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["out.json"], "out: 'out.json' is added to line by line; expected a name with .jsonl"),
        (["out.jsonl", "--attempts", "0"], "attempts: 0 is not allowed, expected an integer from 1"),
        (["out.jsonl"], "prompts: 'gone.jsonl' cannot be read"),
    ],
)
def test_wrong_requests_of_the_command(monkeypatch, capsys, tmp_path, words, reason):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "gone.jsonl", *words, "--model", "m", "--base-url", "http://x") == 2
    assert capsys.readouterr().err.startswith(f"error: {reason}")
    assert list(tmp_path.iterdir()) == []
