"""The protocol: losses, answers, choices, pictures, concepts, and what trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from unitoken_makers import make_unitoken

from unictk.backbones.base import Backbone, Layout, Rows
from unictk.backbones.codes import completed
from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.backbone import UniToken
from unictk.backbones.unitoken.encoding import tiles_of
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError
from unictk.samples import Image, Request, Sample, Sampling, Text

PHOTOS = [np.random.default_rng(seed).integers(0, 255, (20 + 9 * seed, 30, 3), np.uint8) for seed in range(3)]


@pytest.fixture(scope="module")
def model() -> UniToken:
    return make_unitoken()


def samples() -> list[Sample]:
    return [
        Sample(Image(PHOTOS[0]), Text("What is it?"), Text("A ball.", target=True), key="a", seed=1),
        Sample(Text("a red ball"), Image(PHOTOS[1], target=True), key="b", seed=2),
        Sample(
            Image(PHOTOS[0]), Image(PHOTOS[2]), Text("make it red"), Image(PHOTOS[1], target=True), key="c"
        ),
        Sample(Text("one"), Text("two", target=True), Text("three"), Text("four", target=True), key="d"),
    ]


def test_it_keeps_the_protocol(model: UniToken) -> None:
    assert isinstance(model, Backbone)
    assert isinstance(model.layout, Layout)


def test_case_20_losses_of_a_batch_are_those_of_its_samples(model: UniToken) -> None:
    batch = model.layout.collate(samples())
    together = model.loss(batch)
    each = [model.loss(model.layout.collate([sample])) for sample in samples()]
    assert together.text_sum.item() == pytest.approx(sum(loss.text_sum.item() for loss in each), rel=1e-5)
    assert together.image_sum.item() == pytest.approx(sum(loss.image_sum.item() for loss in each), rel=1e-5)
    z = sum(loss.extras["z_loss"].item() for loss in each)
    assert together.extras["z_loss"].item() == pytest.approx(z, rel=1e-5)
    targets = batch.parts.sequences.targets
    assert together.text_count + together.image_count == int((targets != IGNORED).sum())
    assert (each[0].image_count, each[1].text_count) == (0, 0)
    assert each[3].text_count == model.layout.counts(samples()[3]).text > 2


def test_the_z_loss_moves_the_gradient_and_not_the_value(model: UniToken) -> None:
    batch = model.layout.collate(samples()[:1])
    table = model.network.lm_head.weight
    table.requires_grad_(True)
    found = []
    for weight in (0.0, 0.5):
        model.z_weight = weight
        loss = model.loss(batch)
        table.grad = None
        loss.text_sum.backward()
        found.append((loss.text_sum.item(), table.grad.clone()))
    table.requires_grad_(False)
    table.grad = None
    model.z_weight = 1e-5
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    hidden, targets = model._inputs(batch.parts, None)
    positions = torch.arange(hidden.shape[1]).expand(hidden.shape[:2])
    states = model.network.trunk(hidden, positions)[targets != IGNORED].detach()
    head = table.detach().clone().requires_grad_(True)
    (0.5 * (states @ head.T).logsumexp(-1).square().sum()).backward()
    assert torch.allclose(found[1][1] - found[0][1], head.grad, atol=1e-3, rtol=1e-3)


def test_choose_is_the_negative_loss_of_the_answer(model: UniToken) -> None:
    requests = [
        Request(Image(PHOTOS[0]), Text("What is it?")),
        Request(Text("one"), Text("two", target=True), Text("three")),
        Request(Image(PHOTOS[0]), Text("between"), Image(PHOTOS[1]), Text("Same?")),
    ]
    options = ["Yes.", "No, it is a red ball.", "A"]
    scores = model.choose(requests, options)
    assert scores.shape == (3, 3)
    for row, request in enumerate(requests):
        for column, option in enumerate(options):
            answered = request.answered(Text(option))
            loss = model.loss(model.layout.collate([answered]))
            before = [segment for segment in request if segment.target]
            earlier = model.loss(model.layout.collate([Sample(*request.segments[:2])])) if before else None
            expected = loss.text_sum.item() - (earlier.text_sum.item() if earlier else 0.0)
            assert scores[row, column].item() == pytest.approx(-expected, abs=2e-4)


def test_answers_do_not_depend_on_their_batch(model: UniToken) -> None:
    sampling = Sampling(max_new_tokens=6)
    warm = Sampling(max_new_tokens=6, text_temperature=1.0)
    requests = [
        Request(Image(PHOTOS[0]), Text("What is it?"), sampling=sampling),
        Request(Text("Say something"), seed=3, sampling=warm),
        Request(Text("Say something"), seed=4, sampling=warm),
        Request(Image(PHOTOS[1]), Image(PHOTOS[2]), Text("Which?"), sampling=sampling),
    ]
    together = model.generate_text(requests)
    assert together == [model.generate_text([request])[0] for request in requests]
    assert together[1] != together[2]


def test_an_answer_is_what_the_model_finds_likeliest(model: UniToken) -> None:
    request = Request(Image(PHOTOS[0]), Text("What is it?"), sampling=Sampling(max_new_tokens=1))
    answer = model.generate_text([request])[0]
    words = model.layout.codec
    tape = model.layout.prompt(request, draws=False)
    vectors = model._inputs(model.layout.batch([tape]), None)[0]
    state = model.network.trunk(vectors, torch.arange(tape.length)[None])[0, -1]
    tokens = model.network.logits(state, None, blank=model.vocabulary.codes)
    assert answer == words.decode([int(tokens.argmax())])


def test_pictures_do_not_depend_on_their_batch(model: UniToken) -> None:
    sampling = Sampling(guidance=2.0)
    requests = [
        Request(Text("a red ball"), seed=1, sampling=sampling),
        Request(Text("a red ball"), seed=2, sampling=sampling),
        Request(Image(PHOTOS[0]), Text("the same in blue, and larger"), seed=1, sampling=sampling),
        Request(Text("a red ball"), seed=1, sampling=Sampling(guidance=0.0)),
    ]
    together = model.generate_images(requests)
    for request, picture in zip(requests, together, strict=True):
        alone = model.generate_images([request])[0]
        assert torch.equal(alone.codes, picture.codes)
        assert torch.equal(alone.pixels, picture.pixels)
    assert len({tuple(picture.codes.tolist()) for picture in together}) == 4
    assert together[0].pixels.shape == (3, 16, 16)
    assert together[0].settings["guidance"] == 2.0
    again = model.reconstruct([together[0].as_segment()])[0]
    assert torch.equal(again.pixels, together[0].pixels)
    read = Sample(together[0].as_segment(), Text("Good?"), Text("Yes.", target=True))
    assert model.loss(model.layout.collate([read])).text_sum.isfinite()


def test_a_picture_reads_the_same_drawn_or_from_its_file(model: UniToken) -> None:
    """The continuous half of a drawn picture is that of its pixels."""
    drawn = model.generate_images([Request(Text("a ball"), seed=5)])[0]
    levels = np.asarray(drawn.as_pil())
    tiles = []
    for image in (drawn.as_segment(), Image(levels)):
        batch = model.layout.collate([Sample(image, Text("Good?"), Text("Yes.", target=True))]).parts
        codes = completed(batch.pictures.coded, model._encode, model.layout.codes, 8)
        tiles.append(tiles_of(batch.pictures, codes, model._decode, 12, model.layout.used_canvases))
    assert torch.equal(*tiles)


def test_drafts_grow_to_the_picture(model: UniToken) -> None:
    request = Request(Text("a ball"), seed=5)
    drafts = model.drafts([request], 8)[0]
    final = model.generate_images([request])[0]
    assert torch.equal(drafts[-1].codes, final.codes)
    grid = final.codes.view(4, 4)
    for number, draft in enumerate(drafts, 1):
        assert torch.equal(draft.codes[: 2 * number], final.codes[: 2 * number])
    first, third = (drafts[number].codes.view(4, 4) for number in (0, 2))
    assert first[0].tolist() == [grid[0, 0], grid[0, 1], grid[0, 1], grid[0, 1]]
    assert torch.equal(first[3], first[0])
    assert third[3].tolist() == [grid[1, 0], grid[1, 1], grid[0, 2], grid[0, 3]]
    with pytest.raises(UserError, match="drafts: 17 of a picture of 16 codes; expected 1 to 16"):
        model.drafts([request], 17)


def concept(model: UniToken, name: str) -> ConceptTokens:
    made = ConceptTokens(name, model.row_shape)
    chance = torch.Generator().manual_seed(5)
    rows = [torch.randn(3, model.row_shape.hidden, generator=chance) * 0.1 for _ in range(2)]
    made.grow("identifier", Rows(rows[0][:1], rows[1][:1], None))
    made.grow("shared", Rows(rows[0][1:], rows[1][1:], None))
    return made


def test_only_the_concepts_rows_get_gradient(model: UniToken) -> None:
    one = concept(model, "bo")
    model.attach([one])
    sample = Sample(Text("Draw <bo> here."), Text("This is <bo>.", target=True))
    try:
        rows = one.rows()
        loss = model.loss(model.layout.collate([sample]))
        loss.text_sum.backward()
        gradients = [parameter.grad for parameter in one.parameters()]
        assert all(gradient is not None for gradient in gradients)
        assert any(bool(gradient.abs().sum() > 0) for gradient in gradients)
        assert all(parameter.grad is None for parameter in model.network.parameters())
        assert rows.bias is None
        assert model.words("<bo>").shape == (1, model.row_shape.hidden)
        assert torch.equal(model.words("<bo>")[0], rows.input[0])
        with pytest.raises(UserError, match="belongs to <bo> already"):
            model.attach([one, concept(model, "bo")])
    finally:
        model.attach([])


def test_vectors_and_fresh_rows(model: UniToken) -> None:
    vectors = model.vectors([Image(PHOTOS[0]), Image(PHOTOS[1]), Image(PHOTOS[0])])
    assert vectors.index.shape == (3, 16)
    assert torch.equal(vectors.index[0], vectors.index[2])
    v = model.vocabulary
    codes = model.encode([Image(PHOTOS[1])]).flatten()
    assert torch.equal(vectors.table[vectors.index[1]], model.network.input_table[v.to_ids(codes)])
    fresh = model.fresh_rows(2, first=3, head="codes")
    assert torch.equal(fresh.input, model.network.input_table[v.first_code + 3 : v.first_code + 5])
    assert torch.equal(fresh.head, model.network.lm_head.weight[v.first_code + 3 : v.first_code + 5])
    mean = model.fresh_rows(2)
    text = torch.cat([model.network.input_table[: v.first_code], model.network.input_table[v.codes.stop :]])
    assert torch.allclose(mean.input[1], text.mean(0), atol=1e-6)
    assert mean.bias is None


def test_case_18_parts_hold_every_parameter_once_and_all_are_frozen(model: UniToken) -> None:
    assert not any(parameter.requires_grad for parameter in model.parameters())
    counted = [id(parameter) for part in model.parts().values() for parameter in part.parameters()]
    assert len(counted) == len(set(counted))
    assert set(counted) == {id(parameter) for parameter in model.parameters()}
    names = {name for name, _ in model.parts()["vision"].named_parameters()}
    assert {"embeddings.patch_embedding.weight", "embeddings.position_embedding.weight"} <= names
    assert len(model.blocks()) == 2 + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            Sampling(guidance_schedule="rising"),
            "guidance_schedule: 'rising' is for.*codes one after another",
        ),
        (Sampling(order="random"), "order: 'random' is for drawing by masked cells.*expected confidence"),
    ],
)
def test_settings_that_it_does_not_have_are_refused(
    model: UniToken, settings: Sampling, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        model.generate_images([Request(Text("a ball"), sampling=settings)])


def test_weights_without_an_image_tokenizer_are_refused() -> None:
    with pytest.raises(UserError, match=r"backbone\.image_weights: null.*vqgan\.ckpt"):
        make_unitoken(weights="anywhere")


def test_a_prompt_that_fills_the_positions_is_one_line(model: UniToken) -> None:
    long = Text("ball " * 600)
    with pytest.raises(UserError, match=r"prompt: it needs \d+ positions and the limit is 512"):
        model.generate_text([Request(long)])
    with pytest.raises(UserError, match=r"prompt: the drawing needs \d+ positions and the limit is 512"):
        model.generate_images([Request(long)])


def test_recomputed_layers_give_the_same_gradient() -> None:
    found = []
    for again in (False, True):
        model = make_unitoken(checkpoint_blocks=again)
        model.network.requires_grad_(True)
        loss = model.loss(model.layout.collate(samples()[:2]))
        (loss.text_sum + loss.image_sum).backward()
        names = ("model.layers.0.mlp.up_proj.weight", "vit.encoder.layers.0.mlp.fc1.weight", "adapter.0.bias")
        found.append([model.network.get_parameter(name).grad for name in names])
    for plain, recomputed in zip(*found, strict=True):
        assert plain.abs().sum() > 0
        assert torch.allclose(plain, recomputed, atol=1e-6)


def test_half_precision_reads_and_draws() -> None:
    exact, half = make_unitoken(), make_unitoken(dtype="bfloat16")
    losses = [model.loss(model.layout.collate(samples())) for model in (exact, half)]
    assert losses[1].text_sum.dtype == torch.float32
    assert losses[1].text_sum.item() == pytest.approx(losses[0].text_sum.item(), rel=0.1)
    request = Request(Image(PHOTOS[0]), Text("a ball"), sampling=Sampling(max_new_tokens=3))
    mixed = make_unitoken(autocast=True)
    for model in (half, mixed):
        assert model.generate_images([request])[0].codes.shape == (16,)
        assert isinstance(model.generate_text([request])[0], str)
    assert half.network.model.rotary_emb.inv_freq.dtype == torch.float32
