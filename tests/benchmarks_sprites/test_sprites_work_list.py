"""What is asked: held-out scenes in held-out words, and claims that fit their points."""

import random

import pytest
from sprite_players import Constant, known_file, work

from unictk.benchmarks.sprites import drawing, looking, personal, roles
from unictk.benchmarks.sprites.bench import SpritesBenchmark
from unictk.sprites.asked import Asked
from unictk.sprites.grammar import claims as claiming
from unictk.sprites.grammar.parse import parse
from unictk.sprites.grammar.questions import yes
from unictk.sprites.known import known_characters
from unictk.sprites.scenes import IDENTITY, Identity
from unictk.sprites.splits import Staging, part_of


@pytest.fixture
def listed(tmp_path):
    return work(SpritesBenchmark("quick", known_file(tmp_path)), Constant())


def shown(listed):
    """(item, setting, attributes) of every character in a picture, from the words of the record."""
    for item in listed.values():
        for words in (item.image or "").split(" | "):
            if words:
                asked = parse(words)
                for who in asked.characters:
                    yield item, asked.setting, dict(who)


def test_pictures_are_held_out(listed):
    counted = 0
    for item, setting, who in shown(listed):
        staging = Staging(
            setting, who["accessory"], who.get("item", "none"), who["column"], who["row"], who["size"]
        )
        assert part_of(staging) == "concepts"
        part = part_of(Identity(*(who[name] for name in IDENTITY)))
        personal = item.metric.startswith(("known", "compared"))
        assert part == (part if personal else "concepts") != "reviewers"
        counted += 1
    assert counted > 400


def test_strangers_and_their_facts_are_held_out():
    for number in range(200):
        _, who, facts = looking.stranger(random.Random(number))
        assert part_of(who) == part_of(facts) == "concepts"


def test_recognition_is_of_the_right_somebody(listed):
    known = known_characters()
    for item, _, who in shown(listed):
        if item.metric in ("known_positive", "known_random", "known_hard"):
            wanted = known[int(item.question.split("<c")[1].split(">")[0])].identity
            off = sum(getattr(wanted, name) != who[name] for name in IDENTITY)
            assert {"known_positive": off == 0, "known_random": off > 1, "known_hard": off == 1}[item.metric]
            assert item.reference == yes(off == 0)


def test_tokens_stand_before_names(listed):
    told = listed["known_facts/0001"]
    assert told.segments[1].text.startswith("<c1> is <c1:0><c1:1>")
    assert told.segments[1].text.endswith(f"<c1:31>.\n{told.question}")
    drawn = listed["known_drawn/0002"].segments[0].text
    assert "<c2:0>" in drawn
    assert "<c2:23> <c2>" in drawn
    assert "<c2:24>" not in drawn


def test_no_question_is_one_of_training(tmp_path, monkeypatch, listed):
    for module in (drawing, looking, personal, roles):
        monkeypatch.setattr(module, "PHRASING", "training")
    trained = work(SpritesBenchmark("quick", known_file(tmp_path)), Constant())
    assert list(trained) == list(listed)
    last = [{one.question.split("\n")[-1] for one in many.values()} for many in (trained, listed)]
    assert last[0] & last[1] == {""}  # a reconstruction has no question


def test_half_is_yes(listed):
    for metric in ("yes_no", "yes_no_two", "in_context", "known_facts"):
        said = [i.reference for i in listed.values() if i.metric == metric and i.reference in ("Yes.", "No.")]
        assert abs(said.count("Yes.") - said.count("No.")) <= 1
        assert len(said) > 10


def test_half_of_the_identities_are_held_out(listed):
    one = [item for item in listed.values() if item.metric == "generation_attributes"]
    held = [item for item in one if item.tags == ("generation_all_heldout",)]
    assert len(held) == -(-len(one) // 2)
    for item in one:
        who = item.asked.characters[0] if item.asked.characters else {}
        if all(name in who for name in IDENTITY):
            part = part_of(Identity(*(who[name] for name in IDENTITY)))
            assert part == ("concepts" if item.tags else "pretraining")


def test_claims_of_every_point():
    asked = Asked(
        "snow",
        (
            {"shape": "star", "colour": "red", "accessory": "hat", "item": "blue"},
            {"shape": "drop", "colour": "pink"},
        ),
        (("left", 1, 0),),
        2,
        ((0, "pattern", "dotted"), (-1, "setting", "sea")),
    )
    found = {claim.point: (claim.question, claim.right) for claim in claiming.claims(asked, "evaluation")}
    assert tuple(found) == asked.points()
    assert found["setting"] == ("This is the snow. Is it true?", "Yes.")
    assert found["0.shape"] == ("The red character is a star. Is it true?", "Yes.")
    assert found["0.item"] == ("The hat of the red star is blue. Is it true?", "Yes.")
    assert found["left 1 0"] == ("The pink drop is left of the red star. Is it true?", "Yes.")
    assert found["count"] == ("How many characters are in the picture?", "two")
    assert found["not 0.pattern dotted"] == ("The red star is dotted. Is it true?", "No.")
    assert found["not setting sea"] == ("This is the sea. Is it true?", "No.")
