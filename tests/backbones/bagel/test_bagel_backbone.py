"""BAGEL behind the protocol: losses, answers, drawings, concept rows, published weights."""

from __future__ import annotations

import pytest
import torch
from bagel_makers import make_bagel, make_concept, photo

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.backbone import Bagel, before_last_text, texts_only
from unictk.backbones.bagel.context import read
from unictk.backbones.bagel.drawing import Canvas, Conditions, draw
from unictk.backbones.bagel.guidance import Guidance, Schedule
from unictk.backbones.bagel.layout import BagelLayout
from unictk.backbones.bagel.patches import unpatchify
from unictk.backbones.bagel.sizes import qwen2_config, siglip_config
from unictk.backbones.bagel.weights import write_published
from unictk.backbones.base import Backbone, Layout
from unictk.chance import generator
from unictk.datamodules.pictures import open_picture, square, to_tensor
from unictk.errors import UserError
from unictk.samples import Image, Request, Sample, Sampling, Text, View

QUICK = Sampling(steps=3, guidance=2.0, max_new_tokens=6)
DRAW = Sample(Text("A photo of <bo:0> <bo>."), Image(photo(0), target=True), seed=1)
EDIT = Sample(Image(photo(1)), Text("Paint it."), Image(photo(2), target=True), seed=2)
ASK = Sample(Image(photo(1)), Text("Is <bo> here?"), Text("Yes.", target=True), seed=3)


@pytest.fixture(scope="module")
def bagel() -> Bagel:
    made = make_bagel(image_guidance=2.0)
    made.attach([make_concept(made)])
    return made


def requests(sampling: Sampling = QUICK) -> list[Request]:
    segments = [
        (Text("A photo of <bo>."),),
        (Image(photo(1)), Text("The same in the snow, please.")),
        (Text("Two."),),
    ]
    return [Request(*each, seed=seed, sampling=sampling) for seed, each in enumerate(segments)]


def test_it_is_a_backbone(bagel: Bagel) -> None:
    assert isinstance(bagel, Backbone)
    assert isinstance(bagel.layout, Layout)
    assert not any(parameter.requires_grad for parameter in bagel.parameters())
    parts = bagel.parts()
    assert sorted(parts) == ["connector", "generation head", "language", "tables", "tokenizer", "vision"]
    owned = {id(parameter) for part in parts.values() for parameter in part.parameters()}
    assert owned == {id(parameter) for parameter in bagel.parameters()}, "every weight belongs to a part"
    assert len(bagel.blocks()) == 2


def test_the_loss_of_a_batch_is_the_sum_of_its_samples(bagel: Bagel) -> None:
    layout = bagel.layout
    whole = layout.collate([DRAW, EDIT, ASK])
    loss = bagel.loss(whole)
    assert (loss.text_count, loss.image_count) == (whole.counts.text, whole.counts.image)
    alone = [bagel.loss(layout.collate([sample])) for sample in (DRAW, EDIT, ASK)]
    torch.testing.assert_close(loss.text_sum, sum(one.text_sum for one in alone), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(loss.image_sum, sum(one.image_sum for one in alone), atol=1e-4, rtol=1e-5)
    empty = bagel.loss(layout.collate([]))
    assert (empty.text_sum.item(), empty.image_sum.item(), empty.image_count) == (0, 0, 0)


def test_gradients_reach_concept_rows_by_drawing_and_by_answering() -> None:
    bagel = make_bagel()
    concept = make_concept(bagel)
    bagel.attach([concept])
    identifier, shared = concept.get_submodule("identifier"), concept.get_submodule("shared")
    loss = bagel.loss(bagel.layout.collate([DRAW]))
    (gradient,) = torch.autograd.grad(loss.image_sum, [shared.input])
    assert gradient[0].abs().sum() > 0
    assert not gradient[1:].any(), "tokens that are not written"
    loss = bagel.loss(bagel.layout.collate([ASK]))
    found = torch.autograd.grad(loss.text_sum, [identifier.input, identifier.head])
    assert all(gradient.abs().sum() > 0 for gradient in found), "every head row takes part in the softmax"


def test_prepared_pictures_change_nothing() -> None:
    plain, prepared = make_bagel(), make_bagel()
    prepared.prepare([Image(photo(0)), Image(photo(1)), Image(photo(2))])
    batch = prepared.layout.collate([EDIT])
    assert not batch.parts.pixels
    assert len(batch.parts.views) == 1
    expected = plain.loss(plain.layout.collate([EDIT])).image_sum
    torch.testing.assert_close(prepared.loss(batch).image_sum, expected, atol=1e-5, rtol=1e-5)


def test_choices_are_the_losses_of_their_answers(bagel: Bagel) -> None:
    options = ["Yes.", "No, not at all.", "<bo>"]
    asked = [Request(Image(photo(1)), Text("Is <bo> here?")), Request(Text("Say it."))]
    scores = bagel.choose(asked, options)
    assert scores.shape == (2, 3)
    for row, request in enumerate(asked):
        for column, option in enumerate(options):
            sample = request.answered(Text(option))
            expected = -bagel.loss(bagel.layout.collate([sample])).text_sum
            torch.testing.assert_close(scores[row, column], expected, atol=1e-4, rtol=0)


def test_answers_of_a_batch_equal_each_alone(bagel: Bagel) -> None:
    asked = [
        Request(Image(photo(n)), Text("What is this?" * n), seed=n, sampling=sampling)
        for n, sampling in enumerate([QUICK, Sampling(max_new_tokens=9, text_temperature=1.0), QUICK])
    ]
    together = bagel.generate_text(asked)
    assert together == [bagel.generate_text([request])[0] for request in asked]
    assert len(set(together)) > 1
    assert bagel.generate_text([]) == []


def test_drawings_of_a_batch_equal_each_alone(bagel: Bagel) -> None:
    together = bagel.generate_images(requests())
    for found, request in zip(together, requests(), strict=True):
        (alone,) = bagel.generate_images([request])
        torch.testing.assert_close(found.codes, alone.codes, atol=1e-5, rtol=1e-5)
        assert found.pixels.shape == (3, 32, 32)
        assert found.pixels.min() >= 0
        assert found.pixels.max() <= 1
        assert found.settings == {"seed": request.seed, "steps": 3, "guidance": 2.0}
    other = bagel.generate_images([Request(Text("Two."), seed=9, sampling=QUICK)])[0]
    assert (other.codes - together[2].codes).abs().max() > 0.1


def test_a_drawing_is_the_published_guidance_of_its_prompt(bagel: Bagel) -> None:
    """Text scale 1 + guidance against everything before the last text, image scale against the texts."""
    request = requests()[1]
    (parts,) = bagel._prompts([request], True)
    rows = bagel.concept_rows()
    prompts = [parts, parts[:2], parts[2:]]
    conditions = Conditions(*(read(bagel.network, bagel.packer, [one], rows=rows) for one in prompts))
    noise = torch.randn((4, 16), generator=generator("noise", request.seed))
    (tokens,) = draw(
        bagel.network,
        bagel.layout.codec.special,
        conditions,
        Canvas([noise], [(2, 2)]),
        Schedule(4, 3.0),
        Guidance(3.0, 2.0),
    )
    found = bagel.generate_images([request])[0].codes
    torch.testing.assert_close(found, unpatchify(tokens, (2, 2), 2), atol=1e-5, rtol=1e-5)


def test_a_seeded_latent_is_drawn_from_the_autoencoders_distribution(bagel: Bagel) -> None:
    batch = bagel.layout.collate([EDIT]).parts
    planned, found = batch.samples[0][-1], bagel.pictures.samples(batch)[0][-1]
    pixels = to_tensor(square(open_picture(photo(2)), View(), 32, ""))[None] / 127.5 - 1
    with torch.no_grad():
        posterior = bagel.autoencoder.encode(pixels)
    torch.testing.assert_close(found.latent, posterior.sample(planned.chance[None])[0], atol=1e-5, rtol=1e-5)


def test_guidance_and_prompt_pictures_matter(bagel: Bagel) -> None:
    def drawn(*segments: Text | Image, guidance: float) -> torch.Tensor:
        request = Request(*segments, seed=1, sampling=Sampling(steps=4, guidance=guidance))
        return bagel.generate_images([request])[0].codes

    text = Text("A red one.")
    plain = drawn(text, guidance=0.0)
    assert (drawn(text, guidance=4.0) - plain).abs().max() > 1e-4
    assert (drawn(Image(photo(3)), text, guidance=0.0) - plain).abs().max() > 1e-4


def test_drafts_end_in_the_drawing(bagel: Bagel) -> None:
    request = requests()[0]
    drafts = bagel.drafts([request], 3)[0]
    assert len(drafts) == 3
    assert torch.equal(drafts[-1].codes, bagel.generate_images([request])[0].codes)
    assert not torch.equal(drafts[0].codes, drafts[1].codes)
    with pytest.raises(UserError, match="drafts: 4 of 3 sampling steps; expected 1 to 3"):
        bagel.drafts([request], 4)


def test_what_was_drawn_trains_again_exactly(bagel: Bagel) -> None:
    drawn = bagel.generate_images([requests()[0]])[0]
    sample = Sample(Text("x"), drawn.as_segment(target=True), seed=4)
    batch = bagel.layout.collate([sample])
    assert not batch.parts.pixels
    parts = bagel.pictures.samples(batch.parts)
    assert torch.equal(parts[0][-1].latent, drawn.codes)
    assert bagel.loss(batch).image_sum > 0
    again = bagel.reconstruct([drawn.as_segment()])[0]
    torch.testing.assert_close(again.pixels, drawn.pixels, atol=1e-5, rtol=0)
    asked = Request(drawn.as_segment(), Text("What is it?"), sampling=QUICK)
    assert isinstance(bagel.generate_text([asked])[0], str)


def test_vectors_words_and_fresh_rows(bagel: Bagel) -> None:
    found = bagel.vectors([Image(photo(n)) for n in range(6)])
    assert found.index.shape == (6, 16)
    assert found.table.shape == (96, 64)
    one = bagel.vectors([Image(photo(4))]).table
    torch.testing.assert_close(found.table[found.index[4]], one, atol=1e-5, rtol=1e-5)
    words = bagel.words("a <bo>")
    assert torch.equal(words[-1], bagel.concepts[0].rows().input[0])
    rows = bagel.fresh_rows(3)
    table = bagel.network.embed_tokens.weight[: len(bagel.layout.codec.tokenizer)]
    torch.testing.assert_close(rows.input, table.mean(0).expand(3, -1))
    assert (rows.head.shape, rows.bias) == ((3, 64), None)
    assert bagel.reconstruct([Image(photo(1))])[0].pixels.shape == (3, 32, 32)


def test_published_weights_make_the_same_model(tmp_path) -> None:
    first = make_bagel()
    write_published(tmp_path, first.network, first.autoencoder)
    second = make_bagel(weights=str(tmp_path))
    request = requests()[1]
    expected, found = (model.generate_images([request])[0] for model in (first, second))
    torch.testing.assert_close(found.codes, expected.codes)
    third = make_bagel(weights=str(tmp_path), dtype="bfloat16")
    assert third.network.lm_head.weight.dtype == torch.bfloat16
    loss = third.loss(third.layout.collate([DRAW, ASK]))
    assert loss.text_sum.dtype == torch.float32
    near = first.loss(first.layout.collate([DRAW, ASK]))
    torch.testing.assert_close(loss.image_sum, near.image_sum, atol=0.5, rtol=0.1)
    assert third.generate_images([request])[0].pixels.isfinite().all()


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_mixed_precision_trains_and_samples() -> None:
    exact, mixed, flex = make_bagel(), make_bagel(autocast=True), make_bagel(flex=True)
    for model in (exact, mixed, flex):
        model.attach([make_concept(model)])
    expected = exact.loss(exact.layout.collate([EDIT, ASK]))
    for model in (mixed, flex):
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            loss = model.loss(model.layout.collate([EDIT, ASK]))
        assert loss.text_sum.dtype == loss.image_sum.dtype == torch.float32
        torch.testing.assert_close(loss.text_sum, expected.text_sum.detach(), atol=0.5, rtol=0.1)
        torch.testing.assert_close(loss.image_sum, expected.image_sum.detach(), atol=0.5, rtol=0.1)
    near, far = mixed.generate_images(requests()), exact.generate_images(requests())
    assert all((a.codes - b.codes).abs().mean() < 0.2 for a, b in zip(near, far, strict=True))
    asked = [Request(Image(photo(1)), Text("Is <bo> here?"))]
    scores = [model.choose(asked, ["Yes.", "No."]) for model in (mixed, exact)]
    torch.testing.assert_close(scores[0], scores[1], atol=0.5, rtol=0.05)
    assert len(mixed.generate_text(requests()[:1])) == 1


def test_what_guidance_compares_with(bagel: Bagel) -> None:
    (parts,) = bagel._prompts([Request(Image(photo(1)), Text("a"))], True)
    assert [type(part).__name__ for part in parts] == ["LatentPart", "PicturePart", "TextPart"]
    assert before_last_text(parts) == parts[:2]
    assert texts_only(parts) == parts[2:]


def test_prompts_that_are_too_long_are_refused(bagel: Bagel) -> None:
    long = Request(*[Image(photo(n)) for n in range(11)], Text("a"))
    with pytest.raises(UserError, match=r"prompt: it needs \d+ positions and the limit is 256"):
        bagel.generate_images([long])


@pytest.mark.parametrize("settings", [Sampling(guidance_schedule="rising"), Sampling(order="random")])
def test_settings_of_masked_cells_are_refused(bagel: Bagel, settings: Sampling) -> None:
    with pytest.raises(UserError, match="masked cells, and this backbone draws whole pictures from noise"):
        bagel.generate_images([Request(Text("a ball"), sampling=settings)])


def test_concepts_that_do_not_fit_are_refused(bagel: Bagel) -> None:
    other = make_bagel()
    concept = make_concept(other)
    with pytest.raises(UserError, match=r"its token <bo> belongs to <bo> already"):
        other.attach([concept, concept])


def test_parts_whose_sizes_disagree_are_refused() -> None:
    layout = BagelLayout(
        image_size=32, vision_size=16, vocabulary=1160, vision_patch=4, latent_channels=4, vision_side=4
    )
    language = qwen2_config(1160, 64, 96, 1, 4, 2)
    vision = siglip_config(32, 64, 1, 2, image_size=16, patch_size=4)
    autoencoder = FluxAutoencoder(32, (1, 1, 1, 1), 1, 4)
    with pytest.raises(UserError, match="without weights it needs the sizes of language and vision"):
        Bagel(layout, language, None, autoencoder)
    with pytest.raises(UserError, match=r"vocabulary: 1160, but language.vocab_size is 1200; nearest: 1200"):
        Bagel(layout, qwen2_config(1200, 64, 96, 1, 4, 2), vision, autoencoder)
    with pytest.raises(UserError, match=r"latent_channels: 4, but autoencoder.z_channels is 8"):
        Bagel(layout, language, vision, FluxAutoencoder(32, (1, 1, 1, 1), 1, 8))
    with pytest.raises(UserError, match=r"downsample: 8, but autoencoder's is 4"):
        Bagel(layout, language, vision, FluxAutoencoder(32, (1, 1, 1), 1, 4))
    small = siglip_config(32, 64, 1, 2, image_size=4, patch_size=4)
    with pytest.raises(UserError, match=r"vision_side: 4 squared is more than the 1 positions"):
        Bagel(layout, language, small, autoencoder)
