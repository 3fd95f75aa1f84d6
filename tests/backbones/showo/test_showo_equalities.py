"""Each shortcut against the plain way: same losses, same gradients, same tokens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from showo_makers import make_concept, make_showo, picture
from torch import Tensor, nn
from torch.nn import functional

from unictk.backbones.base import Rows
from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.crossentropy import frozen_table_cross_entropy
from unictk.backbones.showo.masking import sampling_counts
from unictk.backbones.showo.prefixes import prefix_ids
from unictk.backbones.showo.sampling import Canvas, mask_predict
from unictk.backbones.showo.vocabulary import attention_allowed
from unictk.samples import Batch, Image, Request, Sample, Sampling, Text

QUESTIONS = ("Is <bo> here?", "What color is the hat of <bo>?", "<bo>?", "Where does <bo> sleep at night?")


def mixed_samples() -> list[Sample]:
    """Two drawings, three answers about two pictures, and two extended layouts."""
    return [
        Sample(Text("A photo of <bo:0><bo:1> <bo>."), Image(picture(0), target=True), key="d0", seed=1),
        Sample(Text("<bo>"), Image(picture(1), target=True), key="d1", seed=2),
        *[
            Sample(Image(picture(i % 2)), Text(question), Text("Yes, it is <bo>.", target=True), key=str(i))
            for i, question in enumerate(QUESTIONS[:3])
        ],
        Sample(Text("A cup."), Image(picture(2)), Text("No."), Image(picture(3), target=True), seed=5),
        Sample(Image(picture(0)), Image(picture(1)), Text("Same?"), Text("No.", target=True)),
    ]


def gradients(backbone: Showo, batch: Batch) -> tuple[tuple[float, float], list[Tensor]]:
    rows = [p for concept in backbone.concepts for p in concept.parameters()]
    loss = backbone.loss(batch)
    found = torch.autograd.grad(0.8 * loss.image_sum + 0.2 * loss.text_sum, rows)
    return (loss.image_sum.item(), loss.text_sum.item()), list(found)


def assert_same(ours: tuple[Any, list[Tensor]], theirs: tuple[Any, list[Tensor]]) -> None:
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    for a, b in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_answers_behind_prefixes_equal_whole_sequences(showo: Showo, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = showo.layout.collate(mixed_samples())
    fast = gradients(showo, batch)
    monkeypatch.setattr(showo.network, "trunk_trains", lambda: True)
    assert_same(fast, gradients(showo, batch))


@pytest.mark.parametrize("trains", [False, True])
def test_padding_to_a_multiple_changes_shapes_and_nothing_else(
    showo: Showo, monkeypatch: pytest.MonkeyPatch, trains: bool
) -> None:
    monkeypatch.setattr(showo.network, "trunk_trains", lambda: trains)
    plain = showo.layout.collate(mixed_samples())
    monkeypatch.setattr(showo.layout, "multiple", 8)
    padded = showo.layout.collate(mixed_samples())
    for part in ("rows", "answers"):
        before, after = (getattr(batch.parts, part).ids.shape[1] for batch in (plain, padded))
        assert after % 8 == 0
        assert before <= after < before + 8
    assert plain.parts.answers.ids.shape != padded.parts.answers.ids.shape
    assert padded.counts == plain.counts
    assert_same(gradients(showo, padded), gradients(showo, plain))


def test_padding_never_passes_the_position_limit(showo: Showo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showo.layout, "multiple", 1000)
    batch = showo.layout.collate(mixed_samples())
    room = showo.layout.positions - showo.layout.cells - 3
    assert batch.parts.answers.ids.shape[1] == room
    assert batch.parts.rows.ids.shape[1] == max(room, max(map(showo.layout.length, mixed_samples()[:2])))
    assert torch.isfinite(showo.loss(batch).text_sum)


def test_a_batch_is_the_sum_of_its_samples(showo: Showo) -> None:
    together = gradients(showo, showo.layout.collate(mixed_samples()))
    alone = [gradients(showo, showo.layout.collate([sample])) for sample in mixed_samples()]
    sums = tuple(sum(part[0][i] for part in alone) for i in range(2))
    grads = [sum(column) for column in zip(*(part[1] for part in alone), strict=True)]
    assert_same(together, (sums, grads))  # type: ignore[arg-type]


def test_kept_prefixes_change_nothing_and_are_forgotten_with_the_weights() -> None:
    plain, keeping = make_showo(), make_showo(prefix_cache_mb=64)
    for backbone in (plain, keeping):
        backbone.attach([make_concept(backbone)])
    batch = plain.layout.collate(mixed_samples())
    expected = gradients(plain, batch)
    assert_same(gradients(keeping, batch), expected)
    kept = len(keeping.prefixes._kept)
    assert kept == 2
    assert_same(gradients(keeping, batch), expected)
    assert len(keeping.prefixes._kept) == kept
    for backbone in (plain, keeping):
        with torch.no_grad():
            backbone.network.blocks[0].mlp.fc1.weight.mul_(1.5)
    assert_same(gradients(keeping, batch), gradients(plain, batch))


def test_the_prefix_budget_is_kept() -> None:
    backbone = make_showo(prefix_cache_mb=1)
    backbone.attach([make_concept(backbone)])
    per_picture = 3 * 2 * 19 * 64 * 4
    backbone.prefixes.budget = 2 * per_picture
    for seed in range(5):
        sample = Sample(Image(picture(seed)), Text("What?"), Text("A cup.", target=True))
        backbone.loss(backbone.layout.collate([sample]))
        assert backbone.prefixes._held <= backbone.prefixes.budget
    assert len(backbone.prefixes._kept) == 2


def test_checkpointed_blocks_change_nothing(showo: Showo) -> None:
    batch = showo.layout.collate(mixed_samples())
    expected = gradients(showo, batch)
    showo.network.checkpoint_blocks = True
    try:
        assert_same(gradients(showo, batch), expected)
    finally:
        showo.network.checkpoint_blocks = False


def test_frozen_table_cross_entropy_is_cross_entropy() -> None:
    chance = torch.Generator().manual_seed(0)
    hidden, table, bias, rows, row_bias = (
        torch.randn(*shape, generator=chance) for shape in ((600, 8), (50, 8), (50,), (3, 8), (3,))
    )
    goals = torch.randint(53, (600,), generator=chance)
    weights = torch.rand(600, generator=chance)
    results = []
    for way in ("ours", "torch"):
        inputs = [t.clone().requires_grad_() for t in (hidden, rows, row_bias)]
        if way == "ours":
            losses = frozen_table_cross_entropy(inputs[0], table, bias, inputs[1], inputs[2], goals)
        else:
            logits = inputs[0] @ torch.cat([table, inputs[1]]).T + torch.cat([bias, inputs[2]])
            losses = functional.cross_entropy(logits, goals, reduction="none")
        results.append([losses.detach(), *torch.autograd.grad((weights * losses).sum(), inputs)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_only_concept_rows_have_gradients(showo: Showo) -> None:
    assert not any(p.requires_grad for p in showo.parameters())
    loss = showo.loss(showo.layout.collate(mixed_samples()))
    (loss.text_sum + loss.image_sum).backward()
    assert all(p.grad is not None for concept in showo.concepts for p in concept.parameters())
    assert all(p.grad is None for p in showo.parameters())
    for concept in showo.concepts:
        concept.zero_grad()


def uncached_answer(showo: Showo, request: Request, limit: int) -> list[int]:
    """The published loop: the whole sequence again for every token."""
    layout, rows = showo.layout, showo.concept_rows()
    codes, _ = showo.encode([s for s in request.segments if isinstance(s, Image)])
    text, _ = layout.codec.conversation([s for s in request.segments if isinstance(s, Text)])
    ids = torch.cat([prefix_ids(codes, layout.vocabulary), torch.tensor([text])], dim=1)
    found: list[int] = []
    for _ in range(limit):
        positions = torch.arange(ids.shape[1])[None]
        allowed = attention_allowed(ids, layout.vocabulary)
        state = showo.network.trunk(showo.network.embed(ids, rows), positions, allowed)[:, -1]
        token = int(showo.network.logits(state, rows).argmax())
        if token == layout.vocabulary.end_of_text:
            return found
        found.append(token)
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    return found


@torch.no_grad()
def test_case_28_cached_batched_answers_equal_the_uncached_loop(showo: Showo) -> None:
    sampling = Sampling(max_new_tokens=12)
    requests = [
        Request(Image(picture(i % 3)), Text(question), sampling=sampling)
        for i, question in enumerate([*QUESTIONS, *QUESTIONS])
    ]
    expected = [showo.layout.codec.decode(uncached_answer(showo, request, 12)) for request in requests]
    assert showo.generate_text(requests) == expected
    assert [showo.generate_text([request])[0] for request in requests] == expected
    assert len(set(expected)) > 3


@torch.no_grad()
def test_case_28_cached_logits_equal_uncached_within_1e_4(showo: Showo) -> None:
    """Through ``choose``, whose scores are sums of log probabilities read behind a cached prompt."""
    options = ["Yes.", "No.", "It is a small red <bo> in a box."]
    requests = [Request(Image(picture(i)), Text(question)) for i, question in enumerate(QUESTIONS)]
    requests.append(Request(Image(picture(0)), Image(picture(1)), Text("Same?")))
    requests.append(Request(Text("Only text about <bo>?")))
    scores = showo.choose(requests, options)
    for line, request in zip(scores, requests, strict=True):
        for score, option in zip(line, options, strict=True):
            batch = showo.layout.collate([request.answered(Text(option))])
            assert score.item() == pytest.approx(-showo.loss(batch).text_sum.item(), abs=1e-4)


def test_sampled_answers_depend_on_their_seed_alone(showo: Showo) -> None:
    sampling = Sampling(max_new_tokens=8, text_temperature=1.5)
    requests = [Request(Image(picture(0)), Text("What?"), seed=seed, sampling=sampling) for seed in range(6)]
    together = showo.generate_text(requests)
    assert [showo.generate_text([request])[0] for request in reversed(requests)] == together[::-1]
    assert len(set(together)) > 3


def test_answer_separator_is_the_published_extra_end_of_text() -> None:
    """Case 14: evaluation puts one more end-of-text between image and question."""
    backbone = make_showo(answer_separator=True)
    reader = backbone._reader()
    request = Request(Image(picture(0)), Text("What?"))
    with_it, without = (reader.prompts([request], separator).ids[0].tolist() for separator in (True, False))
    assert with_it == [backbone.vocabulary.end_of_text, *without]


def draw_requests(guidance: float = 2.0, steps: int = 5) -> list[Request]:
    sampling = Sampling(steps=steps, guidance=guidance)
    texts = ("A photo of <bo:0><bo:1> <bo>.", "<bo>", "A photo of <bo:0><bo:1> <bo>.", "A cup on a table.")
    return [Request(Text(text), key=str(i), seed=10 + i, sampling=sampling) for i, text in enumerate(texts)]


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_drawing_in_a_batch_equals_drawing_alone(showo: Showo, guidance: float) -> None:
    requests = draw_requests(guidance)
    together = showo.generate_images(requests)
    for image, request in zip(together, requests, strict=True):
        assert torch.equal(image.codes, showo.generate_images([request])[0].codes)
    assert len({tuple(image.codes.tolist()) for image in together}) == len(requests)
    assert together[0].pixels.shape == (3, 16, 16)
    assert 0 <= float(together[0].pixels.min()) <= float(together[0].pixels.max()) <= 1


@torch.no_grad()
def test_shared_prompt_states_equal_whole_sequences(showo: Showo) -> None:
    """One step of guided sampling against the published computation: whole sequences and the full head."""
    request = draw_requests(guidance=3.0, steps=1)[0]
    layout, vocabulary, rows = showo.layout, showo.vocabulary, showo.concept_rows()
    whole = []
    for text in (request.segments[0].text, None):  # type: ignore[union-attr]
        prompt = layout.codec.drawing_prompt(text, layout.prompt_length)
        pads = [vocabulary.pad] * (layout.prompt_length - len(prompt))
        block = [vocabulary.start_of_image, *[vocabulary.mask] * layout.cells, vocabulary.end_of_image]
        ids = torch.tensor([[*pads, *prompt, *block]])
        positions = torch.arange(ids.shape[1])[None]
        states = showo.network.trunk(
            showo.network.embed(ids, rows), positions, attention_allowed(ids, vocabulary)
        )
        whole.append(showo.network.logits(states, rows)[:, -1 - layout.cells : -1])
    guided = 4 * whole[0] - 3 * whole[1]
    expected = guided[..., vocabulary.first_code : vocabulary.mask]
    seen: list[Tensor] = []
    original = showo.network.code_logits

    def spy(hidden: Tensor, first: int, count: int) -> Tensor:
        seen.append(original(hidden, first, count))
        return seen[-1]

    showo.network.code_logits = spy  # type: ignore[method-assign]
    try:
        showo.generate_images([request])
    finally:
        del showo.network.code_logits
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=1e-4)


def test_case_27_guidance_formula() -> None:
    """cond = [1, 0], uncond = [0, 0], g = 5 -> [6, 0]: the head sees 6 * conditional state."""
    network = StubNetwork(codes=2, favourite=lambda cell: 0)
    network.states = lambda rows: torch.tensor([[1.0, 0.0], [0.0, 0.0]])[:, None].expand(2, 4, 2)  # type: ignore[assignment]
    mask_predict(network, None, stub_vocabulary(2), canvas(True), Sampling(steps=1, guidance=5.0))  # type: ignore[arg-type]
    assert network.guided[0][0, 0].tolist() == [6.0, 0.0]


class StubNetwork(nn.Module):
    """Counts rows and gives each cell one overwhelming code."""

    def __init__(self, codes: int, favourite: Any) -> None:
        super().__init__()
        self.codes, self.favourite = codes, favourite
        self.rows = 0
        self.calls = 0
        self.guided: list[Tensor] = []
        self.input_table = torch.zeros(1)

    def embed(self, ids: Tensor, rows: Rows | None) -> Tensor:
        return ids

    def states(self, rows: int) -> Tensor:
        cells = torch.arange(4)
        wanted = torch.tensor([self.favourite(int(cell)) for cell in cells])
        return functional.one_hot(wanted, self.codes).float()[None].expand(rows, -1, -1) * 100

    def trunk(self, vectors: Tensor, positions: Tensor, allowed: Tensor, cache: Any = None) -> Tensor:
        if type(cache).__name__ == "Recorder":
            empty = torch.zeros(len(vectors), 1, vectors.shape[1], 1)
            cache.update(empty, empty, 0)
            return vectors
        self.rows += len(vectors)
        self.calls += 1
        states = self.states(len(vectors))
        return torch.cat([states[:, :1] * 0, states, states[:, :1] * 0], dim=1)

    def code_logits(self, hidden: Tensor, first: int, count: int) -> Tensor:
        self.guided.append(hidden)
        return hidden


def stub_vocabulary(codes: int) -> Any:
    return SimpleNamespace(
        pad=0, start_of_image=1, end_of_image=2, answer=3, first_code=10, codebook=codes, mask=10 + codes
    )


def canvas(guided: bool, seeds: Sequence[int] = (0,)) -> Canvas:
    prompts = torch.tensor([[5, 6], [0, 6]] if guided else [[5, 6]])
    return Canvas(prompts, torch.zeros(len(seeds), dtype=torch.long), 2, 4, seeds)


@pytest.mark.parametrize(("guidance", "rows_per_step"), [(5.0, 2), (0.0, 1)])
def test_case_26_overwhelming_logits_win_and_steps_are_counted(guidance: float, rows_per_step: int) -> None:
    def favourite(cell: int) -> int:
        return (3 * cell + 1) % 8

    for seed in (0, 1, 2):
        network = StubNetwork(8, favourite)
        grids = mask_predict(
            network,
            None,
            stub_vocabulary(8),
            canvas(guidance > 0, (seed,)),
            Sampling(steps=8, guidance=guidance),
        )  # type: ignore[arg-type]
        assert grids[-1].tolist() == [[favourite(cell) for cell in range(4)]]
        assert network.calls == 8
        assert network.rows == 8 * rows_per_step


@pytest.mark.parametrize("order", ["confidence", "random"])
def test_only_cells_whose_codes_are_needed_reach_the_head(showo: Showo, order: str) -> None:
    """And the image is the one of asking about every cell in every step."""
    sampling = Sampling(steps=6, guidance=2.0, order=order)  # type: ignore[arg-type]
    requests = [Request(Text(f"A cup {n}."), seed=n, sampling=sampling) for n in range(3)]
    asked: list[int] = []
    original = showo.network.code_logits

    def spy(hidden: Tensor, first: int, count: int) -> Tensor:
        asked.append(hidden[..., 0].numel())
        return original(hidden, first, count)

    showo.network.code_logits = spy  # type: ignore[method-assign]
    try:
        alone = showo.generate_images(requests)
        few = asked.copy()
        asked.clear()
        every = showo.drafts(requests, 6)
    finally:
        del showo.network.code_logits
    for image, drafts in zip(alone, every, strict=True):
        assert torch.equal(image.codes, drafts[-1].codes)
    cells = 3 * showo.layout.cells
    masked = [cells, *(3 * count for count in sampling_counts(6, showo.layout.cells)[:-1])]
    assert asked == masked, "a whole grid needs every cell that is not known yet"
    if order == "confidence":
        assert few == masked
    else:
        assert sum(few) == cells, "each cell once, in the step that keeps it"
        assert few[:-1] == [one - two for one, two in itertools.pairwise(masked)]


@torch.no_grad()
def test_case_29_prefixes_do_not_see_what_follows(showo: Showo) -> None:
    vocabulary, network = showo.vocabulary, showo.network

    def states(ids: list[int]) -> Tensor:
        line = torch.tensor([ids])
        positions = torch.arange(line.shape[1])[None]
        return network.trunk(network.embed(line, None), positions, attention_allowed(line, vocabulary))

    image = [vocabulary.start_of_image, *range(vocabulary.first_code, vocabulary.first_code + 16)]
    prefix = [vocabulary.answer, *image, vocabulary.end_of_image]
    assert torch.equal(states([*prefix, 5, 6, 7])[:, :19], states([*prefix, 50, 60, 70])[:, :19])
    prompt = [vocabulary.draw, 5, 6, 7, vocabulary.end_of_text]
    other = [vocabulary.start_of_image, *[vocabulary.first_code + 40] * 16, vocabulary.end_of_image]
    first, second = states([*prompt, *image, vocabulary.end_of_image]), states([*prompt, *other])
    assert torch.equal(first[:, :5], second[:, :5])
    assert not torch.equal(first[:, 5:], second[:, 5:])


def test_drafts_end_in_the_image_and_are_coarser_before(showo: Showo) -> None:
    requests = draw_requests(steps=10)
    drafts = showo.drafts(requests, 5)
    final = showo.generate_images(requests)
    for line, image in zip(drafts, final, strict=True):
        assert len(line) == 5
        assert torch.equal(line[-1].codes, image.codes)
        changed = [int((draft.codes != image.codes).sum()) for draft in line]
        assert changed[0] > changed[-2] or changed[0] > 0


def test_extended_drawing_reads_its_context_image(showo: Showo) -> None:
    sampling = Sampling(steps=4, guidance=1.0)
    requests = [
        Request(Text("A cup."), Image(picture(seed)), Text("Bluer."), seed=3, sampling=sampling)
        for seed in (1, 2)
    ]
    first, second = showo.generate_images(requests)
    assert not torch.equal(first.codes, second.codes)
    assert torch.equal(first.codes, showo.generate_images(requests[:1])[0].codes)


def test_autocast_answers_and_draws() -> None:
    backbone = make_showo(autocast=True)
    backbone.attach([make_concept(backbone)])
    image = backbone.generate_images(draw_requests()[:1])[0]
    assert image.pixels.dtype == torch.float32
    assert isinstance(backbone.generate_text([Request(Image(picture(0)), Text("What?"))])[0], str)


@pytest.mark.slow
def test_compiled_blocks_change_nothing() -> None:
    plain, compiled = make_showo(), make_showo(compile_blocks=True)
    for backbone in (plain, compiled):
        backbone.attach([make_concept(backbone)])
    batch = plain.layout.collate(mixed_samples()[:5])
    assert_same(gradients(compiled, batch), gradients(plain, batch))
    requests = draw_requests()[:2]
    for ours, theirs in zip(compiled.generate_images(requests), plain.generate_images(requests), strict=True):
        assert torch.equal(ours.codes, theirs.codes)


def test_a_frozen_model_in_bf16_is_near_and_keeps_rows_and_codes_in_fp32(showo: Showo) -> None:
    half = make_showo(dtype="bfloat16", prefix_cache_mb=8)
    half.attach([make_concept(half)])
    batch = showo.layout.collate(mixed_samples())
    (image, text), found = gradients(half, batch)
    (exact_image, exact_text), expected = gradients(showo, batch)
    assert image == pytest.approx(exact_image, rel=0.03)
    assert text == pytest.approx(exact_text, rel=0.03)
    assert {gradient.dtype for gradient in found} == {torch.float32}
    ours, theirs = (torch.cat([g.flatten() for g in gradient]) for gradient in (found, expected))
    assert functional.cosine_similarity(ours, theirs, dim=0) > 0.98
    assert torch.equal(half.encode([Image(picture(0))])[0], showo.encode([Image(picture(0))])[0])
    assert half.generate_images(draw_requests()[:1])[0].pixels.dtype == torch.float32
    assert half.choose([Request(Image(picture(0)), Text("What?"))], ["Yes."]).dtype == torch.float32
    assert half.words("dog").dtype == half.vectors([Image(picture(0))]).table.dtype == torch.float32


def test_extended_answers_of_different_length_in_one_batch_equal_each_alone(showo: Showo) -> None:
    """An image behind the task token is seen by it in every row, padded or not."""
    requests = [
        Request(Image(picture(0)), Text("First."), Image(picture(1)), Text(question))
        for question in ("Same?", "Are both of them pictures of <bo> in a red house?")
    ]
    together = showo.choose(requests, ["Yes.", "No."])
    for line, request in zip(together, requests, strict=True):
        torch.testing.assert_close(line, showo.choose([request], ["Yes.", "No."])[0], atol=1e-4, rtol=0)
        batch = showo.layout.collate([request.answered(Text("Yes."))])
        assert line[0].item() == pytest.approx(-showo.loss(batch).text_sum.item(), abs=1e-4)


@pytest.mark.parametrize("images", [1, 2])
def test_choose_equals_the_loss_without_any_question(showo: Showo, images: int) -> None:
    request = Request(*(Image(picture(i)) for i in range(images)))
    batch = showo.layout.collate([request.answered(Text("A cup."))])
    score = showo.choose([request], ["A cup."]).item()
    assert score == pytest.approx(-showo.loss(batch).text_sum.item(), abs=1e-4)


def test_choose_with_concept_tokens_spaces_and_nothing_as_options(showo: Showo) -> None:
    request = Request(Image(picture(0)), Text("Who?"))
    for option in ("<bo>", " <bo:0><bo>", "", "\nA dog", "<|endoftext|> more"):
        batch = showo.layout.collate([request.answered(Text(option))])
        score = showo.choose([request], [option]).item()
        assert score == pytest.approx(-showo.loss(batch).text_sum.item(), abs=1e-4), repr(option)


def test_an_end_of_text_that_somebody_writes_ends_nothing(showo: Showo) -> None:
    end = showo.vocabulary.end_of_text
    assert end not in showo.layout.codec.encode("one <|endoftext|> two<|endoftext|>")
    assert showo.layout.codec.decode(showo.layout.codec.encode("a <|endoftext|> b")) == "a <|endoftext|> b"


def test_prefixes_are_forgotten_when_the_input_table_changes() -> None:
    plain, keeping = make_showo(), make_showo(prefix_cache_mb=8)
    request = Request(Image(picture(0)), Text("What?"))
    for backbone in (plain, keeping):
        backbone.choose([request], ["Yes."])
        with torch.no_grad():
            backbone.network.input_table.mul_(1.2)
    torch.testing.assert_close(keeping.choose([request], ["Yes."]), plain.choose([request], ["Yes."]))


def test_bf16_leaves_rotary_frequencies_exact(showo: Showo) -> None:
    half = make_showo(dtype="bfloat16")
    ours, exact = (b.network.phi.model.rotary_emb.inv_freq for b in (half, showo))
    assert ours.dtype == torch.float32
    assert torch.equal(ours, exact)
    assert half.network.blocks[0].mlp.fc1.weight.dtype == torch.bfloat16


def test_codes_of_another_size_are_refused_by_name(showo: Showo) -> None:
    sample = Sample(Text("A cup."), Image(None, target=True, codes=torch.zeros(64, dtype=torch.long)))
    assert showo.layout.supports(sample) == "one of its pictures has 64 codes and this model's have 16"
