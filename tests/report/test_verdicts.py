import json

import pytest

from unictk.report.verdicts import Drawing, read_drawings

VERDICT = {
    "score": 7.5,
    "right": {"0.colour": True, "0.ears": False},
    "analysis": "Seen.",
    "status": "miscounted",
}


def test_a_picture_of_a_concept() -> None:
    answer = {
        "prompt": "A photo.",
        "verdict": VERDICT,
        "similar": {"clip_i": 0.5, "odd": "x", "nan": float("nan")},
    }
    (found,) = read_drawings(json.dumps(answer))
    assert (found.prompt, found.score, found.judged, found.analysis) == ("A photo.", 7.5, True, "Seen.")
    assert (found.right, found.wrong) == (("colour",), ("ears",))
    assert found.trouble == "another number of things than asked"
    assert found.similar == (("clip_i", 0.5),)


def test_a_picture_that_nobody_judged() -> None:
    (found,) = read_drawings('{"prompt": "P", "verdict": null, "similar": {"clip_i": 0.5}}')
    assert (found.judged, found.score, found.points, found.trouble) == (False, None, (), "")


def test_a_bare_verdict_and_two_of_a_picture_drawn_again() -> None:
    assert read_drawings(json.dumps(VERDICT))[0].wrong == ("ears",)
    both = read_drawings(json.dumps([VERDICT, VERDICT | {"status": "ok"}]))
    assert [one.trouble for one in both] == ["another number of things than asked", ""]
    assert len(read_drawings(json.dumps([VERDICT, 31.5]))) == 1


def test_points_say_which_character_only_where_there_are_several() -> None:
    several = {
        "0.colour": True,
        "1.colour": False,
        "left 0 1": True,
        "not 1.accessory hat": True,
        "setting": False,
    }
    (found,) = read_drawings(json.dumps(VERDICT | {"right": several}))
    assert found.right == ("character 1: colour", "left 0 1", "not character 2: accessory hat")
    assert found.wrong == ("character 2: colour", "setting")
    (alone,) = read_drawings(json.dumps(VERDICT | {"right": {"0.left_ear": True, "not 0.item ball": False}}))
    assert (alone.right, alone.wrong) == (("left ear",), ("not item ball",))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Red.",
        "{",
        "{}",
        "[]",
        "[1]",
        '{"score": 1}',
        '{"score": "x", "right": {}, "status": "ok"}',
        "[" * 99999,
    ]
    + [
        json.dumps({"prompt": "P", "verdict": broken})
        for broken in (3, [], {"score": 1}, {**VERDICT, "right": 3})
    ],
)
def test_what_is_no_drawing_is_a_plain_answer(answer: str) -> None:
    assert read_drawings(answer) == ()


def test_a_status_that_is_not_known_is_told_as_it_is() -> None:
    assert Drawing(None, True, status="melted").trouble == "melted"
