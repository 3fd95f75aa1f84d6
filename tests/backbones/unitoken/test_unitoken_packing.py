"""Samples packed into shared rows: the numbers are those of each sample alone."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from unitoken_makers import make_unitoken, tiny_layout

from unictk.backbones.packing import shared_rows
from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.backbone import UniToken
from unictk.samples import Batch, Image, Loss, Sample, Text

PHOTOS = [np.random.default_rng(seed).integers(0, 255, (20 + 9 * seed, 30, 3), np.uint8) for seed in range(3)]
ROW = 160


def samples() -> list[Sample]:
    return [
        Sample(Image(PHOTOS[0]), Text("What is it?"), Text("A ball.", target=True), key="a", seed=1),
        Sample(Text("a red ball"), Image(PHOTOS[1], target=True), key="b", seed=2),
        Sample(Text("one"), Text("two", target=True), Text("three"), Text("four", target=True), key="c"),
        Sample(Text("a ball"), Image(PHOTOS[2], target=True), Text("Is it?"), Text("Yes", target=True)),
        Sample(Image(PHOTOS[0]), Image(PHOTOS[2]), Text("red?"), Text("No.", target=True), key="d"),
        Sample(Text("a blue box"), Image(PHOTOS[1], target=True), key="e", seed=4),
    ]


@pytest.fixture(scope="module", params=[False, True], ids=["tiles", "one tile"])
def model(request: pytest.FixtureRequest) -> UniToken:
    return make_unitoken(tiny_layout(any_resolution=not request.param, packing=ROW))


def losses(model: UniToken, batches: list[Batch]) -> tuple[Loss, list[Tensor]]:
    """Sums over the batches, and gradients of their sum."""
    model.network.requires_grad_(True)
    found = [model.loss(batch) for batch in batches]
    whole = Loss(
        sum((one.text_sum for one in found), torch.zeros(())),
        sum(one.text_count for one in found),
        sum((one.image_sum for one in found), torch.zeros(())),
        sum(one.image_count for one in found),
        {"z_loss": sum((one.extras["z_loss"] for one in found), torch.zeros(()))},
    )
    names = [name for name, _ in model.network.named_parameters() if "vit.head" not in name]
    wanted = [model.network.get_parameter(name) for name in names]
    gradients = torch.autograd.grad(whole.text_sum + whole.image_sum, wanted, allow_unused=True)
    model.network.requires_grad_(False)
    return whole, [gradient for gradient in gradients if gradient is not None]


def test_losses_and_gradients_are_those_of_the_samples_alone(model: UniToken) -> None:
    packed = model.layout.collate(samples())
    rows = packed.parts.sequences.lengths
    assert len(rows) < len(samples())
    assert max(map(len, rows)) > 1
    together, gradients = losses(model, [packed])
    apart, expected = losses(model, [model.layout.collate([sample]) for sample in samples()])
    for name in ("text_sum", "image_sum"):
        one, other = getattr(together, name).item(), getattr(apart, name).item()
        assert one == pytest.approx(other, rel=1e-5)
        assert one > 10
    assert (together.text_count, together.image_count) == (apart.text_count, apart.image_count)
    assert together.extras["z_loss"].item() == pytest.approx(apart.extras["z_loss"].item(), rel=1e-5)
    assert len(gradients) == len(expected) > 20
    for one, other in zip(gradients, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5 * max(1.0, other.abs().max().item()))


def entropies(model: UniToken, batch: Batch) -> Tensor:
    """Cross entropy at every position, (rows, length); 0 where there is no target."""
    sequences = batch.parts.sequences
    vectors, targets = model._inputs(batch.parts, None)
    states = model.network.trunk(vectors, sequences.positions, lengths=sequences.lengths)
    logits = model.network.logits(states, None).flatten(0, 1)
    found = functional.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="none")
    return found.view(targets.shape)


def places(model: UniToken, some: list[Sample]) -> list[tuple[int, int, int]]:
    """Row, first position and length of every sample."""
    lengths = [model.layout.length(sample) for sample in some]
    found = [(0, 0, 0)] * len(some)
    for row, numbers in enumerate(shared_rows(lengths, ROW)):
        first = 0
        for number in numbers:
            found[number] = (row, first, lengths[number])
            first += lengths[number]
    return found


@torch.no_grad()
def test_every_target_has_the_loss_that_it_has_alone(model: UniToken) -> None:
    together = entropies(model, model.layout.collate(samples()))
    whole = 0.0
    for sample, (row, first, length) in zip(samples(), places(model, samples()), strict=True):
        alone = entropies(model, model.layout.collate([sample]))[0]
        assert torch.allclose(together[row, first : first + length], alone, atol=1e-5)
        whole += alone.sum().item()
    assert together.sum().item() == pytest.approx(whole, rel=1e-5)


@torch.no_grad()
def test_nothing_of_a_sample_is_seen_by_another(model: UniToken) -> None:
    """Another text before it in its row changes no digit of a sample's losses."""
    first = entropies(model, model.layout.collate(samples()))
    other = samples()
    other[2] = Sample(Text("six"), Text("ten", target=True), Text("seven"), Text("nine", target=True))
    changed = entropies(model, model.layout.collate(other))
    assert places(model, other) == places(model, samples())
    for number, (row, start, length) in enumerate(places(model, other)):
        same = torch.equal(first[row, start : start + length], changed[row, start : start + length])
        assert same == (number != 2)
    row = places(model, other)[2][0]
    assert sum(one[0] == row for one in places(model, other)) > 1


def test_positions_begin_again_with_every_sample(model: UniToken) -> None:
    sequences = model.layout.collate(samples()).parts.sequences
    found = sorted(places(model, samples()))
    for row, first, length in found:
        assert sequences.positions[row, first : first + length].tolist() == list(range(length))
        assert sequences.targets[row, first + length - 1] == IGNORED
        assert sequences.ids[row, first] == model.vocabulary.begin
    used = torch.zeros_like(sequences.ids, dtype=torch.bool)
    for row, first, length in found:
        used[row, first : first + length] = True
    assert (sequences.targets[~used] == IGNORED).all()
    assert [sum(lengths) for lengths in sequences.lengths] == used.sum(1).tolist()


def test_counts_and_the_batch_that_travels_are_the_same(model: UniToken) -> None:
    plain = tiny_layout(any_resolution=model.layout.any_resolution)
    packed, padded = (layout.collate(samples()) for layout in (model.layout, plain))
    assert (packed.size, packed.counts, packed.window) == (padded.size, padded.counts, padded.window)
    assert padded.parts.sequences.lengths is None
    assert packed.parts.sequences.ids.numel() < padded.parts.sequences.ids.numel()
    again = pickle.loads(pickle.dumps(packed)).to("cpu").parts.sequences
    assert again.lengths == packed.parts.sequences.lengths
    assert torch.equal(again.positions, packed.parts.sequences.positions)


def test_a_packed_batch_learns_as_a_padded_one_and_recomputed_layers_agree() -> None:
    found = []
    for packing, again in ((None, False), (ROW, False), (ROW, True), (10_000, False)):
        model = make_unitoken(tiny_layout(packing=packing), checkpoint_blocks=again)
        found.append(losses(model, [model.layout.collate(samples())])[1])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.allclose(one, other, atol=1e-5 * max(1.0, one.abs().max().item()))


def test_an_empty_batch_and_prompts_are_not_packed(model: UniToken) -> None:
    """A batch may have lost all its records; answers need a row each."""
    assert model.layout.collate([]).parts.sequences.lengths is None
    tapes = [model.layout.tape(sample) for sample in samples()]
    assert len(model.layout.batch(tapes).sequences.ids) == len(tapes)
