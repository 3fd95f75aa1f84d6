from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.errors import DataError, UserError
from unictk.samples import GeneratedImage, Sampling, Text
from unictk.selfplay.codes import packed, unpacked
from unictk.selfplay.pictures import keep, picture_path
from unictk.selfplay.rollouts import Prompt, RolloutPlan, mine

SAMPLING = Sampling(steps=4, guidance=1.0)


def prompts(count: int) -> list[Prompt]:
    return [Prompt(f"00-x-{n:05d}", 0, "X", "", f"Prompt {n}.") for n in range(count)]


def test_seed_and_guidance_differ_within_a_group():
    unit = RolloutPlan(SAMPLING).unit(prompts(1)[0], 7)
    assert len(unit.rollouts) == 8
    assert len({one.seed for one in unit.rollouts}) == 8
    scales = [one.sampling.guidance + 1 for one in unit.rollouts]
    assert scales == [3, 4, 5, 6, 3.5, 4.5, 5.5, 7]
    assert {one.sampling.steps for one in unit.rollouts} == {4}


def test_temperature_changes_after_each_turn_of_guidance():
    plan = RolloutPlan(SAMPLING, 8, guidance=(3, 4, 5, 6), temperature=(0.9, 1.0))
    told = [(one.sampling.guidance, one.sampling.temperature) for one in plan.unit(prompts(1)[0], 7).rollouts]
    assert told == [(g, t) for t in (0.9, 1.0) for g in (3, 4, 5, 6)]
    assert len(RolloutPlan(SAMPLING, 11, (1.0, 2.0), (0.5, 1.0, 2.0)).unit(prompts(1)[0], 7).rollouts) == 11


def test_a_rollouts_seed_is_of_what_it_is():
    plan, one = RolloutPlan(SAMPLING), prompts(1)[0]
    unit = plan.unit(one, 7)
    assert (
        RolloutPlan(Sampling(steps=9), guidance=(1.0,)).unit(one, 7).rollouts[3].seed == unit.rollouts[3].seed
    )
    for other in (replace(one, round=1), replace(one, prompt_uid="y"), replace(one, text="Other.")):
        assert plan.unit(other, 7).rollouts[0].seed != unit.rollouts[0].seed
    assert plan.unit(one, 8).rollouts[0].seed != unit.rollouts[0].seed
    request = unit.rollouts[2].request()
    assert list(request) == [Text("Prompt 0.")]
    assert (request.key, request.seed) == ("00-x-00000-02", unit.rollouts[2].seed)
    assert request.sampling.guidance == 4.0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 30), st.integers(1, 9), st.integers(1, 40), st.integers(1, 5))
def test_batches_depend_on_the_work_list_only(count, rollouts, size, world):
    plan = RolloutPlan(SAMPLING, rollouts)
    batches = list(plan.batches(prompts(count), 7, size))
    assert [unit.prompt for batch in batches for unit in batch.units] == prompts(count)
    assert all(len(batch.rollouts) <= max(size, rollouts) for batch in batches)
    names = [batch.name for batch in batches]
    assert names == sorted(names)
    dealt = [batch.name for rank in range(world) for batch in mine(batches, rank, world)]
    assert Counter(dealt) == Counter(names), "every batch is one process's"


def test_content_keys_are_of_everything_that_matters():
    def content(plan=None, seed=7, count=2, made_by="weights"):
        plan = plan or RolloutPlan(SAMPLING)
        return next(iter(plan.batches(prompts(count), seed, 16))).content(made_by)

    assert content() == content()
    others = [
        content(RolloutPlan(replace(SAMPLING, steps=5))),
        content(RolloutPlan(SAMPLING, guidance=(1.0,))),
        content(seed=8),
        content(count=1),
        content(made_by="other weights"),
    ]
    assert len({content(), *others}) == 6


@pytest.mark.parametrize("wrong", [{"guidance": ()}, {"guidance": (-1.0,)}, {"temperature": ()}])
def test_wrong_lists_are_refused(wrong):
    with pytest.raises(UserError, match="expected one or more numbers from 0 on"):
        RolloutPlan(SAMPLING, **wrong)


@pytest.mark.parametrize(
    ("codes", "dtype", "size"),
    [
        (torch.arange(4), "uint8", 4),
        (torch.tensor([[0, 16383]]), "uint16", 4),
        (torch.tensor([-1, 70000]), "int32", 8),
        (torch.tensor([2**40]), "int64", 8),
        (torch.zeros(0, dtype=torch.int64), "uint8", 0),
        (torch.tensor([0.1, -3.0]), "float32", 8),
        (torch.tensor([[0.1], [7.0]]).half(), "float16", 4),
        (torch.tensor([0.1, 7.0]).bfloat16(), "bfloat16", 4),
    ],
)
def test_codes_and_latents_come_back_exactly(codes, dtype, size):
    content, name, shape = packed(codes)
    assert (name, len(content), shape) == (dtype, size, tuple(codes.shape))
    back = unpacked(content, name, shape)
    assert torch.equal(back, codes)
    assert back.dtype == codes.dtype


def test_a_transposed_view_is_packed_as_it_reads():
    codes = torch.arange(6).reshape(2, 3).T
    assert torch.equal(unpacked(*packed(codes)), codes)


def test_damaged_codes_are_refused():
    with pytest.raises(DataError, match="3 bytes"):
        unpacked(b"abc", "uint16", (2,))
    with pytest.raises(DataError, match="'float8'"):
        unpacked(b"abc", "float8", (3,))
    with pytest.raises(ValueError, match="bool"):
        packed(torch.tensor([True]))


def test_a_kept_rollout_is_a_file_and_a_record(tmp_path):
    rollout = RolloutPlan(SAMPLING).unit(prompts(1)[0], 7).rollouts[5]
    pixels = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
    drawn = GeneratedImage(pixels, torch.tensor([300, 2]), {})
    row = keep(rollout, drawn, tmp_path, "self", 0.5)
    assert row.image == picture_path(rollout) == "selfplay/pictures/00/x/00-x-00000-05.png"
    assert [path.name for path in (tmp_path / row.image).parent.iterdir()] == ["00-x-00000-05.png"]
    assert (row.width, row.height, row.codes_dtype, row.guidance) == (6, 4, "uint16", 3.5)
    again = keep(rollout, drawn, tmp_path, "self", 0.9)
    assert replace(again, seconds=0.5) == row
