"""What a picture that is read stands there as: codes and vectors, codes alone, or vectors alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from unitoken_makers import make_unitoken, tiny_layout

from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.backbone import UniToken
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.errors import UserError
from unictk.modules.freezing import freeze
from unictk.modules.unitoken import FROZEN, Alignment, JointTraining
from unictk.samples import Image, Request, Sample, Sampling, Text

FORMS = ("dual", "discrete", "continuous")
PHOTO = np.random.default_rng(0).integers(0, 255, (30, 50, 3), dtype=np.uint8)
OTHER = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=FORMS)
def model(request: pytest.FixtureRequest) -> UniToken:
    return make_unitoken(tiny_layout(encoding=request.param))


def positions_of(layout: UniTokenLayout, width: int, height: int) -> int:
    """What one picture more adds to a sequence."""
    picture = Image(np.zeros((height, width, 3), np.uint8))
    one, two = (layout.length(Sample(*[picture] * n, Text("?"), Text("!", target=True))) for n in (1, 2))
    return two - one


@pytest.mark.parametrize(
    ("size", "vectors"), [((512, 512), 3699), ((640, 480), 2929), ((480, 640), 2943), ((2000, 500), 2451)]
)
def test_a_picture_at_the_published_sizes_has_the_published_length(
    size: tuple[int, int], vectors: int
) -> None:
    """1,060 ids of codes, a separator, 729 vectors or up to 3,699; start and end where there are no codes."""
    for any_resolution, count in ((True, vectors), (False, 729)):
        wanted = {"dual": 1060 + 1 + count, "discrete": 1060, "continuous": 2 + count}
        for form in FORMS:
            layout = UniTokenLayout(positions=16384, any_resolution=any_resolution, encoding=form)
            assert positions_of(layout, *size) == wanted[form]


def test_each_form_is_a_part_of_both_halves() -> None:
    tapes = {
        form: tiny_layout(encoding=form).tape(
            Sample(Image(PHOTO), Text("What?"), Text("A box.", target=True))
        )
        for form in FORMS
    }
    v = tiny_layout().vocabulary
    dual, block = tapes["dual"], v.block(4, 4)
    half = list(dual.features[0].half.ids)
    vectors = [v.pad if token == -2 else token for token in half]
    behind = dual.ids[1 + len(block) + 1 + len(half) :]
    assert dual.ids == [v.begin, *block[:-1], v.separator, *vectors, v.end_of_image, *behind]
    assert tapes["discrete"].ids == [v.begin, *block, *behind]
    assert tapes["continuous"].ids == [v.begin, v.start_of_image, *vectors, v.end_of_image, *behind]
    assert [len(tapes[form].codes) for form in FORMS] == [1, 1, 0]
    assert [len(tapes[form].features) for form in FORMS] == [1, 0, 1]
    answers = {tuple(one for one in tape.labels if one != IGNORED) for tape in tapes.values()}
    assert len(answers) == 1
    assert all(tape.pictures for tape in tapes.values())


def test_a_drawn_picture_is_codes_in_every_form() -> None:
    sample = Sample(Text("a ball"), Image(PHOTO, target=True))
    talk = Sample(Text("a ball"), Image(PHOTO, target=True), Text("Is it red?"), Text("No.", target=True))
    layouts = [tiny_layout(encoding=form) for form in FORMS]
    assert len({tuple(layout.tape(sample).ids) for layout in layouts}) == 1
    dual, discrete, continuous = (layout.tape(talk) for layout in layouts)
    assert dual.ids == continuous.ids
    assert not discrete.features
    assert len(discrete.codes) == len(continuous.codes) == len(continuous.features) == 1
    counts = [layout.counts(talk) for layout in layouts]
    assert counts[0] == counts[1] == counts[2]


def test_losses_answers_choices_and_drawings(model: UniToken) -> None:
    form = model.layout.encoding
    sample = Sample(Image(PHOTO), Text("What?"), Text("A box.", target=True))
    batch = model.layout.collate([sample, Sample(Text("a ball"), Image(OTHER, target=True))])
    pictures = batch.parts.pictures
    assert len(pictures.coded.keys) == (1 if form == "continuous" else 2)
    assert (len(pictures.tiles) > 0) == (form != "discrete")
    loss = model.loss(batch)
    assert loss.image_count == len(model.vocabulary.block(4, 4)) + 1
    request = Request(*sample.segments[:2], sampling=Sampling(max_new_tokens=4))
    apart = model.loss(model.layout.collate([sample]))
    assert model.choose([request], ["A box."]).item() == pytest.approx(-apart.text_sum.item(), abs=2e-4)
    drawn = model.generate_images([Request(Image(PHOTO), Text("in red"), seed=1)])[0]
    asked = Request(drawn.as_segment(), Text("Good?"), sampling=Sampling(max_new_tokens=4))
    assert model.generate_text([request, asked]) == [
        model.generate_text([one])[0] for one in (request, asked)
    ]


def test_what_is_read_is_what_the_form_says(model: UniToken) -> None:
    """Other vectors change an answer's loss where vectors are read, other codes where codes are."""
    form = model.layout.encoding
    sample = Sample(Image(PHOTO), Text("What?"), Text("A box.", target=True))
    plain = model.loss(model.layout.collate([sample])).text_sum
    weight = model.network.adapter[0].weight
    weight.mul_(1.5)
    changed = model.loss(model.layout.collate([sample])).text_sum
    weight.div_(1.5)
    assert torch.equal(plain, changed) == (form == "discrete")
    before = dict(model.layout.codes.memory)
    codes = next(iter(before.values()), torch.zeros(16, dtype=torch.long))
    model.layout.codes.memory = dict.fromkeys(before, (codes + 5) % 32)
    changed = model.loss(model.layout.collate([sample])).text_sum
    model.layout.codes.memory = before
    assert torch.equal(plain, changed) == (form == "continuous")


def test_vectors_are_of_what_is_read(model: UniToken) -> None:
    found = model.vectors([Image(PHOTO), Image(OTHER), Image(PHOTO)])
    assert torch.equal(found.index[0], found.index[2])
    assert not torch.equal(found.table[found.index[0]], found.table[found.index[1]])
    if model.layout.encoding != "continuous":
        assert found.index.shape == (3, 16)
        return
    assert found.index.shape == (3, 9)
    tape = model.layout.tape(Sample(Image(PHOTO), Text("?"), Text("!", target=True)))
    vectors = model._inputs(model.layout.batch([tape]), None)[0]
    whole = vectors[0, tape.features[0].places[:9]]
    assert torch.allclose(found.table[found.index[0]], whole, atol=1e-6)
    drawn = model.generate_images([Request(Text("a ball"), seed=5)])[0]
    twice = model.vectors([drawn.as_segment(), Image(np.asarray(drawn.as_pil()))])
    assert torch.allclose(*twice.table[twice.index], atol=1e-6)


def test_parts_that_nothing_reads_do_not_train() -> None:
    discrete = make_unitoken(tiny_layout(encoding="discrete"))
    named = freeze(discrete, "stages.s2", JointTraining.trains, FROZEN, {"vision": 0.1}, ())
    assert {one.part for one in named if one.trains} == {"tables", "language"}
    with pytest.raises(UserError) as caught:
        freeze(discrete, "stages.s1", Alignment.trains, FROZEN, {}, ())
    assert str(caught.value) == (
        "stages.s1.trains: nothing is left to train of vision, connector: backbone.layout.encoding=discrete "
        "leaves vision, connector unread"
    )
    for form in ("dual", "continuous"):
        backbone = make_unitoken(tiny_layout(encoding=form))
        named = freeze(backbone, "stages.s1", Alignment.trains, FROZEN, {}, ())
        assert {one.part for one in named if one.trains} == {"vision", "connector"}


def test_combinations_that_mean_nothing_are_one_line() -> None:
    for form in ("discrete", "continuous"):
        with pytest.raises(UserError, match=rf"encoding: '{form}' with .*legacy=true, .*; expected dual"):
            tiny_layout(encoding=form, legacy=True)
    with pytest.raises(UserError, match=r"vision_weights: 'siglip', but .*discrete reads no tower"):
        make_unitoken(
            tiny_layout(encoding="discrete"), weights="lm", image_weights="vq", vision_weights="siglip"
        )
