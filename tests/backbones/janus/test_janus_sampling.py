"""Drawing against transformers' ``generate`` and against the published loop written plainly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from janus_makers import make_janus, stock_codes
from torch import Tensor

from unictk.backbones.drawing import Drawing, seeded
from unictk.backbones.janus.backbone import Janus
from unictk.backbones.janus.layout import unconditional
from unictk.backbones.janus.sampling import draw
from unictk.backbones.keyvalues import Recorder
from unictk.samples import Request, Sampling, Text

CELLS = 16
GUIDANCE = 5.0


@pytest.fixture(scope="module")
def model() -> Janus:
    return make_janus()


def prompts_of(model: Janus, *lengths: int) -> list[list[int]]:
    """Prompts of exactly so many ids."""
    v = model.layout.vocabulary
    return [[v.begin, *(range(40 + 3 * n, 38 + 4 * n)), v.start_of_image] for n in lengths]


def drawing(model: Janus, prompts: list[list[int]], scale: float, **more: object) -> Drawing:
    vectors = [model.network.embed(torch.tensor(prompt), None) for prompt in prompts]
    settings = {"temperature": 0.0, "seeds": range(len(prompts)), "follows": torch.arange(len(prompts))}
    return Drawing(vectors, rows=4, columns=CELLS // 4, scale=scale, **(settings | more))  # type: ignore[arg-type]


def published(
    model: Janus, prompts: list[list[int]], scale: float, pick: Callable[[Tensor], Tensor]
) -> Tensor:
    """The published loop for prompts of one length: rows with and without in turn, no cache."""
    stock, v = model.network.stock, model.layout.vocabulary
    rows = [row for prompt in prompts for row in (prompt, unconditional(v, len(prompt)))]
    vectors = stock.get_input_embeddings()(torch.tensor(rows))
    drawn: list[Tensor] = []
    with torch.no_grad():
        for _ in range(CELLS):
            seen = torch.ones(vectors.shape[:2], dtype=torch.long)
            states = stock.model.language_model(inputs_embeds=vectors, attention_mask=seen, use_cache=False)
            logits = stock.model.generation_head(states.last_hidden_state[:, -1])
            with_prompt, without = logits[0::2], logits[1::2]
            drawn.append(pick(without + scale * (with_prompt - without)))
            both = drawn[-1].repeat_interleave(2)
            new = stock.prepare_embeddings_for_image_generation(both[:, None])
            vectors = torch.cat([vectors, new], 1)
    return torch.stack(drawn, 1)


def multinomial(logits: Tensor, number: int = 0) -> Tensor:
    """As transformers draws, from torch's own stream."""
    return torch.multinomial(logits.softmax(-1), 1)[:, 0]


def test_case_17_greedy_codes_of_two_lengths_equal_the_published_loop_and_generate(model: Janus) -> None:
    prompts = prompts_of(model, 4, 7)
    together = draw(model.network, model.layout.vocabulary, drawing(model, prompts, GUIDANCE))
    assert torch.equal(together, stock_codes(model, prompts, GUIDANCE))
    for row, prompt in enumerate(prompts):
        plain = published(model, [prompt], GUIDANCE, lambda logits: logits.argmax(-1))
        assert torch.equal(plain[0], together[row])
        assert torch.equal(stock_codes(model, [prompt], GUIDANCE)[0], together[row])
    assert len(together.unique()) > 4
    assert not torch.equal(together[0], together[1])


def test_case_18_seeded_codes_equal_generate_and_the_published_order_of_rows(model: Janus) -> None:
    """torch's one stream is drawn from in the order of the pictures, however their rows are ordered."""
    prompts = prompts_of(model, 6, 6)
    prompts[1][2] += 50
    found = []
    for way in ("ours", "published", "generate"):
        torch.manual_seed(11)
        if way == "ours":
            ours = drawing(model, prompts, GUIDANCE)
            found.append(draw(model.network, model.layout.vocabulary, ours, multinomial))
        elif way == "published":
            found.append(published(model, prompts, GUIDANCE, multinomial))
        else:
            found.append(stock_codes(model, prompts, GUIDANCE, do_sample=True, temperature=1.0))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    torch.manual_seed(12)
    other = draw(model.network, model.layout.vocabulary, drawing(model, prompts, GUIDANCE), multinomial)
    assert not torch.equal(found[0], other)


def test_one_seeded_picture_equals_generate_with_the_same_stream(model: Janus) -> None:
    (prompt,) = prompts_of(model, 9)
    torch.manual_seed(5)
    expected = stock_codes(model, [prompt], GUIDANCE, do_sample=True, temperature=1.0)
    torch.manual_seed(5)
    found = draw(model.network, model.layout.vocabulary, drawing(model, [prompt], GUIDANCE), multinomial)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("scale", [1.0, GUIDANCE])
def test_case_19_left_padded_rows_equal_their_single_runs(model: Janus, scale: float) -> None:
    prompts = prompts_of(model, 4, 11, 7)
    kept: list[Tensor] = []

    def keeping(logits: Tensor, number: int) -> Tensor:
        kept.append(logits)
        return logits.argmax(-1)

    v = model.layout.vocabulary
    together = draw(model.network, v, drawing(model, prompts, scale), keeping)
    steps = torch.stack(kept)
    for row, prompt in enumerate(prompts):
        kept.clear()
        alone = draw(model.network, v, drawing(model, [prompt], scale), keeping)
        assert torch.equal(alone[0], together[row])
        assert torch.allclose(torch.stack(kept)[:, 0], steps[:, row], atol=1e-5)


def test_case_19_eight_rollouts_that_share_one_reading_equal_eight_readings(model: Janus) -> None:
    (prompt,) = prompts_of(model, 9)
    v = model.layout.vocabulary
    settings = {"temperature": 1.0, "seeds": range(20, 28)}
    one = drawing(model, [prompt], GUIDANCE, **settings, follows=torch.zeros(8, dtype=torch.long))
    eight = drawing(model, [prompt] * 8, GUIDANCE, **settings)
    logits: list[list[Tensor]] = []

    def keeping(some: Drawing) -> Tensor:
        own = seeded(some)
        logits.append([])

        def pick(now: Tensor, number: int) -> Tensor:
            logits[-1].append(now)
            return own(now, number)

        return draw(model.network, v, some, pick)

    assert torch.equal(keeping(one), keeping(eight))
    assert torch.allclose(torch.stack(logits[0]), torch.stack(logits[1]), atol=1e-5)
    assert len({tuple(codes) for codes in draw(model.network, v, one).tolist()}) == 8


def test_each_distinct_prompt_and_each_length_of_padding_is_read_once(
    model: Janus, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    trunk = model.network.trunk

    def counting(vectors: Tensor, positions: Tensor, allowed: object = None, cache: object = None) -> Tensor:
        if isinstance(cache, Recorder):
            read.append(len(vectors))
        return trunk(vectors, positions, allowed, cache)  # type: ignore[arg-type]

    monkeypatch.setattr(model.network, "trunk", counting)
    sampling = Sampling(guidance=4.0)
    ball = [Request(Text("a red ball"), seed=seed, sampling=sampling) for seed in range(4)]
    blue = [Request(Text("a blue ball"), seed=seed, sampling=sampling) for seed in range(2)]
    model.generate_images([*ball, *blue])
    assert read == [3]


def test_without_guidance_the_unconditional_rows_do_not_run(
    model: Janus, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    head = model.network.code_logits
    monkeypatch.setattr(
        model.network, "code_logits", lambda states: (rows.append(len(states)), head(states))[1]
    )
    (prompt,) = prompts_of(model, 6)
    plain = draw(model.network, model.layout.vocabulary, drawing(model, [prompt], 1.0))
    assert set(rows) == {1}
    assert len(rows) == CELLS
    rows.clear()
    guided = draw(model.network, model.layout.vocabulary, drawing(model, [prompt], GUIDANCE))
    assert set(rows) == {2}
    assert not torch.equal(plain, guided)
    # transformers doubles the rows at any scale, and mixes them only above 1: it cannot draw so.
    with pytest.raises(RuntimeError):
        stock_codes(model, [prompt], 1.0)


def test_case_20_compiled_layers_and_preallocated_keys_equal_eager_growing_ones(model: Janus) -> None:
    """Ours writes in place into room made beforehand; a dynamic cache grows from nothing."""
    prompts = prompts_of(model, 5, 8)
    eager = stock_codes(model, prompts, GUIDANCE, cache_implementation="dynamic")
    compiled = make_janus()
    compiled.network.blocks[1].compile(backend="eager", dynamic=True)  # one layer: compiling takes long
    found = draw(compiled.network, compiled.layout.vocabulary, drawing(compiled, prompts, GUIDANCE))
    assert torch.equal(found, eager)


def test_our_own_chance_follows_the_probabilities() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    some = Drawing([], torch.zeros(1), [7], rows=40, columns=100, temperature=0.5)
    pick = seeded(some)
    drawn = torch.stack([pick(logits, number) for number in range(4000)]).flatten()
    expected = (logits[0] / 0.5).softmax(0)
    assert torch.allclose(torch.bincount(drawn, minlength=3) / 4000, expected, atol=0.02)


def test_a_row_draws_from_its_own_seed_alone(model: Janus) -> None:
    prompts, v = prompts_of(model, 5, 8), model.layout.vocabulary
    together = draw(model.network, v, drawing(model, prompts, 2.0, temperature=1.0, seeds=[4, 6]))
    alone = draw(model.network, v, drawing(model, prompts[1:], 2.0, temperature=1.0, seeds=[6]))
    other = draw(model.network, v, drawing(model, prompts[1:], 2.0, temperature=1.0, seeds=[7]))
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(other, alone)


def test_padding_is_seen_by_the_unconditional_rows(model: Janus) -> None:
    """The published trap: padding that stands for a prompt is read, not hidden."""
    v = model.layout.vocabulary
    short, long = prompts_of(model, 4, 30)
    codes = []
    for prompt in (short, long):
        ids = torch.tensor(unconditional(v, len(prompt)))[None]
        assert ids[0, 0] == v.begin
        assert ids[0, -1] == v.start_of_image
        assert ids[0, 1:-1].unique().tolist() == [v.pad]
        states = model.network.trunk(model.network.embed(ids, None), torch.arange(len(prompt))[None])
        codes.append(model.network.code_logits(states[:, -1]))
    assert not torch.allclose(*codes, atol=1e-3)
