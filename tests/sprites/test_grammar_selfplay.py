import json
import random
from collections import Counter

import pytest

from unictk.sprites.asked import SETTING, Asked
from unictk.sprites.grammar.categories import categories, choose, fits
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.grammar.parse import parse, parse_scene
from unictk.sprites.grammar.selfplay import (
    Proposal,
    parse_proposal,
    proposal,
    proposal_text,
    proposer_question,
)
from unictk.sprites.grammar.verdicts import (
    critique,
    judge_question,
    parse_verdict,
    redraw,
    score_of,
    verdict_on,
    verdict_text,
)
from unictk.sprites.oracle import Reading, score
from unictk.sprites.splits import random_scene

PHRASINGS = ("training", "evaluation")
ASKED = Asked("sea", ({"shape": "star", "second": "blue", "accessory": "none"},))
TWO = Asked(
    None,
    ({"colour": "red", "shape": "star"}, {"colour": "blue", "shape": "drop"}),
    (("left", 1, 0),),
    2,
    ((1, "accessory", "hat"), (SETTING, "setting", "snow")),
)


def all_true(asked):
    return dict.fromkeys(asked.points(), True)


def test_a_verdict_by_hand():
    each = all_true(ASKED) | {"0.second": False}
    assert verdict_text(ASKED, each) == (
        '{"analysis": "setting: sea, right. shape: star, right. feet: blue, wrong. '
        'accessory: nothing, right.", "score": 7}'
    )
    assert json.loads(verdict_text(TWO, all_true(TWO) | {"left 1 0": False}))["analysis"] == (
        "first shape: star, right. first colour: red, right. second shape: drop, right. "
        "second colour: blue, right. relation: second left of first, wrong. count: two, right. "
        "not second accessory: hat, right. not setting: snow, right."
    )


def test_scores():
    assert score_of({"a": True, "b": False, "c": True}) == 6
    assert score_of(dict.fromkeys("abcdefghijkl", True) | {"a": False}) == 9, "ten only if all is right"
    assert score_of({"a": True}) == 10
    assert score_of({"a": False}) == 0
    with pytest.raises(ValueError, match="at least one"):
        score_of({})


def test_verdicts_round_trip():
    chance, scores = random.Random(0), Counter()
    for number in range(400):
        scene = random_scene(chance, "pretraining", 1 + number % 3)
        detail = chance.choice(("short", "medium", "dense", "count", "negation"))
        asked = prompt(chance, scene, detail, "training")[1]
        each = {name: chance.random() < 0.6 for name in asked.points()}
        verdict = parse_verdict(verdict_text(asked, each))
        assert verdict is not None
        assert (verdict.each(asked), verdict.score) == (each, score_of(each))
        assert verdict.complete(asked)
        scores[score_of(each)] += 1
    assert len(scores) > 8


def test_a_reader_says_what_it_sees_before_it_calls_it_right():
    scene = parse_scene(
        "In the sea: a small red star with blue stripes, no ears and round eyes, "
        "wearing a pink hat, at the top left."
    )
    asked = Asked(
        "snow",
        ({"shape": "star", "second": "green"}, {"shape": "drop"}),
        (("left", 0, 1),),
        2,
        ((0, "accessory", "hat"), (SETTING, "setting", "sea")),
    )
    verdict = json.loads(verdict_on(asked, Reading(scene, 0.0, True)))
    assert verdict == {
        "analysis": "setting: snow, seen sea, wrong. first shape: star, seen star, right. "
        "first feet: green, seen blue, wrong. second shape: drop, seen missing, wrong. "
        "relation: first left of second, wrong. count: two, seen one, wrong. "
        "not first accessory: hat, seen hat, wrong. not setting: sea, seen sea, wrong.",
        "score": 1,
    }
    parsed = parse_verdict(json.dumps(verdict))
    assert parsed.complete(asked)
    assert parsed.each(asked) == score(asked, Reading(scene, 0.0, True)).each


def test_an_unclear_picture_has_nothing_right():
    text = verdict_on(ASKED, Reading(random_scene(random.Random(0), "pretraining"), 1.0, False))
    assert json.loads(text) == {"analysis": "picture: unclear, wrong.", "score": 0}
    verdict = parse_verdict(text)
    assert verdict.complete(ASKED)
    assert verdict.each(ASKED) == dict.fromkeys(ASKED.points(), False)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: f"{text} Done.",
        lambda text: text.replace('"score": 10', '"score": 11'),
        lambda text: text.replace('"score": 10', '"score": "10"'),
        lambda text: text.replace('"score": 10', '"score": true'),
        lambda text: text.replace('"score": 10', '"score": 10, "more": 1'),
        lambda text: text.replace("star, right", "star, good"),
        lambda text: text.replace("shape: star", "shape star"),
        lambda text: text.replace('right.",', 'right",'),
        lambda text: "[10]",
    ],
)
def test_anything_else_is_no_verdict(change):
    text = verdict_text(ASKED, all_true(ASKED))
    assert parse_verdict(text) is not None
    assert change(text) != text
    assert parse_verdict(change(text)) is None


def test_a_verdict_on_other_points_parses_and_is_not_complete():
    text = verdict_text(ASKED, all_true(ASKED))
    for change, left in (("star", "drop"), ("shape: star, right. ", "")):
        verdict = parse_verdict(text.replace(change, left))
        assert verdict is not None
        assert not verdict.complete(ASKED)
        assert set(verdict.each(ASKED)) == set(ASKED.points()) - {"0.shape"}
    more = parse_verdict(text.replace("setting: sea, right.", "setting: sea, right. count: one, right."))
    assert more is not None
    assert not more.complete(ASKED)
    assert more.each(ASKED) == all_true(ASKED)


def test_a_critique_says_what_is_wrong_and_nothing_else():
    each = all_true(TWO) | {"1.colour": False, "not 1.accessory hat": False, "left 1 0": False}
    assert critique(TWO, each) == (
        "Wrong: the second colour should be blue, the relation should be second left of first, "
        "the second accessory should not be hat."
    )
    assert critique(TWO, all_true(TWO)) == "Nothing is wrong."
    for phrasing in PHRASINGS:
        text = redraw(random.Random(0), "A red star.", "Wrong: the count should be two.", phrasing)
        assert "A red star." in text
        assert "Wrong: the count should be two." in text
        assert "A red star." in judge_question(random.Random(0), "A red star.", phrasing)


@pytest.mark.parametrize("phrasing", PHRASINGS)
@pytest.mark.parametrize("category", list(categories()))
def test_proposals_fit_their_category(category, phrasing):
    chance, kind, seen = random.Random(1), categories()[category], Counter()
    for _ in range(120):
        scene = random_scene(chance, "pretraining", chance.choice(kind.characters))
        text, asked = proposal(chance, scene, category, phrasing)
        made = parse_proposal(text)
        assert made.category == category
        assert parse(made.prompt) == asked
        assert fits(category, made.prompt), made
        inner = {one.name: one for one in kind.subcategories}
        assert inner[made.subcategory].holds(asked)
        assert len(asked.characters) in (0, len(scene.characters))
        seen[made.subcategory] += 1
    assert set(seen) == {one.name for one in kind.subcategories}


def test_what_fits_and_what_does_not():
    assert len(categories()) == 10
    for category, right, wrong in (
        ("single", "A red star with blue feet.", "A red star."),
        ("pattern", "A red star with blue dots.", "A dotted red star."),
        ("face", "A star with wide eyes.", "A star with blue feet."),
        ("accessories", "A star with a blue hat.", "A star with a hat."),
        ("positions", "A star in the top row.", "A big star."),
        ("sizes", "A big star.", "A red star."),
        ("relations", "A red star left of a blue drop.", "A red star and a blue drop."),
        ("counting", "Two characters in the sea.", "A red star and a blue drop."),
        ("negation", "A red star with no hat.", "A red star wearing nothing."),
        (
            "two characters",
            "A red star with blue feet and a pink drop with red feet.",
            "A red star and a drop.",
        ),
    ):
        assert fits(category, right), (category, right)
        assert not fits(category, wrong), (category, wrong)
        assert not fits(category, "Something else.")
    assert not fits("face", "A star with wide eyes and a drop."), "one character only"


def test_a_category_refuses_other_numbers_of_characters():
    with pytest.raises(ValueError, match="relations"):
        choose(random.Random(0), random_scene(random.Random(0), "pretraining"), "relations")


def test_the_proposers_question_tells_rule_and_examples():
    for phrasing in PHRASINGS:
        text = proposer_question(random.Random(0), "sizes", ["A big star.", "A small drop."], phrasing)
        assert "sizes" in text
        assert categories()["sizes"].rule in text
        assert "Examples: A big star. A small drop." in text
        assert "Examples" not in proposer_question(random.Random(0), "sizes", [], phrasing)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "A red star.",
        '{"prompt": "A red star."}',
        '{"major_category": 1, "subcategory": "", "prompt": ""}',
        "[1, 2, 3]",
    ],
)
def test_other_texts_are_no_proposals(text):
    assert parse_proposal(text) is None
    good = Proposal("sizes", "big", "A big star.")
    assert parse_proposal(proposal_text(good)) == good
