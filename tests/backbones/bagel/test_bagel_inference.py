"""Cached inference: cases 2, 5, 6, 7, 8 and 12 (training forward, batches, guidance, schedules, answers)."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from bagel_makers import SIZES, SPECIAL, clean, make_network, make_packer, normal, picture, text
from plain_bagel import PlainBagel
from torch import Tensor

from unictk.backbones.bagel.answering import answer
from unictk.backbones.bagel.context import Context, join, read
from unictk.backbones.bagel.drawing import Canvas, Conditions, denoise, draw
from unictk.backbones.bagel.experts import Fronted
from unictk.backbones.bagel.guidance import Guidance, Schedule, guided_velocity
from unictk.backbones.bagel.names import published
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.packing import LatentPart, Part
from unictk.backbones.bagel.patches import unpatchify
from unictk.backbones.bagel.training import shifted_time, states
from unictk.backbones.keyvalues import Prefix

PROMPTS: list[list[Part]] = [[text(1, 3)], [text(2, 7)]]
EDIT: list[Part] = [clean(3, 1, 3), picture(4, 2, 1), text(5, 4)]
GRIDS = [(2, 3), (3, 1)]
SHORT = Schedule(timesteps=5, shift=3.0)


@pytest.fixture(scope="module")
def network() -> BagelNetwork:
    return make_network()


def canvas(rows: list[int]) -> Canvas:
    noise = [normal(50 + row, GRIDS[row][0] * GRIDS[row][1], SIZES.latent_width) for row in rows]
    return Canvas(noise, [GRIDS[row] for row in rows])


def contexts(network: BagelNetwork, prompts: list[list[Part]]) -> Conditions:
    packer = make_packer()
    textless = [[part for part in prompt if part is not prompt[-1]] for prompt in prompts]
    imageless = [[part for part in prompt if part is prompt[-1]] for prompt in prompts]
    return Conditions(*(read(network, packer, each) for each in (prompts, textless, imageless)))


def velocity_of(network: BagelNetwork, prompts: list[list[Part]], rows: list[int]) -> list[Tensor]:
    """The first step's velocity, from a step that goes all the way to time 0: tokens = noise - velocity."""
    drawn = canvas(rows)
    found = draw(network, SPECIAL, contexts(network, prompts), drawn, Schedule(2, 1.0), Guidance(1.0))
    return [noise - tokens for noise, tokens in zip(drawn.noise, found, strict=True)]


@torch.no_grad()
@pytest.mark.parametrize("prompt", [*PROMPTS, EDIT, []])
def test_case_2_training_velocity_equals_cached_velocity(network: BagelNetwork, prompt: list[Part]) -> None:
    grid, noise = GRIDS[0], canvas([0]).noise[0]
    latent = LatentPart(torch.zeros(4, 2 * grid[0], 2 * grid[1]), noise, 1.0)  # at time 1 all is noise
    pack = make_packer().pack([[*prompt, latent]])
    trained = network.velocity(states(network, pack)[pack.target_places])
    (cached,) = velocity_of(network, [prompt], [0])
    torch.testing.assert_close(cached, trained, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_case_2_training_states_equal_states_read_in_pieces(network: BagelNetwork) -> None:
    """The same answer logits whether the sequence is one pack or a cache that was filled part by part."""
    packer, grown = make_packer(), Context.empty(network, 1)
    for part in EDIT:
        grown = read(network, packer, [[part]], grown)
    whole = read(network, packer, [EDIT])
    assert grown.positions.tolist() == whole.positions.tolist() == [8]
    for layer, (keys, values) in enumerate(whole.layers):
        torch.testing.assert_close(grown.layers[layer][0], keys, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(grown.layers[layer][1], values, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_keys_turned_back_let_what_follows_stand_at_position_zero(network: BagelNetwork) -> None:
    context = read(network, make_packer(), [EDIT, PROMPTS[1]])
    assert context.positions.tolist() == [8, 9]
    turned = context.turned_back(network.rotary)
    assert not turned.positions.any()
    vectors = normal(7, 2, 3, network.width)
    drawn = torch.tensor([[False, True, True]] * 2)
    own = torch.ones(2, 3, 3, dtype=torch.bool)
    found = [
        network.trunk(vectors, drawn, positions, each.behind(own), Prefix(each.layers))
        for each, positions in ((context, context.positions[:, None].expand(-1, 3)), (turned, None))
    ]
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-5)
    assert (turned.layers[0][0] - context.layers[0][0]).abs().max() > 0.1


@torch.no_grad()
def test_tokens_in_front_go_the_same_way_as_tokens_named(network: BagelNetwork) -> None:
    vectors, drawn = normal(8, 2, 5, network.width), torch.tensor([[False, False, True, True, True]] * 2)
    named, front = (network.trunk(vectors, routes, None, None) for routes in (drawn, Fronted(2)))
    torch.testing.assert_close(front, named, atol=1e-5, rtol=1e-5)
    other = network.trunk(vectors, Fronted(3), None, None)
    assert (other - named).abs().max() > 1e-2


def test_drawing_writes_keys_behind_the_prompt_and_leaves_the_prompt_alone(network: BagelNetwork) -> None:
    conditions = contexts(network, [PROMPTS[0]])
    before = [keys.clone() for keys, _ in conditions.full.layers]
    first, second = (
        draw(network, SPECIAL, conditions, canvas([0]), SHORT, Guidance(4.0))[0] for _ in range(2)
    )
    assert torch.equal(first, second)
    assert all(torch.equal(keys, old) for (keys, _), old in zip(conditions.full.layers, before, strict=True))


def test_case_5_two_prompts_without_guidance_equal_each_alone(network: BagelNetwork) -> None:
    together = velocity_of(network, PROMPTS, [0, 1])
    for row in (0, 1):
        (alone,) = velocity_of(network, [PROMPTS[row]], [row])
        torch.testing.assert_close(together[row], alone, atol=3e-6, rtol=0)


@pytest.mark.parametrize("renormalisation", ["global", "channel", "text_channel"])
def test_case_6_guided_prompts_of_a_batch_equal_each_alone(network: BagelNetwork, renormalisation) -> None:
    guidance = Guidance(4.0, 2.0, renormalisation)
    prompts = [EDIT, PROMPTS[1]]
    together = draw(network, SPECIAL, contexts(network, prompts), canvas([0, 1]), SHORT, guidance)
    for row in (0, 1):
        conditions = contexts(network, [prompts[row]])
        (alone,) = draw(network, SPECIAL, conditions, canvas([row]), SHORT, guidance)
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-5)


def test_case_6_one_norm_over_the_batch_would_be_another_velocity() -> None:
    """What the published code does with several samples: documents the difference."""
    full, textless = normal(1, 2, 6, 16), normal(2, 2, 6, 16)
    full[1] *= 3
    present = torch.ones(2, 6, dtype=torch.bool)
    ours = guided_velocity(full, textless, None, present, Guidance(4.0))
    moved = textless + 4 * (full - textless)
    shared = moved * (full.norm() / (moved.norm() + 1e-8)).clamp(0, 1)
    assert (ours - shared).abs().max() > 2e-2
    for row in (0, 1):
        alone = moved[row] * (full[row].norm() / (moved[row].norm() + 1e-8)).clamp(0, 1)
        torch.testing.assert_close(ours[row], alone)


def test_padding_has_no_part_in_a_norm() -> None:
    full, textless = normal(1, 1, 6, 16), normal(2, 1, 6, 16)
    present = torch.tensor([[True] * 4 + [False] * 2])
    expected = guided_velocity(full[:, :4], textless[:, :4], None, present[:, :4], Guidance(4.0))
    full[:, 4:] = float("nan")
    found = guided_velocity(full, textless, None, present, Guidance(4.0))
    torch.testing.assert_close(found[:, :4], expected)
    assert not found[:, 4:].any()


def test_each_row_may_have_its_own_scale(network: BagelNetwork) -> None:
    conditions = contexts(network, [PROMPTS[0]] * 2)
    noise = canvas([0]).noise[0]
    both = Canvas([noise, noise], [GRIDS[0]] * 2)
    found = draw(network, SPECIAL, conditions, both, SHORT, Guidance([1.0, 5.0]))
    for row, scale in enumerate((1.0, 5.0)):
        alone = contexts(network, [PROMPTS[0]])
        expected = draw(network, SPECIAL, alone, Canvas([noise], [GRIDS[0]]), SHORT, Guidance(scale))[0]
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=1e-5)
    assert (found[0] - found[1]).abs().max() > 1e-3


@pytest.mark.parametrize("count", [2, 25, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0, 4.0])
def test_case_7_schedules(count: int, shift: float) -> None:
    schedule = Schedule(count, shift)
    line = [1 - i / (count - 1) for i in range(count)]
    expected = [shift * t / (1 + (shift - 1) * t) for t in line]
    assert schedule.times().tolist() == pytest.approx(expected, abs=1e-6)
    assert schedule.guided().tolist() == [t > 0.4 for t in expected[:-1]]


def test_case_7_published_numbers() -> None:
    times = Schedule().times()
    assert times[:3].tolist() == pytest.approx([1, 0.99310, 0.98601], abs=5e-6)
    assert (times[-2] - times[-1]).item() == pytest.approx(0.0588, abs=5e-5)
    counts = {shift: int(Schedule(50, shift).guided().sum()) for shift in (1.0, 3.0, 4.0)}
    assert counts == {1.0: 30, 3.0: 41, 4.0: 43}
    assert int(Schedule(50, 3.0, (0.0, 1.0)).guided().sum()) == 49
    assert shifted_time(torch.tensor([0.0, 1.0]), 4.0).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("renormalisation", ["global", "channel", "text_channel"])
def test_case_8_ten_euler_steps_with_text_and_image_guidance(network: BagelNetwork, renormalisation) -> None:
    """Against whole sequences run again for every step and branch, in float64."""
    schedule, guidance = Schedule(11, 3.0), Guidance(4.0, 2.0, renormalisation, least=0.3)
    drawn = canvas([1])
    (found,) = draw(network, SPECIAL, contexts(network, [EDIT]), drawn, schedule, guidance)
    reference = PlainBagel({published(name): tensor for name, tensor in network.state_dict().items()})
    x = drawn.noise[0].double()
    times = [3 * (1 - i / 10) / (1 + 2 * (1 - i / 10)) for i in range(11)]

    def velocity(prompt: list[Part], time: float) -> Tensor:
        latent = LatentPart(unpatchify(x, GRIDS[1], 2), x, time)  # both ends are x: so is what is between
        return reference.velocity([*prompt, latent])

    def back(moved: Tensor, full: Tensor, over: int | None) -> Tensor:
        norms = [v.norm() if over is None else v.norm(dim=over, keepdim=True) for v in (full, moved)]
        return moved * (norms[0] / (norms[1] + 1e-8)).clamp(0.3, 1)

    for now, after in pairwise(times):
        full = velocity(EDIT, now)
        v = full
        if 0.4 < now <= 1:
            textless, imageless = velocity(EDIT[:-1], now), velocity(EDIT[-1:], now)
            v = textless + 4 * (full - textless)
            if renormalisation == "text_channel":
                v = back(v, full, 1)
            v = imageless + 2 * (v - imageless)
            if renormalisation != "text_channel":
                v = back(v, full, 1 if renormalisation == "channel" else None)
        x = x - (now - after) * v
    torch.testing.assert_close(found.double(), x, atol=1e-4, rtol=1e-4)


def test_every_step_shows_where_it_is_heading(network: BagelNetwork) -> None:
    conditions = contexts(network, [PROMPTS[0]])
    steps = list(denoise(network, SPECIAL, conditions, canvas([0]), SHORT, Guidance(1.0)))
    assert len(steps) == 4
    tokens, estimate = steps[-1][0]
    torch.testing.assert_close(tokens, estimate, atol=1e-6, rtol=1e-5), "the last step arrives"
    assert (steps[0][0][1] - estimate).abs().max() > 1e-3


def test_drawing_leaves_the_context_as_it_was(network: BagelNetwork) -> None:
    conditions = contexts(network, [EDIT])
    before = [keys.clone() for keys, _ in conditions.full.layers]
    first = draw(network, SPECIAL, conditions, canvas([0]), SHORT, Guidance(3.0))[0]
    again = draw(network, SPECIAL, conditions, canvas([0]), SHORT, Guidance(3.0))[0]
    assert torch.equal(first, again)
    assert all(torch.equal(old, new) for old, (new, _) in zip(before, conditions.full.layers, strict=True))


def test_guidance_without_its_context_and_wrong_noise_are_refused(network: BagelNetwork) -> None:
    alone = Conditions(contexts(network, [EDIT]).full)
    with pytest.raises(ValueError, match="text guidance needs the context without the text"):
        draw(network, SPECIAL, alone, canvas([0]), SHORT, Guidance(4.0))
    with pytest.raises(ValueError, match="image guidance needs the context without the images"):
        draw(network, SPECIAL, alone, canvas([0]), SHORT, Guidance(1.0, 2.0))
    with pytest.raises(ValueError, match=r"noise \(6, 16\) does not fit 2 x 2"):
        draw(network, SPECIAL, alone, Canvas(canvas([0]).noise, [(2, 2)]), SHORT, Guidance(1.0))
    with pytest.raises(ValueError, match="cannot be read"):
        read(network, make_packer(), [[LatentPart(torch.zeros(4, 2, 2), normal(1, 1, 16), 0.5)]])


QUESTIONS: list[list[Part]] = [
    [picture(1, 1, 2), text(2, 3)],
    [text(3, 6)],
    [picture(4, 3, 2), text(5, 1)],
    [clean(6, 1, 1), text(7, 2)],
]


def test_case_12_greedy_answers_equal_whole_sequences_run_again(network: BagelNetwork) -> None:
    context = read(network, make_packer(), QUESTIONS)
    found = answer(network, SPECIAL, context, [6] * 4, [0.0] * 4, [0] * 4)
    reference = PlainBagel({published(name): tensor for name, tensor in network.state_dict().items()})
    assert found == [reference.greedy(question, 6) for question in QUESTIONS]


def test_case_12_a_batch_answers_as_each_row_alone(network: BagelNetwork) -> None:
    """Greedy and sampled rows, different limits, and rows that end early."""
    limits, temperatures, seeds = [20, 20, 9, 20], [0.0, 1.0, 0.0, 0.8], [1, 2, 3, 4]
    free = read(network, make_packer(), QUESTIONS)
    said = answer(network, SPECIAL, free, limits, temperatures, seeds)
    early = make_network()  # its end of text is as likely as the second word of the first answer
    early.lm_head.weight.data[SPECIAL.eos] = early.lm_head.weight[said[0][1]] * 1.01
    packer = make_packer()
    together = answer(early, SPECIAL, read(early, packer, QUESTIONS), limits, temperatures, seeds)
    for row, question in enumerate(QUESTIONS):
        context = read(early, packer, [question])
        alone = answer(
            early, SPECIAL, context, limits[row : row + 1], temperatures[row : row + 1], seeds[row : row + 1]
        )
        assert together[row] == alone[0]
    lengths = [len(ids) for ids in together]
    assert min(lengths) < 9, "a row ends early"
    assert max(lengths) == 20
    assert answer(network, SPECIAL, free, [0, 2, 0, 1], temperatures, seeds)[0] == []


def test_contexts_join_and_are_chosen_by_row(network: BagelNetwork) -> None:
    packer = make_packer()
    parts = [read(network, packer, [question]) for question in QUESTIONS]
    joined = join([parts[2], Context.empty(network, 1), parts[0]])
    assert (len(joined), joined.positions.tolist()) == (3, [4, 0, 6])
    assert joined.seen.sum(1).tolist() == [parts[2].length, 0, parts[0].length]
    expected = answer(network, SPECIAL, parts[0], [5], [0.0], [0])
    assert answer(network, SPECIAL, joined.rows(torch.tensor([2])), [5], [0.0], [0]) == expected
