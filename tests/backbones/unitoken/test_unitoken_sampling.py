"""Drawing against the published procedure in plain form: two contexts, one id at a time, the whole head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from unitoken_makers import tiny_network

from unictk.backbones.drawing import Drawing, pick_code
from unictk.backbones.reading import read
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.sampling import draw
from unictk.backbones.unitoken.vocabulary import CODE, Vocabulary

V = Vocabulary.behind(text=20, codebook=30, begin=0, grids=3)
PROMPTS = [[0, 3, 4, 5, V.end_of_turn], [0, 7, V.end_of_turn], [0, 9, 2, 11, 13, 15, 17, V.end_of_turn]]


@pytest.fixture(scope="module")
def network() -> UniTokenNetwork:
    return tiny_network(5, vocabulary=V.size)


def last_logits(network: UniTokenNetwork, ids: list[int]) -> Tensor:
    """Without a cache, over the whole vocabulary."""
    states = network.trunk(network.embed(torch.tensor([ids]), None), torch.arange(len(ids))[None])
    return network.logits(states, None)[0, -1]


def allowed(tail: list[int], side: tuple[int, int]) -> set[int] | None:
    """The published rules: which ids may come when ``tail`` has been written since the picture began."""
    rows, columns = side
    if len(tail) < 2:
        return {V.grid + (rows, columns)[len(tail)] // 2}
    written = len(tail) - 2
    if (written + 1) % (columns + 1) == 0:
        return {V.newline}
    if written == rows * (columns + 1):
        return {V.end_of_image}
    return None if V.end_of_image in tail else set(range(V.first_code, V.first_code + V.codebook))


def published(
    network: UniTokenNetwork, prompt: list[int], scale: float, side: tuple[int, int]
) -> tuple[list[int], int]:
    """Greedy ids from the start of the picture to its end, and how often the unconditional side was run."""
    tail: list[int] = []
    calls = 0
    while V.end_of_image not in tail:
        logits = last_logits(network, [*prompt, V.start_of_image, *tail])
        if scale != 1 and len(tail) >= 2:
            calls += 1
            without = last_logits(network, [V.start_of_image, *tail])
            logits = without + scale * (logits - without)
        may = sorted(allowed(tail, side) or range(V.size))
        tail.append(may[int(logits[may].argmax())])
    return [V.start_of_image, *tail], calls


def drawing(network: UniTokenNetwork, prompts: list[list[int]], scale: float, side=(4, 4), **more) -> Drawing:
    vectors = [network.embed(torch.tensor(prompt, dtype=torch.long), None) for prompt in prompts]
    settings = {"temperature": 0.0, "seeds": range(len(prompts)), "follows": torch.arange(len(prompts))}
    settings |= more
    return Drawing(vectors, rows=side[0], columns=side[1], scale=scale, **settings)


def test_case_14_the_grid_is_forced_as_published(network: UniTokenNetwork) -> None:
    """2 x 2: size, size, code, code, newline, code, code, newline, end."""
    ids, _ = published(network, PROMPTS[0], 1.0, (2, 2))
    kinds = [CODE if V.first_code <= one < V.first_code + V.codebook else one for one in ids]
    size = V.grid + 1
    line = [CODE, CODE, V.newline]
    assert kinds == [V.start_of_image, size, size, *line, *line, V.end_of_image] == V.block(2, 2)
    assert len(Vocabulary().block(32, 32)) - 1 == 1059
    assert allowed([size, size, *[5, 5, V.newline] * 2, V.end_of_image], (2, 2)) is None


@pytest.mark.parametrize("scale", [1.0, 3.0, 5.5])
def test_case_15_guidance_in_one_batch_equals_two_contexts(network: UniTokenNetwork, scale: float) -> None:
    """Also case 14: rows of different prompts in one batch equal each alone."""
    together = draw(network, V, drawing(network, PROMPTS, scale))
    for row, prompt in enumerate(PROMPTS):
        ids, calls = published(network, prompt, scale, (4, 4))
        assert torch.equal(V.read_block(ids).flatten(), together[row])
        assert (calls == 0) == (scale == 1)
        alone = draw(network, V, drawing(network, [prompt], scale))
        assert torch.equal(alone[0], together[row])
    assert len(together.unique()) > 2


def test_case_15_guidance_changes_what_is_drawn(network: UniTokenNetwork) -> None:
    plain, guided = (draw(network, V, drawing(network, PROMPTS, scale)) for scale in (1.0, 5.5))
    assert not torch.equal(plain, guided)


def test_case_14_a_grid_that_is_no_square(network: UniTokenNetwork) -> None:
    found = draw(network, V, drawing(network, PROMPTS[:1], 3.0, (2, 6)))
    assert torch.equal(V.read_block(published(network, PROMPTS[0], 3.0, (2, 6))[0]).flatten(), found[0])


def test_case_14_a_prompt_of_no_ids_is_drawn_too(network: UniTokenNetwork) -> None:
    """The picture alone, which is what guidance reads: then it changes nothing."""
    ids, _ = published(network, [], 1.0, (4, 4))
    for scale in (1.0, 3.0):
        found = draw(network, V, drawing(network, [[]], scale))
        assert torch.equal(V.read_block(ids).flatten(), found[0])


def test_case_14_text_is_not_held_to_a_grid(network: UniTokenNetwork) -> None:
    """Outside of pictures nothing is forced; answers leave out codes, which could not be shown."""
    states = network.trunk(network.embed(torch.tensor([PROMPTS[0]]), None), torch.arange(5)[None])[:, -1]
    plain, answer = network.logits(states, None), network.logits(states, None, blank=V.codes)
    kept = [number for number in range(V.size) if not V.codes.start <= number < V.codes.stop]
    assert torch.equal(answer[:, kept], plain[:, kept])
    assert allowed([V.grid + 1, V.grid + 1, *[5, 5, V.newline] * 2, V.end_of_image], (2, 2)) is None


def test_case_15_without_guidance_there_is_no_second_context(
    network: UniTokenNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it there is one for all pictures: the ids that open a picture, at positions from 0 on."""
    seen: list[tuple[int, Tensor]] = []
    trunk = network.trunk

    def watched(vectors: Tensor, positions: Tensor, *more: object) -> Tensor:
        seen.append((len(vectors), positions))
        return trunk(vectors, positions, *more)

    monkeypatch.setattr(network, "trunk", watched)
    draw(network, V, drawing(network, PROMPTS, 1.0))
    assert {rows for rows, _ in seen} == {3}
    assert len(seen) == 16  # the prompts, then every code but the last
    seen.clear()
    draw(network, V, drawing(network, PROMPTS, 3.0))
    assert [rows for rows, _ in seen[:2]] == [4, 6], (
        "three prompts and one context beside them, then two rows each"
    )
    assert seen[0][1][3, -3:].tolist() == [0, 1, 2]
    assert seen[1][1][3:].unique().tolist() == [3]


def test_case_16_reading_several_ids_at_once_leaves_the_same_cache(network: UniTokenNetwork) -> None:
    contexts = [network.embed(torch.tensor(prompt), None) for prompt in PROMPTS]
    more = network.embed(torch.tensor([[21, 54, 22], [23, 54, 24], [25, 54, 26]]), None)
    readings = [read(network, contexts, torch.arange(3), 3) for _ in range(2)]
    at_once = readings[0].feed(more)
    one_by_one = torch.cat([readings[1].feed(more[:, place : place + 1]) for place in range(3)], 1)
    assert torch.allclose(at_once, one_by_one, atol=2e-5)
    layers = zip(readings[0].cache.layers, readings[1].cache.layers, strict=True)
    for (keys, values), (other_keys, other_values) in layers:
        assert torch.allclose(keys, other_keys, atol=2e-5)
        assert torch.allclose(values, other_values, atol=2e-5)
    assert readings[0].cache.used == readings[1].cache.used == 11
    assert torch.equal(readings[0].position, readings[1].position)


def test_case_21_what_was_read_with_a_cache_equals_reading_it_whole(network: UniTokenNetwork) -> None:
    contexts = [network.embed(torch.tensor(prompt), None) for prompt in PROMPTS]
    reading = read(network, contexts, torch.tensor([0, 1, 2, 1]), 4)
    written = [list(PROMPTS[row]) for row in (0, 1, 2, 1)]
    for _ in range(4):
        best = network.logits(reading.state, None).argmax(-1)
        for ids, token in zip(written, best.tolist(), strict=True):
            assert last_logits(network, ids).argmax() == token
            ids.append(token)
        reading.feed(network.embed(best[:, None], None))
    reading = read(network, contexts, torch.tensor([0, 1, 2]), 1)
    reading.keep(torch.tensor([2, 0]))
    state = reading.feed(network.embed(torch.tensor([[4], [6]]), None))[:, -1]
    expected = torch.stack([last_logits(network, [*PROMPTS[2], 4]), last_logits(network, [*PROMPTS[0], 6])])
    assert torch.allclose(network.logits(state, None), expected, atol=2e-5)


def test_each_picture_draws_from_its_own_seed(network: UniTokenNetwork) -> None:
    settings = {"temperature": 1.0, "follows": torch.tensor([0, 1, 0]), "seeds": [4, 5, 6]}
    together = draw(network, V, drawing(network, PROMPTS[:2], 2.0, **settings))
    alone = draw(
        network,
        V,
        drawing(network, PROMPTS[:1], 2.0, temperature=1.0, follows=torch.tensor([0]), seeds=[6]),
    )
    assert torch.equal(together[2], alone[0])
    assert not torch.equal(together[0], together[2])


def test_case_22_only_the_number_of_codes_that_was_asked_for_is_cut_off() -> None:
    """A library default of 50 would cut 4,000 candidates: all 8,192 must be able to come."""
    logits = torch.zeros(4096, 8192)
    uniform = (torch.arange(4096) + 0.5) / 4096
    assert len(pick_code(logits, uniform, 1.0, 8192).unique()) == 4096
    ranked = torch.arange(8192.0).expand(64, -1) / 1e4
    assert pick_code(ranked, uniform[::64], 1.0, 4000).min() >= 8192 - 4000
    assert len(pick_code(ranked, uniform[::64], 1.0, 4000).unique()) == 64


def test_pick_follows_the_probabilities() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0]]).expand(3000, -1)
    drawn = pick_code(logits, torch.rand(3000, generator=torch.Generator().manual_seed(0)), 0.5, 3)
    expected = (logits[0] / 0.5).softmax(0)
    assert torch.allclose(torch.bincount(drawn, minlength=3) / 3000, expected, atol=0.02)
    assert pick_code(logits, torch.zeros(3000), 0.0, 3).unique().tolist() == [1]
