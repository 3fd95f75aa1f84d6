"""Samples to sequences: turns, labels, pictures, chance, limits."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from unitoken_makers import tiny_layout

from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.vocabulary import CODE, Vocabulary
from unictk.errors import UserError, WeightsError
from unictk.samples import Image, Request, Sample, Text

PHOTO = np.random.default_rng(0).integers(0, 255, (30, 50, 3), dtype=np.uint8)
OTHER = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)


def test_case_13_a_picture_of_codes_and_back() -> None:
    vocabulary = Vocabulary()
    codes = torch.arange(1024).view(32, 32) * 7 % 8192
    ids = vocabulary.block(32, 32)
    assert len(ids) == 1060
    assert (ids[0], ids[1:3], ids[-1]) == (8197, [8820, 8820], 8196)
    assert ids.count(8803) == 32
    written = iter(vocabulary.to_ids(codes).flatten().tolist())
    assert torch.equal(vocabulary.read_block([next(written) if one == CODE else one for one in ids]), codes)


def test_case_13_a_picture_that_is_no_square() -> None:
    vocabulary = Vocabulary()
    codes = torch.tensor([[5, 4, 3, 2, 1, 0]] * 4)
    written = iter(vocabulary.to_ids(codes).flatten().tolist())
    ids = [next(written) if one == CODE else one for one in vocabulary.block(4, 6)]
    assert ids[1:3] == [8806, 8807]
    assert torch.equal(vocabulary.read_block(ids), codes)
    ids[9] = 5
    with pytest.raises(ValueError, match="id 5 at place 9 of a picture of 4 x 6 cells"):
        vocabulary.read_block(ids)
    with pytest.raises(ValueError, match="no size token says 3"):
        vocabulary.block(3, 4)


def chameleon_names(codes: list[str]) -> dict[str, int]:
    names = {"<s>": 0, "<eoss>": 12, "<racm3:break>": 13, "<sentinel:0>": 14, "<reserved08706>": 15}
    names |= {"<reserved08799>": 16, "<reserved08800>": 17, "<reserved08801>": 18}
    return names | {name: 4 + place for place, name in enumerate(codes)}


def test_ids_come_from_the_names_of_the_tokenizer() -> None:
    made = Vocabulary.named(chameleon_names(["IMGIMGCZ", "IMGIMGAZ", "IMGIMGBZ"]), [9])
    assert (made.begin, made.end_of_image, made.start_of_image, made.separator) == (0, 12, 13, 14)
    assert (made.end_of_turn, made.newline, made.grid, made.size) == (15, 16, 17, 19)
    assert (made.first_code, made.codebook, made.before_image) == (4, 3, (9,))
    assert made.to_ids(torch.tensor([0, 1, 2])).tolist() == [5, 6, 4]
    assert made.to_codes(torch.tensor([4, 5, 6])).tolist() == [2, 0, 1]
    marked = Vocabulary.named({**chameleon_names(["IMGIMGAZ", "IMGIMGBZ"]), "<|image|>": 19})
    assert marked.size == 19
    ordered = Vocabulary.named(chameleon_names(["IMGIMGAZ", "IMGIMGBZ"]))
    assert ordered.order == ()
    with pytest.raises(WeightsError, match=r"no <eoss>; expected the tokenizer of Chameleon"):
        Vocabulary.named({k: v for k, v in chameleon_names(["IMGIMGAZ"]).items() if k != "<eoss>"})
    with pytest.raises(WeightsError, match="not one block"):
        Vocabulary.named(chameleon_names(["IMGIMGAZ", "IMGIMGCZ"]))


def test_case_19_two_turns_of_text() -> None:
    layout = tiny_layout()
    v, encode = layout.vocabulary, layout.codec.encode
    tape = layout.tape(
        Sample(Text("one red ball"), Text("Yes.", target=True), Text("and now"), Text("No.", target=True))
    )
    parts = [encode("one red ball", opening=True), encode("Yes."), encode("and now"), encode("No.")]
    expected = [v.begin]
    labels = [IGNORED]
    for place, part in enumerate(parts):
        expected += [*part, v.end_of_turn]
        labels += [*part, v.end_of_turn] if place % 2 else [IGNORED] * (len(part) + 1)
    assert tape.ids == expected
    assert tape.labels == labels
    whole = layout.codec.tokenizer("one red ball", add_special_tokens=False)["input_ids"]
    assert list(parts[0]) == whole
    assert layout.counts(Sample(Text("one red ball"), Text("Yes.", target=True))).text == len(parts[1]) + 1


def test_case_19_neighbouring_texts_are_one_text() -> None:
    layout = tiny_layout()
    apart = layout.tape(Sample(Text("a ball"), Text("a box"), Text("Yes.", target=True)))
    together = layout.tape(Sample(Text("a ball\na box"), Text("Yes.", target=True)))
    assert apart.ids == together.ids


def test_case_19_a_picture_in_the_prompt() -> None:
    layout = tiny_layout()
    v, encode = layout.vocabulary, layout.codec.encode
    sample = Sample(Image(PHOTO), Text("What is it?"), Text("A ball.", target=True))
    tape = layout.tape(sample)
    block = v.block(4, 4)
    assert tape.ids[: len(block)] == [v.begin, *block[:-1]]
    assert len(tape.features[0].places) == len(tape.features[0].half.index)
    behind = [v.end_of_image, *encode("What is it?"), v.end_of_turn, *encode("A ball."), v.end_of_turn]
    assert tape.ids[-len(behind) :] == behind
    answer = [*encode("A ball."), v.end_of_turn]
    assert [label for label in tape.labels if label != IGNORED] == answer
    assert tape.ids[len(block)] == v.separator
    old = tiny_layout(legacy=True).tape(sample)
    assert [label for label in old.labels if label != IGNORED] == [v.separator, *answer]


def test_case_19_a_picture_in_the_answer() -> None:
    layout = tiny_layout()
    v, encode = layout.vocabulary, layout.codec.encode
    sample = Sample(Text("a ball"), Image(PHOTO, target=True))
    tape = layout.tape(sample)
    prompt = encode("Generate an image according to the following prompt:\na ball", opening=True)
    assert tape.ids == [v.begin, *prompt, v.end_of_turn, *v.block(4, 4), v.end_of_turn]
    assert tape.labels[-len(v.block(4, 4)) - 1 :] == [*v.block(4, 4), v.end_of_turn]
    assert not tape.features
    counts = layout.counts(sample)
    assert (counts.text, counts.image) == (0, len(v.block(4, 4)) + 1)
    old = tiny_layout(legacy=True)
    whole = old.tape(sample)
    assert len(whole.features) == 1
    assert v.separator in whole.labels
    assert old.counts(sample).image == counts.image + 1


def test_an_answer_that_is_text_and_a_picture() -> None:
    layout = tiny_layout()
    sample = Sample(
        Text("plan, then draw"), Text("a red ball", target=True), Image(PHOTO, target=True), seed=3
    )
    tape = layout.tape(sample)
    text = [*layout.codec.encode("a red ball")]
    assert layout.counts(sample).text == len(text)
    assert tape.ids.count(layout.vocabulary.end_of_turn) == 2


def test_a_drawn_picture_that_later_turns_speak_of_has_its_continuous_half() -> None:
    layout = tiny_layout()
    drawn = Image(PHOTO, target=True)
    sample = Sample(Text("a ball"), drawn, Text("Is it red?"), Text("No.", target=True))
    tape = layout.tape(sample)
    assert [slot.picture for slot in tape.features] == [drawn]
    assert layout.vocabulary.separator not in tape.labels
    first = layout.tape(Sample(Text("Is it red?"), drawn))
    assert not first.features
    counts = layout.collate([sample]).counts
    assert counts == layout.counts(sample)
    assert counts.image == len(layout.vocabulary.block(4, 4)) + 1


def test_a_dropped_condition_is_the_picture_alone() -> None:
    layout = tiny_layout(condition_dropout=0.5)
    v = layout.vocabulary
    sample = Sample(Text("a ball"), Image(PHOTO, target=True))
    lengths = {layout.tape(sample.seeded(seed)).length for seed in range(12)}
    alone = [*v.block(4, 4), v.end_of_turn]
    assert min(lengths) == len(alone)
    assert len(lengths) == 2
    dropped = next(
        tape for seed in range(12) if (tape := layout.tape(sample.seeded(seed))).length == len(alone)
    )
    assert dropped.ids == alone
    assert layout.tape(sample).length > len(alone)
    answer = Sample(Image(PHOTO), Text("What?"), Text("A ball.", target=True))
    assert len({layout.tape(answer.seeded(seed)).length for seed in range(12)}) == 1


def test_collate_puts_codes_features_and_targets_in_their_places() -> None:
    layout = tiny_layout()
    codes = torch.arange(16)
    samples = [
        Sample(Image(PHOTO), Image(OTHER), Text("Same?"), Text("No.", target=True)),
        Sample(Text("a ball"), Image(None, target=True, codes=codes)),
        Sample(Image(PHOTO), Text("What?"), Text("A box.", target=True)),
    ]
    batch = layout.collate(samples)
    found, pictures = batch.parts.sequences, batch.parts.pictures
    assert len(pictures.coded.keys) == 3
    assert pictures.coded.unknown.tolist() == [0, 1]
    assert pictures.coded.squares.shape == (2, 3, 16, 16)
    assert found.slot_picture.tolist() == [0, 1, 2, 0]
    halves = [layout.half(Image(PHOTO)), layout.half(Image(OTHER))]
    assert len(pictures.tiles) == sum(half.tiles for half in halves)
    assert len(found.feature_row) == 2 * len(halves[0].index) + len(halves[1].index)
    every = torch.stack([codes + 1, codes + 2, codes])
    ids, targets = found.filled(every, 4, layout.vocabulary)
    assert not (ids == CODE).any()
    assert not (targets == CODE).any()
    tape = layout.tape(samples[1])
    row = ids[1, : tape.length].tolist()
    start = row.index(layout.vocabulary.start_of_image)
    end = row.index(layout.vocabulary.end_of_image)
    assert torch.equal(layout.vocabulary.read_block(row[start : end + 1]), codes.view(4, 4))
    assert targets[1, start - 1 : end].tolist() == row[start : end + 1]
    assert batch.counts.text + batch.counts.image == int((targets != IGNORED).sum())
    assert batch.counts.image == int((found.draws & (targets != IGNORED)).sum())
    features = torch.arange(len(pictures.tiles) * 9.0).view(-1, 9, 1)
    filled = found.spliced(torch.full((*ids.shape, 1), -1.0), features)
    assert (filled[1] == -1).all()
    assert filled[2].max() < 9 * halves[0].tiles
    assert filled[0].max() >= 9 * halves[0].tiles


def test_what_the_model_drew_is_read_by_decoding_it() -> None:
    layout = tiny_layout()
    drawn = Image(None, codes=torch.arange(16))
    batch = layout.collate([Sample(drawn, Text("Good?"), Text("Yes.", target=True))])
    assert batch.parts.pictures.decoded.tolist() == [[0, 0]]
    assert len(batch.parts.pictures.tiles) == layout.half(drawn).tiles == 5
    assert not len(batch.parts.pictures.coded.unknown)


def test_the_limit_counts_the_tiles_and_is_named() -> None:
    sample = Sample(Image(OTHER), Text("What?"), Text("A box.", target=True))
    needed = tiny_layout().length(sample)
    base = tiny_layout(any_resolution=False)
    assert base.length(sample) < needed
    layout = tiny_layout(positions=needed - 1)
    assert layout.supports(sample) == f"it needs {needed} positions and the limit is {needed - 1}"
    with pytest.raises(ValueError, match=f"a sample needs {needed} positions and the limit is {needed - 1}"):
        layout.collate([sample])
    assert tiny_layout(positions=needed).supports(sample) is None
    wrong = Sample(Text("a ball"), Image(None, target=True, codes=torch.arange(9)))
    assert layout.supports(wrong) == "one of its pictures has 9 codes and this model's have 16"


def test_the_published_length_of_a_square_picture_is_over_the_published_limit() -> None:
    layout = UniTokenLayout()
    sample = Sample(Image(np.zeros((512, 512, 3), np.uint8)), Text("?"), Text("!", target=True))
    length = layout.length(sample)
    assert length > 4760
    assert layout.supports(sample) == f"it needs {length} positions and the limit is 4096"
    base = UniTokenLayout(any_resolution=False)
    assert base.supports(sample) is None
    assert base.length(sample) == length - 3699 + 729


def test_a_file_is_measured_as_it_will_be_opened(tmp_path: Path) -> None:
    layout = tiny_layout()
    turned = PILImage.fromarray(PHOTO)
    exif = PILImage.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif)
    upright = layout.half(Image(tmp_path / "a.jpg"))
    assert len(upright) == len(layout.half(Image(PHOTO.transpose(1, 0, 2))))
    assert len(upright) != len(layout.half(Image(PHOTO)))
    batch = layout.collate([Sample(Image(tmp_path / "a.jpg"), Text("?"), Text("!", target=True))])
    assert len(batch.parts.pictures.tiles) == upright.tiles


def test_control_tokens_that_somebody_wrote_are_text() -> None:
    layout = tiny_layout()
    end = layout.codec.tokenizer.eos_token
    ids = layout.codec.encode(f"say {end} please")
    assert layout.codec.tokenizer.eos_token_id not in ids
    assert layout.codec.decode(ids) == f"say {end} please"


def test_concept_tokens_stand_behind_the_tables() -> None:
    layout = tiny_layout()
    layout.codec.attach(["<bo>", "<bo_1>"])
    size = layout.vocabulary.size
    ids = layout.codec.encode("a <bo_1> by <bo>.")
    assert [number for number in ids if number >= size] == [size + 1, size]
    assert layout.codec.decode(ids) == "a <bo_1> by <bo>."
    again = pickle.loads(pickle.dumps(layout))
    assert again.codec.encode("a <bo_1> by <bo>.") == ids


def test_requests_end_where_the_model_goes_on() -> None:
    layout = tiny_layout()
    v = layout.vocabulary
    draws = layout.prompt(Request(Text("a ball")), draws=True)
    whole = layout.tape(Sample(Text("a ball"), Image(PHOTO, target=True)))
    assert whole.ids[: draws.length] == draws.ids
    assert whole.ids[draws.length] == v.start_of_image
    asked = layout.prompt(Request(Image(PHOTO), Text("What?")), draws=False)
    answered = layout.tape(Sample(Image(PHOTO), Text("What?"), Text("A box.", target=True)))
    assert answered.ids[: asked.length] == asked.ids


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image_size": 20}, r"image_size: 20 is not a multiple of 8, .*nearest: 16"),
        ({"canvases": [[0, 1]]}, r"canvases: .*1 or more"),
        ({"drawing_prompt": "draw it"}, r"drawing_prompt: 'draw it' has no \{prompt\}"),
    ],
)
def test_wrong_settings_are_one_line(changed: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tiny_layout(**changed)  # type: ignore[arg-type]
