import random
import re
from itertools import permutations

import pytest

from unictk.sprites.asked import SETTING, Asked
from unictk.sprites.grammar import (
    captions,
    descriptions,
    knowledge,
    pairs,
    phrases,
    questions,
    recall,
    selfplay,
    verdicts,
)
from unictk.sprites.grammar.categories import categories
from unictk.sprites.grammar.descriptions import canonical, prompt, say
from unictk.sprites.grammar.parse import parse, parse_scene
from unictk.sprites.grammar.phrases import Phrases
from unictk.sprites.scenes import Character, Identity, Scene, above, bigger, left_of
from unictk.sprites.splits import facts_of, random_scene

STAR = Identity("star", "red", "blue", "striped", "wide", "long")
DROP = Identity("drop", "green", "orange", "plain", "sleepy", "none")
SCENE = Scene(
    "forest",
    (
        Character(STAR, "hat", "green", "left", "top", "small"),
        Character(DROP, "none", "none", "middle", "middle", "big"),
    ),
)
DETAILS = ("short", "medium", "dense", "relation", "count", "negation")
PHRASINGS = ("training", "evaluation")


@pytest.fixture(scope="module")
def scenes():
    chance = random.Random(0)
    return [random_scene(chance, "pretraining", 1 + number % 3) for number in range(120)]


def prompts(scenes, times=3):
    chance = random.Random(1)
    for scene in scenes:
        for detail in DETAILS:
            for phrasing in PHRASINGS:
                if detail != "relation" or len(scene.characters) > 1:
                    for _ in range(times):
                        yield scene, detail, phrasing, *prompt(chance, scene, detail, phrasing)


def test_parsing_inverts_every_prompt(scenes):
    wrong = [(text, asked) for *_, text, asked in prompts(scenes) if parse(text) != asked]
    assert not wrong[:3]


def test_prompts_are_fulfilled_by_their_scene(scenes):
    holds = {"left": left_of, "above": above, "bigger": bigger}
    for scene, _, _, text, asked in prompts(scenes, times=1):
        assert asked.setting in (None, scene.setting), text
        assert asked.number == len(scene.characters), text
        refused = [(name, value) for at, name, value in asked.refused if at == SETTING]
        assert ("setting", scene.setting) not in refused, text
        orders = permutations(scene.characters, len(asked.characters))
        assert any(
            all(
                named.items() <= one.attributes().items()
                for named, one in zip(asked.characters, cast, strict=True)
            )
            and all(holds[name](cast[one], cast[other]) for name, one, other in asked.relations)
            and all(
                cast[at].attributes()[name] != value for at, name, value in asked.refused if at != SETTING
            )
            for cast in orders
        ), text


def test_details_ask_what_they_say(scenes):
    for scene, detail, _, text, asked in prompts(scenes, times=1):
        if detail == "dense":
            every = [
                set(one.attributes()) - ({"item"} if one.item == "none" else set())
                for one in scene.characters
            ]
            assert sorted(map(sorted, every)) == sorted(sorted(named) for named in asked.characters), text
        assert bool(asked.relations) == (detail == "relation")
        assert (asked.count is not None) == (detail == "count")
        assert bool(asked.refused) == (detail == "negation")
        if detail == "short":
            assert all(set(named) == {"shape", "colour"} for named in asked.characters)


def test_points_name_every_single_thing():
    asked = Asked(
        "sea",
        ({"colour": "red", "shape": "star"}, {"shape": "drop", "row": "top"}),
        (("left", 1, 0),),
        2,
        ((0, "accessory", "hat"), (SETTING, "setting", "snow")),
    )
    assert asked.points() == (
        "setting", "0.shape", "0.colour", "1.shape", "1.row", "left 1 0", "count",
        "not 0.accessory hat", "not setting snow",
    )  # fmt: skip
    assert asked.number == 2
    assert Asked(characters=({}, {}, {})).number == 3


def test_captions_are_complete_and_tell_scenes_apart(scenes):
    assert canonical(SCENE) == (
        "In the forest: a small red star with blue stripes, long ears and wide eyes, wearing a green hat, "
        "at the top left; a big plain green drop with orange feet, no ears and sleepy eyes, wearing nothing, "
        "at the middle."
    )
    turned = Scene("forest", SCENE.characters[::-1])
    assert canonical(turned) == canonical(SCENE), "the order of painting is not seen"
    for scene in scenes:
        asked = parse(canonical(scene))
        told = [tuple(sorted(named.items())) for named in asked.characters]
        true = [
            tuple(
                sorted(
                    (key, value)
                    for key, value in one.attributes().items()
                    if (key, value) != ("item", "none")
                )
            )
            for one in scene.characters
        ]
        assert asked.setting == scene.setting
        assert sorted(told) == sorted(true)


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "There is.", "The red star.", "A red star with.", "Draw a big blue star star.",
        "A red star with red feet.", "A red star wearing a balloon.", "A red star, not red.", "A red dog.",
        "Three characters, a red star and a blue drop.", "Four characters.", "A star in the snow in the sea.",
        "A red star with long ears and round ears.", "A red star left of.", "A star at the top left, big.",
        "A red star. The red star is left of the blue drop.", "A photo of <bo> in the sea.",
        "A red star, a blue drop, a pink heart and a green circle.",
    ],
)  # fmt: skip
def test_other_texts_are_no_prompts(text):
    assert parse(text) is None


def test_a_prompt_by_hand():
    text = "a Big red star which has no hat and wide eyes left of an orange drop not in space"
    assert parse(text) == Asked(
        None,
        (
            {"size": "big", "colour": "red", "shape": "star", "eyes": "wide"},
            {"colour": "orange", "shape": "drop"},
        ),
        (("left", 0, 1),),
        None,
        ((0, "accessory", "hat"), (SETTING, "setting", "space")),
    )


def test_a_relation_needs_two():
    with pytest.raises(ValueError, match="relation"):
        prompt(random.Random(0), Scene("sea", SCENE.characters[:1]), "relation", "training")


def test_names_stand_for_descriptions():
    asked = Asked(
        "sea", ({"size": "big", "accessory": "hat", "item": "blue"}, {"shape": "drop", "colour": "red"})
    )
    found = {say(random.Random(seed), asked, "training", ("<bo>",)) for seed in range(60)}
    assert "A photo of a big <bo> with a blue hat and a red drop in the sea." in found
    assert all(text.count("<bo>") == 1 and "character" not in text for text in found)


# --- phrasings ---------------------------------------------------------------------------------------


def tables():
    found = []
    for module in (captions, descriptions, knowledge, pairs, phrases, questions, recall, selfplay, verdicts):
        for thing in vars(module).values():
            values = thing.values() if isinstance(thing, dict) else [thing]
            found += [one for one in values if isinstance(one, Phrases)]
    return found


def test_no_phrase_is_on_both_sides():
    training = {text for table in tables() for text in table.training}
    evaluation = {text for table in tables() for text in table.evaluation}
    assert len(tables()) > 30
    assert not training & evaluation
    assert all(len(set(table.training)) >= 3 for table in tables())
    with pytest.raises(ValueError, match="both"):
        Phrases(("a", "b", "c"), ("c",))
    with pytest.raises(ValueError, match="three"):
        Phrases(("a", "b"), ("c",))


def everything(phrasing, scenes):
    """Texts of every kind, as (kind, text)."""
    chance = random.Random(3)
    facts = facts_of("pretraining")
    for scene in scenes:
        who, fact = scene.characters[0].identity, chance.choice(facts)
        count = len(scene.characters)
        for detail in DETAILS:
            if detail != "relation" or count > 1:
                yield "prompt", prompt(chance, scene, detail, phrasing)[0]
        for truth in (True, False):
            yield "ask", questions.statement(chance, scene, truth, phrasing).question
            yield "ask", questions.equality(chance, scene, truth, phrasing).question
            yield "ask", knowledge.fact_yes_no(chance, "<bo>", fact, truth, phrasing).question
            yield "ask", knowledge.looks_yes_no(chance, "<bo>", who, truth, phrasing).question
            yield "ask", knowledge.recognition(chance, "<bo>", truth, phrasing).question
        for _ in range(6):
            yield "ask", questions.attribute_question(chance, scene, phrasing).question
            yield "ask", questions.counting(chance, scene, phrasing).question
        yield "ask", knowledge.fact_question(chance, "<bo>", fact, phrasing).question
        yield "ask", knowledge.looks_question(chance, "<bo>", who, phrasing).question
        yield "ask", knowledge.seen_question(chance, scene, 0, "<bo>", phrasing).question
        yield "ask", captions.caption(chance, scene, phrasing).question
        yield "ask", captions.free_caption(chance, scene, "short", phrasing).question
        yield "tell", knowledge.definition(chance, "<bo>", who, fact, phrasing)
        yield "prompt", recall.named_prompt(chance, scene, 0, "<bo>", phrasing)[0]
        needs = recall.recall(chance, "<bo>", who, fact, phrasing)
        yield "prompt", needs.prompt
        yield "ask", recall.rewriting(chance, needs, phrasing).question
        yield "ask", verdicts.judge_question(chance, needs.prompt, phrasing)
        yield "ask", verdicts.redraw(chance, needs.prompt, "Wrong: the colour should be red.", phrasing)
        yield "ask", selfplay.proposer_question(chance, chance.choice(list(categories())), [], phrasing)
        if count > 1:
            yield "ask", questions.comparison(chance, scene, phrasing).question
        else:
            yield "ask", pairs.pair_question(chance, scene, chance.choice(scenes[::3]), phrasing).question


def test_evaluation_says_nothing_as_training_does(scenes):
    many = scenes * 4
    training = set(everything("training", many))
    evaluation = set(everything("evaluation", many))
    assert len(training) > 3000
    assert len(evaluation) > 3000
    assert not training & evaluation


def test_evaluation_uses_only_words_of_training(scenes):
    many = scenes * 2
    words = [
        {word for _, text in everything(phrasing, many) for word in re.findall(r"[\w<>']+", text.lower())}
        for phrasing in PHRASINGS
    ]
    assert not words[1] - words[0]
    assert len(words[0]) < 300


def test_a_complete_caption_tells_its_scene(scenes):
    for scene in scenes:
        found = parse_scene(canonical(scene))
        assert found is not None
        assert (found.setting, set(found.characters)) == (scene.setting, set(scene.characters))


@pytest.mark.parametrize(
    "text",
    [
        "A red star.",
        "In the snow: a big plain green star with blue feet, no ears and wide eyes, at the middle.",
        "a big plain green star with blue feet, no ears and wide eyes, wearing nothing, at the middle.",
        "",
    ],
)
def test_a_text_that_leaves_something_open_is_no_scene(text):
    assert parse_scene(text) is None
