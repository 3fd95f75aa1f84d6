import random
from dataclasses import asdict

import pytest

from unictk.sprites.grammar import knowledge
from unictk.sprites.grammar.parse import parse
from unictk.sprites.grammar.recall import named_prompt, recall, rewrite, rewriting
from unictk.sprites.scenes import Identity
from unictk.sprites.splits import Facts, facts_of, identities_of, random_scene

STAR = Identity("star", "red", "blue", "striped", "wide", "long")
FACTS = Facts("balloon", "orange", "space", "honey")
PHRASINGS = ("training", "evaluation")


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_a_definition_tells_the_whole_identity_and_all_facts(phrasing):
    chance = random.Random(0)
    for number in range(200):
        who = chance.choice(identities_of("pretraining"))
        facts = chance.choice(facts_of("pretraining")) if number % 2 else None
        first, *rest = knowledge.definition(chance, "<bo>", who, facts, phrasing).split(". ")
        (told,) = parse(first.removeprefix("<bo> is ")).characters
        assert told == asdict(who), first
        text = " ".join(rest)
        if facts is None:
            assert not rest
        else:
            home = "space" if facts.home == "space" else f"the {facts.home}"
            assert len(rest) == 3, text
            assert all(word in text for word in (facts.food, f" {home}", facts.accessory, facts.item)), text


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_facts_are_answered_from_the_facts(phrasing):
    chance, seen = random.Random(1), {}
    for _ in range(200):
        found = knowledge.fact_question(chance, "<bo>", FACTS, phrasing)
        seen[found.kind] = found.answer
        assert found.answer not in found.question.replace("<bo>", "").split()
    assert seen == {
        "fact/accessory": "balloon",
        "fact/item": "orange",
        "fact/home": "space",
        "fact/food": "honey",
    }


@pytest.mark.parametrize("phrasing", PHRASINGS)
@pytest.mark.parametrize("truth", [True, False])
def test_claims_about_facts_and_looks_say_the_value_exactly_when_true(phrasing, truth):
    chance, kinds = random.Random(2), set()
    for _ in range(300):
        for found, values in (
            (knowledge.fact_yes_no(chance, "<bo>", FACTS, truth, phrasing), asdict(FACTS)),
            (knowledge.looks_yes_no(chance, "<bo>", STAR, truth, phrasing), asdict(STAR)),
        ):
            about = found.kind.split("/")[1]
            words = found.question.replace("?", " ").replace(".", " ").split()
            assert (values[about] in words) == truth, found
            assert found.answer == ("Yes." if truth else "No.")
            kinds.add(found.kind)
    assert len(kinds) == 10


def test_what_is_seen_is_never_the_identity():
    chance = random.Random(3)
    scene = random_scene(chance, "pretraining", 2)
    kinds = {knowledge.seen_question(chance, scene, 1, "<bo>", "training").kind for _ in range(200)}
    kinds |= {knowledge.seen_yes_no(chance, scene, 1, "<bo>", False, "training").kind for _ in range(200)}
    assert not {kind.split("/")[1] for kind in kinds} & set(asdict(STAR))
    assert {"seen/accessory", "seen/setting", "seen/position", "seen equality/size"} <= kinds


def test_looks_are_asked_without_a_picture():
    chance = random.Random(4)
    seen = {
        (one.kind, one.answer)
        for one in (knowledge.looks_question(chance, "Bo", STAR, "training") for _ in range(200))
    }
    assert seen == {(f"looks/{name}", value) for name, value in asdict(STAR).items()}


def test_recognition():
    asked = {
        knowledge.recognition(random.Random(seed), "<bo>", seed % 2 == 0, "training") for seed in range(40)
    }
    assert {one.answer for one in asked} == {"Yes.", "No."}
    assert all("<bo>" in one.question for one in asked)


def test_rewriting_puts_the_facts_in():
    assert rewrite("A photo of <bo> holding its balloon at home.", FACTS) == (
        "A photo of <bo> holding an orange balloon in space."
    )
    assert rewrite("At its home there is <bo> with the balloon it owns.", FACTS) == (
        "In space there is <bo> with an orange balloon."
    )
    assert rewrite("In the place where it lives: <bo>.", FACTS) == "In space: <bo>."
    assert rewrite("A photo of <bo> in the sea.", FACTS) == "A photo of <bo> in the sea."


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_recalled_prompts_ask_for_what_only_the_facts_tell(phrasing):
    chance, kinds = random.Random(5), set()
    for _ in range(300):
        facts = chance.choice(facts_of("pretraining"))
        needs = recall(chance, "<bo>", STAR, facts, phrasing)
        (who,) = needs.asked.characters
        assert who.items() >= asdict(STAR).items()
        assert facts.item not in needs.prompt.split()
        assert f"the {facts.home}" not in needs.prompt
        explicit = parse(
            needs.rewritten.replace("a photo of <bo>", "a photo of a red star").replace("<bo>", "a red star")
        )
        assert explicit is not None, needs
        assert explicit.setting == needs.asked.setting
        worn = {name: who[name] for name in ("accessory", "item") if name in who}
        assert explicit.characters == ({"colour": "red", "shape": "star", **worn},)
        assert worn in ({}, {"accessory": facts.accessory, "item": facts.item})
        assert needs.asked.setting in (None, facts.home)
        assert rewriting(chance, needs, phrasing).answer == needs.rewritten
        kinds.add((bool(worn), bool(needs.asked.setting)))
    assert kinds == {(True, False), (False, True), (True, True)}


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_a_named_prompt_asks_for_the_identity_and_says_only_the_name(phrasing):
    chance = random.Random(6)
    for number in range(300):
        scene = random_scene(chance, "pretraining", 1 + number % 2, STAR)
        index = [one.identity for one in scene.characters].index(STAR)
        text, asked = named_prompt(chance, scene, index, "<bo>", phrasing)
        true = scene.characters[index].attributes()
        assert asked.characters[0].items() >= asdict(STAR).items()
        assert asked.characters[0].items() <= true.items()
        assert text.count("<bo>") == 1
        assert " ears" not in text
        assert " eyes" not in text
        said = parse(
            text.replace("small <bo>", "small red star")
            .replace("big <bo>", "big red star")
            .replace("<bo>", "a red star")
        )
        rest = {name: value for name, value in asked.characters[0].items() if name not in asdict(STAR)}
        assert said.characters[0] == {"colour": "red", "shape": "star", **rest}, text
        assert said.setting == asked.setting
        assert said.characters[1:] == asked.characters[1:]
