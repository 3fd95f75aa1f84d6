"""The drawing part asks the first items of the full benchmark, under their names."""

from __future__ import annotations

from showo_makers import make_showo

from unictk.benchmarks.sprites.drawing import drawing
from unictk.benchmarks.sprites.items import Asking
from unictk.benchmarks.sprites.looking import looking
from unictk.benchmarks.sprites.roles import judgements
from unictk.benchmarks.sprites_drawing import SpritesDrawing
from unictk.judges.oracle import OracleJudge
from unictk.samples import Sampling


def test_it_is_the_beginning_of_the_full_benchmark() -> None:
    asking = Asking(make_showo(max_text=64), OracleJudge(), Sampling(steps=1), 0)
    every = [*looking(asking, "quick"), *drawing(asking, "full"), *judgements(asking, "full")]
    full = {item.key: item for subject in every for item in subject.items}
    part = SpritesDrawing(one=7, two=5, questions=3, judgements=2)
    subjects = part.subjects(asking)
    assert [len(subject.items) for subject in subjects] == [3, 7, 5, 2]
    for item in (item for subject in subjects for item in subject.items):
        assert (item.question, item.reference) == (full[item.key].question, full[item.key].reference)
    assert [subject.items[0].metric for subject in subjects] == [
        "qa",
        "generation_attributes",
        "generation_attributes_two",
        "judge_parses",
    ]


def test_its_prompts_are_told_and_its_scores_named() -> None:
    backbone = make_showo(max_text=64)
    part = SpritesDrawing(one=2, two=1, questions=1)
    prompts = part.prompts(backbone, 0)
    assert len(prompts) == 3
    result = part.evaluate(backbone, OracleJudge(), Sampling(steps=1, guidance=0.0), 0, phase="base")
    drawn = {item.question for item in result.items if "generation" in item.metric}
    assert drawn == set(prompts)
    assert {"sprites/generation_all", "sprites/generation_all_two", "sprites/qa"} <= set(result.metrics)
    assert result.metrics["sprites/generation_attributes/n"] == 2
    again = part.evaluate(
        backbone, OracleJudge(), Sampling(steps=1, guidance=0.0), 0, phase="base", done=result.items
    )
    assert again.metrics == result.metrics


def test_several_pictures_of_a_prompt_have_seeds_of_their_own() -> None:
    asking = Asking(make_showo(max_text=64), OracleJudge(), Sampling(steps=1), 0)
    (once,) = SpritesDrawing(one=3, two=0, questions=0).subjects(asking)
    (thrice,) = SpritesDrawing(one=3, two=0, questions=0, images=3).subjects(asking)
    assert [item.key for item in thrice.items[:3]] == [item.key for item in once.items]
    assert [item.question for item in thrice.items] == [item.question for item in once.items] * 3
    assert len({asking.request(item).seed for item in thrice.items}) == 9
    (many,) = SpritesDrawing(one=400, two=0, questions=0).subjects(asking)
    assert len({item.item_id for item in many.items}) == 400
