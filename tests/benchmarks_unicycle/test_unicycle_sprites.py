"""Questions of the sprites world: exact, complete, and about one character beyond doubt."""

import random
import re
from collections import Counter
from itertools import chain

import pytest

from unictk.benchmarks.unicycle.questions import KINDS, uncovered
from unictk.benchmarks.unicycle.sprites import GROUPS, sprites_cycles
from unictk.benchmarks.unicycle.sprites_questions import OPTIONS, distinct, questions_of
from unictk.sprites.asked import SETTING, Asked
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.grammar.parse import parse
from unictk.sprites.grammar.predicates import answer_of, stated
from unictk.sprites.lessons.parts import DETAILS
from unictk.sprites.scenes import COLOURS, SHAPES
from unictk.sprites.splits import part_of, random_scene

STAR = {"shape": "star", "colour": "red", "pattern": "striped", "second": "blue"}
DROP = {"shape": "drop", "colour": "pink", "accessory": "hat", "item": "green"}


@pytest.fixture(scope="module")
def cycles():
    return sprites_cycles(0, "quick")


def made(asked, seed=0):
    return questions_of(random.Random(seed), asked)


def test_every_point_of_every_prompt_is_asked_by_itself(cycles):
    assert len(cycles) == sum(count // 8 for count in GROUPS.values())
    for one in cycles:
        assert parse(one.prompt) == one.expected
        points = one.expected.points()
        single = [question for question in one.questions if question.kind != "keywords"]
        assert uncovered(points, single) == []
        assert set(chain.from_iterable(question.points for question in one.questions)) <= set(points)
        assert all(len(question.points) == 1 for question in single)


def test_a_point_without_a_question_is_noticed(cycles):
    one = next(one for one in cycles if one.expected.setting is not None)
    rest = [question for question in one.questions if question.points != ("setting",)]
    assert uncovered(one.expected.points(), rest) == ["setting"]


def test_all_kinds_and_groups_are_there_and_no_answer_is_always_right(cycles):
    asked = [question for one in cycles for question in one.questions]
    kinds = Counter(question.kind for question in asked)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= len(cycles)
    said = Counter(question.reference for question in asked if question.kind == "yes_no")
    assert set(said) == {"Yes.", "No."}
    assert 0.35 < said["Yes."] / kinds["yes_no"] < 0.65
    groups = Counter(group for one in cycles for group in one.groups)
    assert groups == {group: count // 8 for group, count in GROUPS.items()}
    assert {one.category for one in cycles if one.groups == ("relation",)} == {"relation"}
    assert all(one.expected.number == 1 for one in cycles if one.groups == ("one",))
    assert all(one.expected.number == 2 for one in cycles if one.groups != ("one",))
    assert all(bool(one.expected.relations) == (one.groups == ("relation",)) for one in cycles)


def test_ids_and_options_are_in_order(cycles):
    assert len({one.key for one in cycles}) == len(cycles)
    for one in cycles:
        assert [question.qid for question in one.questions] == [
            str(number) for number in range(1, len(one.questions) + 1)
        ]
        for question in one.questions:
            offered = question.options
            assert bool(offered) == (question.kind == "multiple_choice")
            if offered:
                assert question.reference in offered
                assert len(set(offered)) == len(offered) <= OPTIONS
    places = Counter(
        question.letter for one in cycles for question in one.questions if len(question.options) == OPTIONS
    )
    assert set(places) == set("ABCD")


def test_equal_seeds_give_equal_questions_and_quick_ones_begin_full_ones(monkeypatch, cycles):
    monkeypatch.setattr("unictk.benchmarks.unicycle.sprites.GROUPS", {"one": 40, "relation": 16})
    few, more = sprites_cycles(0, "quick"), sprites_cycles(0, "full")
    assert (len(few), len(more)) == (7, 56)
    assert [one for one in more if one in few] == few
    assert few[:5] == cycles[:5]
    assert sprites_cycles(1, "quick")[0] != few[0]


def test_a_negation_is_a_wrong_claim_and_a_relation_is_claimed_both_ways():
    asked = Asked(
        None,
        (STAR, DROP),
        relations=(("left", 1, 0),),
        refused=((SETTING, "setting", "snow"), (0, "accessory", "scarf")),
    )
    found = {(question.text, question.reference): question for question in made(asked)}
    yes, no = (("Yes.", True), ("No.", False))
    for words, (answer, decides) in {
        "The pink drop is left of the red star. Is it true?": yes,
        "The pink drop is right of the red star. Is it true?": no,
        "This is the snow. Is it true?": ("No.", True),
        "The red star wears a scarf. Is it true?": ("No.", True),
    }.items():
        assert found[words, answer].decides is decides


def test_descriptions_need_the_words_that_a_caption_says():
    *_, described = made(Asked("forest", (STAR, DROP | {"ears": "none"})))
    assert described.kind == "keywords"
    assert described.keywords == ("forest", "star", "red", "drop", "pink", "hat", "green")
    assert made(Asked(None, (), count=2))[-1].kind != "keywords", "a number alone is no word of a caption"


def test_who_is_meant_is_beyond_doubt():
    both_stars = Asked("snow", (STAR, STAR | {"colour": "blue", "size": "big"}))
    assert not distinct(both_stars, 0, "colour"), "the star: which?"
    assert distinct(both_stars, 0, "shape"), "the red character"
    assert uncovered(both_stars.points(), made(both_stars)) == ["0.colour", "1.colour"]
    unnamed = Asked("snow", (STAR, {"colour": "blue"}))
    assert not distinct(unnamed, 0, "colour"), "the other may be a star as well"
    assert not distinct(Asked("snow", (STAR,), count=2), 0, "pattern"), "of the other nothing is known"
    assert distinct(Asked("snow", (STAR,)), 0, "colour")


NAME = re.compile(rf"[Tt]he (?:({'|'.join(COLOURS)}) )?({'|'.join(SHAPES)}|character)\b")


def meant(text, scene):
    """The characters of a scene that the question's name fits."""
    colour, shape = NAME.findall(text)[-1]
    return [
        one
        for one in scene.characters
        if colour in ("", one.identity.colour) and shape in ("character", one.identity.shape)
    ]


def test_references_are_what_a_picture_of_the_prompt_shows():
    chance, kinds = random.Random(3), Counter()
    for number in range(80):
        scene = random_scene(chance, "concepts", 1 + number % 2)
        _, asked = prompt(chance, scene, chance.choice(DETAILS), "evaluation")
        for question in questions_of(chance, asked):
            whose, _, about = question.points[0].partition(".")
            if question.kind == "keywords" or whose not in ("0", "1"):
                continue
            (one,) = meant(question.text, scene)
            true = one.attributes()[about]
            if question.kind == "yes_no":
                colour, shape = NAME.findall(question.text)[-1]
                words = stated(about, true, f"the {colour} {shape}".replace("  ", " "), one.accessory)
                said = question.text.lower().startswith(f"{words}. ")
                assert said == (question.reference == "Yes."), (question, scene)
            else:
                assert question.reference == answer_of(about, true), (question, scene)
            kinds[question.kind, question.reference == "Yes."] += 1
    assert set(kinds) == {("open", False), ("multiple_choice", False), ("yes_no", False), ("yes_no", True)}
    assert min(kinds.values()) > 30


def test_scenes_are_held_out(monkeypatch):
    drawn = []

    def kept(chance, part, count=1, identity=None):
        drawn.append((part, random_scene(chance, part, count, identity)))
        return drawn[-1][1]

    monkeypatch.setattr("unictk.benchmarks.unicycle.sprites.random_scene", kept)
    monkeypatch.setattr("unictk.benchmarks.unicycle.sprites.GROUPS", {"one": 8, "two": 8})
    sprites_cycles(0, "quick")
    assert {part for part, _ in drawn} == {"concepts"}
    assert all(part_of(who.identity) == "concepts" for _, scene in drawn for who in scene.characters)


def test_a_claim_that_is_off_decides_nothing():
    """ "No." is right for the value asked, and for any third one, too."""
    asked = Asked("snow", ({"shape": "star", "colour": "red"},))
    claims = [one for seed in range(60) for one in made(asked, seed) if one.kind == "yes_no"]
    assert {(one.reference, one.decides) for one in claims} == {("Yes.", True), ("No.", False)}
