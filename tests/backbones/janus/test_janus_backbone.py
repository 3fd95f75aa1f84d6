"""The protocol: answers, choices, pictures, concepts, and what trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from janus_makers import make_janus, tiny_layout

from unictk.backbones.base import Backbone, Layout
from unictk.backbones.janus.backbone import Janus
from unictk.backbones.janus.configs import image_config, language_config, vision_config
from unictk.backbones.janus.encoding import squares_of
from unictk.backbones.pictures import from_levels
from unictk.errors import UserError
from unictk.samples import Image, Request, Sample, Sampling, Text

PHOTOS = [np.random.default_rng(seed).integers(0, 255, (20 + 9 * seed, 30, 3), np.uint8) for seed in range(3)]


@pytest.fixture(scope="module")
def model() -> Janus:
    return make_janus()


def test_it_keeps_the_protocol(model: Janus) -> None:
    assert isinstance(model, Backbone)
    assert isinstance(model.layout, Layout)


def test_greedy_answers_of_a_padded_batch_are_those_of_transformers(model: Janus) -> None:
    requests = [
        Request(Image(PHOTOS[0]), Text("What is it?"), sampling=Sampling(max_new_tokens=8)),
        Request(Text("Say something"), sampling=Sampling(max_new_tokens=8)),
        Request(Image(PHOTOS[1]), Image(PHOTOS[2]), Text("Which?"), sampling=Sampling(max_new_tokens=8)),
    ]
    v, tapes = model.layout.vocabulary, [model.layout.prompt(request, draws=False) for request in requests]
    longest = max(tape.length for tape in tapes)
    pads = [longest - tape.length for tape in tapes]
    stock = model.network.stock.generate(
        torch.tensor([[v.pad] * pad + tape.ids for pad, tape in zip(pads, tapes, strict=True)]),
        attention_mask=torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads]),
        pixel_values=from_levels(model.layout.batch(tapes).seen.squares),
        do_sample=False,
        max_new_tokens=8,
        pad_token_id=v.pad,
        eos_token_id=v.end,
    )
    expected = [model.layout.codec.decode(row[longest:].tolist()) for row in stock]
    assert model.generate_text(requests) == expected
    assert len(set(expected)) == 3
    assert all(expected)


def test_an_answer_ends_with_its_turn(model: Janus) -> None:
    head = model.network.stock.lm_head.weight
    before = head.detach().clone()
    request = Request(Text("Say something"), sampling=Sampling(max_new_tokens=8))
    try:
        with torch.no_grad():
            head[model.layout.vocabulary.end] = 9 * _state(model, request)
        assert model.generate_text([request, request]) == ["", ""]
    finally:
        with torch.no_grad():
            head.copy_(before)


def _state(model: Janus, request: Request) -> torch.Tensor:
    ids = torch.tensor([model.layout.prompt(request, draws=False).ids])
    return model.network.trunk(model.network.embed(ids, None), torch.arange(ids.shape[1])[None])[0, -1]


def test_answers_do_not_depend_on_their_batch(model: Janus) -> None:
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


def test_choose_is_the_negative_loss_of_the_answer(model: Janus) -> None:
    requests = [
        Request(Image(PHOTOS[0]), Text("What is it?")),
        Request(Text("one"), Text("two", target=True), Text("three")),
        Request(Image(PHOTOS[0]), Text("between"), Image(PHOTOS[1]), Text("Same?")),
        Request(Image(PHOTOS[0]), Text("What is it?")),
    ]
    options = ["Yes.", "No, it is a red ball.", "A"]
    model.batch_size = 12
    scores = model.choose(requests, options)
    model.batch_size = 8
    assert scores.shape == (4, 3)
    assert torch.equal(scores[0], scores[3])
    for row, request in enumerate(requests):
        for column, option in enumerate(options):
            loss = model.loss(model.layout.collate([request.answered(Text(option))]))
            earlier = 0.0
            if any(segment.target for segment in request):
                said = model.loss(model.layout.collate([Sample(*request.segments[:2])]))
                earlier = said.text_sum.item()
            assert scores[row, column].item() == pytest.approx(earlier - loss.text_sum.item(), abs=2e-4)


def test_prompts_that_are_equal_are_read_once_for_all_options(
    model: Janus, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[tuple[int, ...]] = []
    trunk = model.network.trunk

    def counting(vectors: torch.Tensor, *rest: Any) -> torch.Tensor:
        lengths.append(tuple(vectors.shape[:2]))
        return trunk(vectors, *rest)

    monkeypatch.setattr(model.network, "trunk", counting)
    request = Request(Image(PHOTOS[0]), Text("Red?"))
    model.choose([request, request], ["Yes.", "No."])
    ending = len(model.layout.template.ending("Yes."))
    assert lengths == [(1, model.layout.prompt(request, draws=False).length), (2, ending - 1)]


def test_pictures_do_not_depend_on_their_batch(model: Janus) -> None:
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
        assert torch.allclose(alone.pixels, picture.pixels, atol=1.5 / 255)
    assert len({tuple(picture.codes.tolist()) for picture in together}) == 4
    assert together[0].pixels.shape == (3, 16, 16)
    assert together[0].settings == {"seed": 1, "guidance": 2.0, "temperature": 1.0}
    again = model.reconstruct([together[0].as_segment()])[0]
    assert torch.allclose(again.pixels, together[0].pixels, atol=1.5 / 255)
    read = Sample(together[0].as_segment(), Text("Good?"), Text("Yes.", target=True))
    assert model.loss(model.layout.collate([read])).text_sum.isfinite()


def test_a_picture_reads_the_same_drawn_or_from_its_file(model: Janus) -> None:
    drawn = model.generate_images([Request(Text("a ball"), seed=5)])[0]
    found = []
    for image in (drawn.as_segment(), Image(np.asarray(drawn.as_pil()))):
        batch = model.layout.collate([Sample(image, Text("Good?"), Text("Yes.", target=True))]).parts
        found.append(squares_of(batch.seen, model.network, 8))
    assert torch.equal(*found)


def test_drafts_grow_to_the_picture(model: Janus) -> None:
    request = Request(Text("a ball"), seed=5)
    drafts = model.drafts([request], 8)[0]
    final = model.generate_images([request])[0]
    assert torch.equal(drafts[-1].codes, final.codes)
    for number, draft in enumerate(drafts, 1):
        assert torch.equal(draft.codes[: 2 * number], final.codes[: 2 * number])
    grid = final.codes.view(4, 4)
    third = drafts[2].codes.view(4, 4)
    assert third[3].tolist() == [grid[1, 0], grid[1, 1], grid[0, 2], grid[0, 3]]
    with pytest.raises(UserError, match="drafts: 17 of a picture of 16 codes; expected 1 to 16"):
        model.drafts([request], 17)


def test_codes_that_are_known_are_not_computed_again(model: Janus, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [Image(PHOTOS[0]), Image(PHOTOS[1])]
    model.prepare(images)
    codes = model.encode(images)
    monkeypatch.setattr(model.network, "encode", lambda squares: pytest.fail("encoded again"))
    batch = model.layout.collate([Sample(Text("a"), Image(PHOTOS[1], target=True))])
    assert len(batch.parts.drawn.squares) == 0
    assert torch.equal(batch.parts.drawn.codes[0], codes[1])
    assert torch.equal(model.encode(images), codes)


def test_vectors_are_what_the_language_model_is_given_for_a_picture(model: Janus) -> None:
    vectors = model.vectors([Image(PHOTOS[0]), Image(PHOTOS[1]), Image(PHOTOS[0])])
    assert vectors.index.shape == (3, 16)
    assert torch.equal(vectors.index[0], vectors.index[2])
    assert vectors.table.shape == (32, model.row_shape.hidden)
    tape = model.layout.prompt(Request(Image(PHOTOS[1]), Text("What?")), draws=False)
    parts = model.layout.batch([tape])
    start = tape.slots[0].start
    given = model._inputs(parts, None, parts.drawn.codes)[0, start : start + 16]
    assert torch.allclose(vectors.table[vectors.index[1]], given, atol=1e-5)


def test_fresh_rows(model: Janus) -> None:
    entries = len(model.layout.codec.tokenizer)
    mean = model.fresh_rows(2)
    assert torch.allclose(mean.input[1], model.network.input_table[:entries].mean(0), atol=1e-6)
    assert torch.allclose(mean.head[0], model.network.stock.lm_head.weight[:entries].mean(0), atol=1e-6)
    assert mean.bias is None
    codes = model.fresh_rows(2, first=3, head="codes")
    assert torch.allclose(codes.input, model.network.code_vectors(torch.tensor([3, 4])))
    assert torch.equal(codes.head, mean.head)
    assert model.words("a ball").shape == (2, model.row_shape.hidden)


def test_parts_hold_every_parameter_once_and_all_are_frozen(model: Janus) -> None:
    assert not any(parameter.requires_grad for parameter in model.parameters())
    counted = [id(parameter) for part in model.parts().values() for parameter in part.parameters()]
    assert len(counted) == len(set(counted))
    assert set(counted) == {id(parameter) for parameter in model.parameters()}
    assert len(model.blocks()) == 3 + 1
    assert model.parts()["language"] is model.parts()["language"], "adapters leave their settings on it"


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
def test_settings_that_it_does_not_have_are_refused(model: Janus, settings: Sampling, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model.generate_images([Request(Text("a ball"), sampling=settings)])


def test_a_prompt_that_fills_the_positions_is_one_line(model: Janus) -> None:
    long = Text("ball " * 600)
    with pytest.raises(UserError, match=r"prompt: it needs \d+ positions and the limit is 512"):
        model.generate_text([Request(long)])
    with pytest.raises(UserError, match=r"prompt: the drawing needs \d+ positions and the limit is 512"):
        model.generate_images([Request(long)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebook": 16}, "layout.codebook is 16, image_tokenizer.codebook 32"),
        ({"positions": 600}, "layout.positions is 600, language.max_position_embeddings 512"),
        ({"image_size": 32}, "layout.image_size is 32, vision.image_size 16"),
        ({"patch": 8}, "layout.patch is 8, vision.patch_size 4"),
    ],
)
def test_sizes_that_disagree_are_one_line(change: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_janus(tiny_layout(**change))


def test_sizes_that_cannot_be_are_one_line() -> None:
    with pytest.raises(UserError, match=r"language.hidden_size: 50 and num_attention_heads 16"):
        language_config(hidden_size=50)
    with pytest.raises(UserError, match=r"num_key_value_heads: 3 does not divide num_attention_heads 16"):
        language_config(num_key_value_heads=3)
    with pytest.raises(UserError, match=r"vision.hidden_size: 30 is no multiple of num_attention_heads 16"):
        vision_config(hidden_size=30)
    with pytest.raises(UserError, match=r"vision.image_size: 20 is not a multiple of patch_size 16"):
        vision_config(image_size=20)
    with pytest.raises(UserError, match=r"channels: 40 is not a multiple of 32; nearest: 32"):
        image_config(channels=40)


def test_half_precision_reads_and_draws() -> None:
    exact, half = make_janus(), make_janus(dtype="bfloat16")
    sample = Sample(Image(PHOTOS[0]), Text("What?"), Text("A ball.", target=True))
    losses = [model.loss(model.layout.collate([sample])) for model in (exact, half)]
    assert losses[1].text_sum.dtype == torch.float32
    assert losses[1].text_sum.item() == pytest.approx(losses[0].text_sum.item(), rel=0.1)
    assert half.network.stock.model.language_model.rotary_emb.inv_freq.dtype == torch.float32
    assert torch.equal(*(model.encode([Image(PHOTOS[1])]) for model in (exact, half)))
    request = Request(Image(PHOTOS[0]), Text("a ball"), sampling=Sampling(max_new_tokens=3))
    for model in (half, make_janus(autocast=True)):
        assert model.generate_images([request])[0].codes.shape == (16,)
        assert isinstance(model.generate_text([request])[0], str)
