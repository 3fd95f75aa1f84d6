import random
import re
from collections import Counter

import pytest

from unictk.sprites.grammar import pairs
from unictk.sprites.grammar.parse import parse
from unictk.sprites.grammar.questions import (
    WHAT,
    attribute_question,
    comparison,
    counting,
    equality,
    referents,
    statement,
    yes_no,
)
from unictk.sprites.scenes import COLOURS, COLUMNS, ROWS, SETTINGS, SHAPES, SIZES, Character, Identity, Scene
from unictk.sprites.splits import random_scene

PHRASINGS = ("training", "evaluation")
NOUNS = "|".join((*SHAPES, "character"))
WORDS = {"none": 0, "one": 1, "two": 2, "three": 3}


@pytest.fixture(scope="module")
def scenes():
    chance = random.Random(10)
    return [random_scene(chance, "pretraining", 1 + number % 3) for number in range(150)]


def called(scene, text):
    """The one character that the first noun phrase fits, and the text without it."""
    found = re.search(rf"the (?:(\w+) )?({NOUNS})\b", text, re.IGNORECASE)
    colour, noun = found.group(1), found.group(2)
    fitting = [
        one
        for one in scene.characters
        if (colour is None or one.identity.colour == colour) and noun in (one.identity.shape, "character")
    ]
    assert len(fitting) == 1, text
    return fitting[0], text[: found.start()] + text[found.end() :]


def claimed(kind, rest):
    """The value a claim is about, read from its words."""
    words = re.findall(r"\w+", rest.lower())
    if kind in ("colour", "second", "item"):
        return next(word for word in words if word in COLOURS)
    if kind == "position":
        return re.search(r"at the ((top|middle|bottom) (left|middle|right)|middle)", rest).group(1)
    if kind in ("column", "row"):
        return re.search(rf"in the (\w+) {kind}", rest).group(1)
    if kind in ("eyes", "ears"):
        return {"no": "none"}.get(word := re.search(rf"(\w+) {kind}", rest).group(1), word)
    if kind == "accessory":
        return next((word for word in words if word in ("hat", "scarf", "balloon")), "none")
    choices = {"shape": SHAPES, "size": SIZES, "setting": SETTINGS}.get(
        kind, ("plain", "striped", "dotted", "split")
    )
    return next(word for word in words if word in choices)


def actual(scene, one, kind):
    if kind == "setting":
        return scene.setting
    if kind == "position":
        return "middle" if one.row == one.column == "middle" else f"{one.row} {one.column}"
    return one.attributes()[kind]


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_equality_is_true_or_false_as_asked(scenes, phrasing):
    chance, kinds = random.Random(1), Counter()
    for scene in scenes * 4:
        truth = chance.random() < 0.5
        found = equality(chance, scene, truth, phrasing)
        kind = found.kind.removeprefix("equality/")
        if kind == "setting":
            one, rest = None, found.question
        else:
            one, rest = called(scene, found.question)
        assert (claimed(kind, rest) == actual(scene, one, kind)) == truth, found
        assert found.answer == ("Yes." if truth else "No.")
        kinds[kind] += 1
    assert set(kinds) == set(WHAT)


@pytest.mark.parametrize("phrasing", PHRASINGS)
@pytest.mark.parametrize("truth", [True, False])
def test_statements_are_true_or_one_attribute_off(scenes, phrasing, truth):
    chance = random.Random(2)
    frame = r"(?:Is there|Does the picture show|There is|Is it true that there is) (.*?)(?:\. True)?\?"
    for scene in scenes * 2:
        found = statement(chance, scene, truth, phrasing)
        asked = parse(re.fullmatch(frame, found.question).group(1))
        (named,) = asked.characters
        off = [
            (asked.setting != scene.setting)
            + sum(one.attributes()[key] != value for key, value in named.items())
            for one in scene.characters
        ]
        assert min(off) == (0 if truth else 1), found
        assert found.answer == ("Yes." if truth else "No.")


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_comparisons_tell_the_truth_and_are_balanced(scenes, phrasing):
    chance, answers = random.Random(3), Counter()
    words = "left of|right of|above|below|bigger than|smaller than"
    claim = re.compile(rf"the (\w+) ({NOUNS}) (?:is )?({words}) the (\w+) ({NOUNS})")
    place = {
        "left of": lambda one: -COLUMNS.index(one.column),
        "above": lambda one: -ROWS.index(one.row),
        "bigger than": lambda one: SIZES.index(one.size),
    }
    converse = {"right of": "left of", "below": "above", "smaller than": "bigger than"}
    for scene in [one for one in scenes if len(one.characters) > 1] * 4:
        found = comparison(chance, scene, phrasing)
        words = claim.search(found.question.lower()).groups()
        who = {(one.identity.colour, one.identity.shape): one for one in scene.characters}
        one, other = who[words[0], words[1]], who[words[3], words[4]]
        if words[2] in converse:
            one, other = other, one
        measure = place[converse.get(words[2], words[2])]
        assert found.answer == ("Yes." if measure(one) > measure(other) else "No."), found
        answers[found.answer] += 1
    assert 0.4 < answers["Yes."] / answers.total() < 0.6
    with pytest.raises(ValueError, match="one character"):
        comparison(chance, scenes[0], phrasing)


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_values_are_the_scenes(scenes, phrasing):
    chance, kinds = random.Random(4), Counter()
    for scene in scenes * 4:
        found = attribute_question(chance, scene, phrasing)
        one = None if found.kind == "setting" else called(scene, found.question)[0]
        true = actual(scene, one, found.kind)
        assert found.answer == ("nothing" if (found.kind, true) == ("accessory", "none") else true), found
        kinds[found.kind] += 1
    assert set(kinds) == set(WHAT)


def test_a_name_never_gives_the_answer_away(scenes):
    for scene in scenes:
        for index, one in enumerate(scene.characters):
            for hidden, value in (("shape", one.identity.shape), ("colour", one.identity.colour)):
                assert not any(value in name.split() for name in referents(scene, index, hidden))
            for name in referents(scene, index):
                assert called(scene, name)[0] is one


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_counts(scenes, phrasing):
    chance, answers = random.Random(5), Counter()
    kinds = {
        r"have (\w+) (eyes|ears)": (),
        r"(?:wear|hold) (?:a )?(hat|scarf|balloon|nothing)": ("accessory",),
        r"are (?:a )?(\w+)": ("shape", "colour", "pattern", "size"),
    }
    for scene in scenes * 3:
        found = counting(chance, scene, phrasing)
        answers[found.answer] += 1
        if found.kind == "count":
            assert WORDS[found.answer] == len(scene.characters)
            continue
        tail = found.question.rstrip("?.").split("characters")[-1].replace("are there", "")
        pattern = next(one for one in kinds if re.search(one, tail))
        groups = re.search(pattern, tail).groups()
        value = {"no": "none", "nothing": "none"}.get(groups[0], groups[0])
        value = value.removesuffix("s") if value.removesuffix("s") in SHAPES else value
        true = 0
        for one in scene.characters:
            held = one.attributes()
            keys = kinds[pattern] or groups[1:]
            true += any(held[key] == value for key in keys)
        assert WORDS[found.answer] == true, found
    assert set(answers) == set(WORDS)


def test_yes_no_mixes_claims_and_statements(scenes):
    chance = random.Random(6)
    kinds = Counter(yes_no(chance, scenes[0], True, "training").kind.split("/")[0] for _ in range(300))
    assert set(kinds) == {"equality", "statement"}


def test_two_pictures():
    star = Identity("star", "red", "blue", "striped", "wide", "long")
    twin = Identity("star", "red", "blue", "striped", "wide", "round")
    first = Scene("sea", (Character(star, "hat", "blue", "left", "top", "big"),))
    same = Scene("snow", (Character(star, "none", "none", "left", "top", "small"),))
    other = Scene("sea", (Character(twin, "hat", "blue", "right", "top", "big"),))
    chance = random.Random(0)
    assert pairs.same_character(chance, first, same, "training").answer == "Yes."
    assert pairs.same_character(chance, first, other, "evaluation").answer == "No."
    assert pairs.which_bigger(chance, first, same, "training").answer == "first"
    assert pairs.which_bigger(chance, same, first, "training").answer == "second"
    assert pairs.which_bigger(chance, first, other, "training").answer == "none"
    found = {
        (one.kind, one.answer)
        for one in (pairs.same_attribute(chance, first, other, "training") for _ in range(200))
    }
    assert found == {
        ("pair/setting", "Yes."), ("pair/shape", "Yes."), ("pair/colour", "Yes."), ("pair/second", "Yes."),
        ("pair/pattern", "Yes."), ("pair/eyes", "Yes."), ("pair/ears", "No."), ("pair/position", "No."),
        ("pair/size", "Yes."),
    }  # fmt: skip
    both = Scene("sea", (*first.characters, Character(twin, "none", "none", "right", "bottom", "big")))
    with pytest.raises(ValueError, match="expected one"):
        pairs.which_bigger(chance, first, both, "training")
