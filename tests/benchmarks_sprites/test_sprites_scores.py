"""Scores of hand-made answers."""

import json
from dataclasses import asdict

import pytest

from unictk.benchmarks.sprites.drawing import Drawings, Reflections, drawing, read_verdict, verdict_text
from unictk.benchmarks.sprites.items import Asking, Item, Questions, right
from unictk.benchmarks.sprites.personal import _measure_knowledge
from unictk.benchmarks.sprites.roles import Judgements, Proposals
from unictk.judges.base import Verdict
from unictk.judges.oracle import OracleJudge
from unictk.samples import Sampling, Text
from unictk.sprites.asked import Asked
from unictk.sprites.grammar.recall import same_rewriting
from unictk.sprites.grammar.selfplay import Proposal, proposal_text
from unictk.sprites.grammar.verdicts import verdict_text as spoken

ASKING = Asking(None, OracleJudge(), Sampling(), 0)
PAIR = Asked(
    "snow",
    ({"shape": "star", "colour": "red"}, {"shape": "drop", "colour": "pink"}),
    (("left", 0, 1),),
)


def item(metric="x", asked=None, tags=(), reference=""):
    return Item(metric, "0000", "A prompt.", reference, (Text("A prompt."),), tags=tags, asked=asked)


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("red", "red", True),
        ("Red.", "red", True),
        ("dark red", "red", False),
        ("Yes.", "Yes.", True),
        ("yes, it is", "Yes.", True),
        ("yes and no", "Yes.", False),
        ("No.", "Yes.", False),
        ("", "No.", False),
    ],
)
def test_right_answers(answer, reference, expected):
    assert right(answer, reference) is expected


def test_tags_count_too():
    subject = Questions(ASKING, [])
    found = subject.scores([item("qa", tags=("qa_colour",), reference="red")], ["blue"])
    assert found == [{"qa": 0.0, "qa_colour": 0.0}]


def scores(subject, one, verdict):
    return subject.scores([one], [verdict_text(verdict)])[0]


def test_verdicts_are_kept_as_text():
    verdict = Verdict(5.0, {"setting": True, "0.shape": False}, "In the snow.", "miscounted")
    assert read_verdict(verdict_text(verdict)) == verdict


@pytest.fixture(scope="module")
def subjects():
    return drawing(ASKING, "quick")


def test_one_character(subjects):
    heldout = item("generation_attributes", PAIR, tags=("generation_all_heldout",))
    half = scores(subjects[0], heldout, Verdict(5.0, {"a": True, "b": False}))
    assert half == {
        "generation_attributes": 0.5,
        "generation_all": 0,
        "generation_unreadable": 0,
        "generation_all_heldout": 0,
    }
    whole = scores(subjects[0], item("generation_attributes", PAIR), Verdict(10.0, {"a": True}))
    assert whole == {"generation_attributes": 1, "generation_all": 1, "generation_unreadable": 0}
    lost = scores(subjects[0], heldout, Verdict(0.0, {"a": False}, "", "unreadable"))
    assert list(lost.values()) == [0, 0, 1, 0]
    more = scores(subjects[0], heldout, Verdict(10.0, {"a": True}, "", "miscounted"))
    assert list(more.values()) == [1, 0, 0, 0]


def test_a_plan_counts_for_what_it_says_and_what_is_drawn_of_it(subjects):
    prompt = Asked("snow", ({"shape": "star", "colour": "red"},))
    looks = "a big plain green star with blue feet, no ears and wide eyes, wearing nothing"
    said = f"In the snow: {looks}, at the middle."
    one, two = (item(f"planned_attributes{many}", prompt) for many in ("", "_two"))
    verdict = asdict(Verdict(0.0, {"a": True, "b": False}))
    found = subjects[2].scores([one], [json.dumps([said, verdict])])[0]
    assert found == {
        "planned_attributes": 0.5,
        "planned_all": 0,
        "planned_unreadable": 0,
        "planned_said": pytest.approx(2 / 3),
    }
    lost = subjects[3].scores([two], [json.dumps(["a red star", verdict])])[0]
    assert lost["planned_said_two"] == 0, "a plan that leaves something open is none"


def test_planned_prompts_are_those_that_are_drawn_as_they_stand(subjects):
    first, *_ = subjects[2].items
    assert first.question == subjects[0].items[0].question
    assert (first.metric, subjects[2].items[2].tags) == ("planned_attributes", ("planned_all_heldout",))


def test_relations_are_counted_where_asked(subjects):
    points = dict.fromkeys(PAIR.points(), True) | {"left 0 1": False}
    found = scores(subjects[1], item("generation_attributes_two", PAIR), Verdict(8.0, points))
    assert found["generation_relation"] == 0
    assert found["generation_attributes_two"] == 5 / 6
    both = Asked("snow", PAIR.characters, (("left", 0, 1), ("bigger", 1, 0)))
    points |= {"bigger 1 0": True}
    two = scores(subjects[1], item("generation_attributes_two", both), Verdict(8.0, points))
    assert two["generation_relation"] == 0.5
    without = item("generation_attributes_two", Asked("snow", PAIR.characters))
    assert "generation_relation" not in scores(subjects[1], without, Verdict(8.0, points))


def test_knowledge_is_what_only_facts_tell():
    looks = {
        "shape": "star",
        "colour": "red",
        "second": "blue",
        "pattern": "plain",
        "eyes": "wide",
        "ears": "none",
    }
    asked = Asked("snow", (looks | {"accessory": "hat", "item": "green"},))
    points = dict.fromkeys(asked.points(), True) | {"0.item": False, "0.eyes": False, "0.ears": False}
    subject = Drawings(ASKING, [], _measure_knowledge)
    found = scores(subject, item("known_knowledge", asked), Verdict(6.0, points))
    assert found == {"known_knowledge": 2 / 3, "known_knowledge_looks": 4 / 6, "known_knowledge_all": 0}


def test_reflection_is_what_is_won():
    before, after = (
        {"score": 2.5, "right": {"a": True, "b": False}},
        {"score": 10.0, "right": {"a": True, "b": True}},
    )
    found = Reflections(ASKING, []).scores([item()], [json.dumps([before, after])])
    assert found == [{"reflection": 0.5, "reflection_before": 0.5, "reflection_after": 1.0}]


def propose(category, prompt):
    return proposal_text(Proposal(category, "small", prompt))


def test_proposals():
    asked = [item("propose_parses", tags=("sizes", "A big red star."))] * 6
    said = [
        propose("sizes", "A small red star."),
        propose("sizes", "a small red star"),  # said before
        propose("sizes", "A big red star."),  # an example
        propose("sizes", "A red star."),  # of another category
        propose("sizes", "A big red cat."),  # not of the grammar
        '{"prompt": "A small blue star."}',
    ]
    found = Proposals(ASKING, asked).scores(asked, said)
    values = [tuple(one[f"propose_{name}"] for name in ("parses", "fits", "distinct")) for one in found]
    assert values == [(1, 1, 1), (1, 0, 0), (1, 0, 1), (1, 0, 1), (1, 0, 1), (0, 0, 0)]


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        ("A photo of Bo with a red hat, in the forest.", True),
        ("Bo wearing a red hat in the forest.", True),
        ("In the forest: Bo, wearing a red hat.", True),
        ("A photo of Bo with a blue hat, in the forest.", False),
        ("A photo of Bo with a red hat.", False),
        ("A photo of Bo with a red hat, in the forest, at home.", False),
        ("A photo of Bo with its red hat, in the forest.", False),
        ("A photo of Mika with a red hat, in the forest.", False),
        ("", False),
    ],
)
def test_a_rewritten_prompt_is_right_by_what_it_says(answer, same):
    reference = "A photo of Bo with a red hat, in the forest."
    assert same_rewriting(answer, reference) is same
    asked = [item("rewrite", reference=reference)]
    scores = Questions(ASKING, asked, is_right=same_rewriting).scores(asked, [answer])
    assert scores == [{"rewrite": float(same)}]


def test_the_name_of_a_concept_is_kept_too():
    assert same_rewriting("Draw <bo> in the sea.", "A photo of <bo> in the sea.")
    assert not same_rewriting("Draw <mika> in the sea.", "A photo of <bo> in the sea.")


def test_judgements():
    true = dict.fromkeys(PAIR.points(), True) | {"0.colour": False, "setting": False}
    said = dict.fromkeys(PAIR.points(), True) | {"0.colour": False, "1.shape": False}
    one = item("judge_parses", PAIR)
    answers = [
        json.dumps({"said": text, "asked": 0.7, "right": true})
        for text in (spoken(PAIR, said), spoken(PAIR, said).replace("setting: ", "place: "), "It is good.")
    ]
    parsed, other, lost = Judgements(ASKING, []).scores([one, one, one], answers)
    assert parsed == {
        "judge_parses": 1,
        "judge_complete": 1,
        "judge_points": 4 / 6,
        "judge_score": 0.6,
        "judge_asked": 0.7,
        "judge_truth": 0.6,
    }
    assert other == parsed | {"judge_complete": 0}, (
        "the setting was judged wrongly before, and now not at all"
    )
    assert lost == {
        "judge_parses": 0,
        "judge_complete": 0,
        "judge_points": 0,
        "judge_score": 0,
        "judge_asked": 0.7,
        "judge_truth": 0.6,
    }
