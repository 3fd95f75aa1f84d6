"""Losses against transformers' forward pass, and against what sampling found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from janus_makers import make_janus
from torch import Tensor
from torch.nn import functional

from unictk.backbones.base import Rows
from unictk.backbones.drawing import Drawing, seeded
from unictk.backbones.janus.backbone import Janus
from unictk.backbones.janus.sampling import draw
from unictk.backbones.pictures import from_levels
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import Image, Sample, Text

PHOTOS = [np.random.default_rng(seed).integers(0, 255, (20 + 9 * seed, 30, 3), np.uint8) for seed in range(3)]


@pytest.fixture(scope="module")
def model() -> Janus:
    return make_janus()


def samples() -> list[Sample]:
    return [
        Sample(Image(PHOTOS[0]), Text("What is it?"), Text("A ball.", target=True), key="a"),
        Sample(Text("a red ball"), Image(PHOTOS[1], target=True), key="b"),
        Sample(Image(PHOTOS[0]), Text("make it red"), Image(PHOTOS[1], target=True), key="c"),
        Sample(Text("one"), Text("two", target=True), Text("three"), Text("four", target=True), key="d"),
        Sample(Image(PHOTOS[2]), Image(PHOTOS[0]), Text("Same?"), Text("No.", target=True), key="e"),
    ]


def test_the_text_loss_is_that_of_transformers(model: Janus) -> None:
    chosen = [samples()[0], samples()[3], samples()[4]]
    batch = model.layout.collate(chosen)
    parts = batch.parts
    longest = parts.sequences.ids.shape[1]
    total = torch.zeros(())
    for row, sample in enumerate(chosen):
        tape = model.layout.tape(sample)
        squares = parts.seen.squares[parts.sequences.source[parts.sequences.row == row]]
        stock = model.network.stock(
            input_ids=torch.tensor([tape.ids]),
            attention_mask=torch.ones(1, tape.length, dtype=torch.long),
            pixel_values=from_levels(squares) if len(squares) else None,
            labels=torch.tensor([tape.labels]),
        )
        total += stock.loss * model.layout.counts(sample).text
        assert tape.length <= longest
    found = model.loss(batch)
    assert found.text_sum.item() == pytest.approx(total.item(), rel=1e-5)
    assert (found.image_count, found.image_sum.item()) == (0, 0.0)


def test_the_image_loss_is_that_of_teacher_forcing_by_hand(model: Janus) -> None:
    stock, v = model.network.stock, model.layout.vocabulary
    sample = samples()[2]
    codes = model.encode([Image(PHOTOS[1])])
    tape = model.layout.prompt(sample_request(sample), draws=True)
    read = model.layout.collate([sample]).parts.seen.squares
    with torch.no_grad():
        vectors = stock.get_input_embeddings()(torch.tensor([tape.ids]))
        seen = stock.model.get_image_features(from_levels(read)).pooler_output
        place = tape.slots[0].start
        vectors[0, place : place + 16] = seen[0]
        both = torch.cat([vectors, stock.prepare_embeddings_for_image_generation(codes)], 1)
        states = stock.model.language_model(inputs_embeds=both[:, :-1]).last_hidden_state
        logits = stock.model.generation_head(states[:, tape.length - 1 :])
    expected = functional.cross_entropy(logits[0], codes[0], reduction="sum")
    found = model.loss(model.layout.collate([sample]))
    assert tape.ids[-1] == v.start_of_image
    assert found.image_sum.item() == pytest.approx(expected.item(), rel=1e-5)
    assert (found.image_count, found.text_count) == (16, 0)


def sample_request(sample: Sample) -> Sample:
    return Sample(*sample.segments[:-1])


def test_losses_of_a_batch_are_those_of_its_samples(model: Janus) -> None:
    batch = model.layout.collate(samples())
    together = model.loss(batch)
    each = [model.loss(model.layout.collate([sample])) for sample in samples()]
    assert together.text_sum.item() == pytest.approx(sum(loss.text_sum.item() for loss in each), rel=1e-5)
    assert together.image_sum.item() == pytest.approx(sum(loss.image_sum.item() for loss in each), rel=1e-5)
    assert [loss.image_count for loss in each] == [0, 16, 16, 0, 0]
    assert together.text_count == sum(loss.text_count for loss in each)
    assert together.text_sum.dtype == torch.float32
    empty = model.loss(model.layout.collate([]))
    assert (empty.text_sum.item(), empty.image_sum.item(), empty.text_count) == (0.0, 0.0, 0)


@pytest.mark.parametrize("pictured", [False, True])
def test_case_22_the_loss_of_sampled_codes_is_what_sampling_gave_them(model: Janus, pictured: bool) -> None:
    before = [Image(PHOTOS[0]), Text("make it red")] if pictured else [Text("a red ball")]
    tape = model.layout.prompt(Sample(*before), draws=True)
    parts = model.layout.batch([tape])
    vectors = model._inputs(parts, None, parts.drawn.codes)[0]
    some = Drawing([vectors], torch.zeros(1, dtype=torch.long), [3], rows=4, columns=4)
    own, log_likelihood = seeded(some), [0.0]

    def pick(logits: Tensor, number: int) -> Tensor:
        codes = own(logits, number)
        log_likelihood[0] += logits.log_softmax(-1)[0, codes[0]].item()
        return codes

    codes = draw(model.network, model.layout.vocabulary, some, pick)
    found = model.loss(model.layout.collate([Sample(*before, Image(None, target=True, codes=codes[0]))]))
    assert found.image_sum.item() == pytest.approx(-log_likelihood[0], abs=1e-4)


def test_only_the_concepts_rows_get_gradient(model: Janus) -> None:
    concept = ConceptTokens("bo", model.row_shape)
    chance = torch.Generator().manual_seed(5)
    rows = [torch.randn(3, model.row_shape.hidden, generator=chance) * 0.1 for _ in range(2)]
    concept.grow("identifier", Rows(rows[0][:1], rows[1][:1], None))
    concept.grow("shared", Rows(rows[0][1:], rows[1][1:], None))
    model.attach([concept])
    try:
        soft = concept.soft("shared")
        drawn = Sample(Text(f"A photo of {soft}<bo>."), Image(PHOTOS[0], target=True))
        told = Sample(Image(PHOTOS[0]), Text("Who is it?"), Text("It is <bo>.", target=True))
        found = model.loss(model.layout.collate([drawn, told]))
        (found.text_sum + found.image_sum).backward()
        group = concept.get_submodule("identifier")
        assert group.input.grad.abs().sum() > 0
        assert group.head.grad.abs().sum() > 0
        shared = concept.get_submodule("shared")
        assert shared.input.grad.abs().sum() > 0
        assert all(parameter.grad is None for parameter in model.network.parameters())
        model.zero_grad()
        apart = model.loss(model.layout.collate([Sample(Text("one"), Text("two", target=True))]))
        apart.text_sum.backward()
        assert shared.input.grad is not None, "a batch without the concept has gradients for it, too"
    finally:
        model.attach([])


def test_recomputed_layers_give_the_same_gradient() -> None:
    found = []
    for again in (False, True):
        model = make_janus(checkpoint_blocks=again)
        model.network.requires_grad_(True)
        loss = model.loss(model.layout.collate(samples()[:3]))
        (loss.text_sum + loss.image_sum).backward()
        names = (
            "model.language_model.layers.0.mlp.up_proj.weight",
            "model.vision_model.encoder.layers.0.mlp.fc1.weight",
            "model.aligner.fc1.weight",
            "model.generation_aligner.fc1.weight",
            "model.generation_head.vision_head.weight",
        )
        found.append([model.network.stock.get_parameter(name).grad for name in names])
    for plain, recomputed in zip(*found, strict=True):
        assert plain.abs().sum() > 0
        assert torch.allclose(plain, recomputed, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kept", [[1], [0], [3]])
def test_a_batch_of_one_kind_has_gradients_for_all_parts(kept: list[int]) -> None:
    """Processes of a group have different samples, and need gradients of the same parameters."""
    model = make_janus()
    concept = ConceptTokens("bo", model.row_shape)
    concept.grow("identifier", Rows(torch.zeros(1, 48), torch.zeros(1, 48), None))
    model.attach([concept])
    batch = model.layout.collate([samples()[place] for place in kept])
    frozen = model.loss(batch)
    for name, part in model.parts().items():
        part.requires_grad_(name != "tokenizer")
    found = model.loss(batch)
    assert found.text_sum.item() == pytest.approx(frozen.text_sum.item(), rel=1e-6)
    (found.text_sum + found.image_sum).backward()
    parameters = [*model.named_parameters(), *concept.named_parameters()]
    without = [name for name, parameter in parameters if parameter.grad is None and "vqmodel" not in name]
    assert not without
    assert all(p.grad.isfinite().all() for _, p in parameters if p.grad is not None)
    head = model.network.stock.model.generation_head.vision_head.weight.grad
    assert bool(head.abs().sum() > 0) == (kept == [1])
