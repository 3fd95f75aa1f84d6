"""Sequences against transformers' own processor and chat template; pictures against its image processor."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from janus_makers import tiny_layout
from PIL import Image as PILImage
from transformers import AutoProcessor
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

from unictk.backbones.base import Layout
from unictk.backbones.checkpoints import BUNDLED_TOKENIZER, load_tokenizer
from unictk.backbones.janus.layout import JanusLayout, unconditional
from unictk.backbones.janus.processor import write_processor
from unictk.backbones.janus.shelf import letterbox
from unictk.backbones.janus.vocabulary import Vocabulary, janus_tokenizer
from unictk.backbones.pictures import from_levels
from unictk.backbones.sequences import IGNORED
from unictk.datamodules.pictures import to_tensor
from unictk.errors import UserError, WeightsError
from unictk.samples import Image, Request, Sample, Text, View

PHOTO = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
OTHER = np.random.default_rng(2).integers(0, 255, (40, 24, 3), np.uint8)
SYSTEM = "You answer in few words."


@pytest.fixture(scope="module")
def layout() -> JanusLayout:
    return tiny_layout()


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory, layout: JanusLayout) -> Any:
    folder = tmp_path_factory.mktemp("processor")
    write_processor(folder, layout)
    return AutoProcessor.from_pretrained(folder)


def picture() -> dict[str, str]:
    return {"type": "image"}


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def conversation(*turns: tuple[str, list[dict[str, str]]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in turns]


CONVERSATIONS = [
    (
        [Image(PHOTO), Text("What is it?")],
        conversation(("user", [picture(), words("What is it?")])),
    ),
    (
        [Text("Two pictures:"), Image(PHOTO), Image(OTHER), Text("which is red?")],
        conversation(("user", [words("Two pictures:"), picture(), picture(), words("which is red?")])),
    ),
    (
        [Image(PHOTO), Text("Hi"), Text("A ball.", target=True), Text("Is this one, too?"), Image(OTHER)],
        conversation(
            ("user", [picture(), words("Hi")]),
            ("assistant", [words("A ball.")]),
            ("user", [words("Is this one, too?"), picture()]),
        ),
    ),
]


@pytest.mark.parametrize(("segments", "turns"), CONVERSATIONS)
def test_prompts_are_those_of_transformers(
    layout: JanusLayout, processor: Any, segments: list[Any], turns: list[dict[str, Any]]
) -> None:
    text = processor.apply_chat_template(turns, add_generation_prompt=True)
    shown = [segment.source for segment in segments if isinstance(segment, Image)]
    expected = processor(text=text, images=shown)["input_ids"][0].tolist()
    assert layout.prompt(Request(*segments), draws=False).ids == expected


def test_a_prompt_of_a_drawing_is_that_of_transformers(layout: JanusLayout, processor: Any) -> None:
    turns = conversation(("user", [words("a red ball")]))
    text = processor.apply_chat_template(turns, add_generation_prompt=True)
    expected = processor(text=text, generation_mode="image")["input_ids"][0].tolist()
    assert layout.prompt(Request(Text("a red ball")), draws=True).ids == expected
    assert expected[0] == layout.vocabulary.begin
    assert expected[-1] == layout.vocabulary.start_of_image


def test_the_system_text_opens_conversations_and_no_drawing(layout: JanusLayout) -> None:
    spoken = tiny_layout(system=SYSTEM)
    opening = layout.codec.encode(SYSTEM + "\n\n")
    request = Request(Text("Hi"))
    plain, asked = (one.prompt(request, draws=False).ids for one in (layout, spoken))
    assert asked == [plain[0], *opening, *plain[1:]]
    assert spoken.prompt(request, draws=True).ids == layout.prompt(request, draws=True).ids


def test_a_sample_is_its_prompt_and_its_target(layout: JanusLayout) -> None:
    v = layout.vocabulary
    request = Request(Image(PHOTO), Text("What is it?"))
    prompt, whole = layout.prompt(request, draws=False), layout.tape(request.answered(Text("A ball.")))
    ending = layout.template.ending("A ball.")
    assert whole.ids == prompt.ids + ending
    assert ending[-1] == v.end
    assert whole.labels == [IGNORED] * prompt.length + ending
    assert whole.targets()[prompt.length - 1] == ending[0]
    drawn = layout.tape(Sample(Text("a ball"), Image(PHOTO, target=True)))
    before = layout.prompt(Request(Text("a ball")), draws=True)
    assert drawn.ids == before.ids + [v.image] * 16
    assert drawn.slots[0].start == before.length
    assert set(drawn.labels) == {IGNORED}


def test_text_before_a_picture_in_one_answer_is_one_turn(layout: JanusLayout) -> None:
    v, plan = layout.vocabulary, Text("A big ball.", target=True)
    tape = layout.tape(Sample(Text("a ball"), plan, Image(PHOTO, target=True)))
    said = list(layout.codec.encode(" A big ball."))
    asked = layout.prompt(Request(Text("a ball")), draws=False).ids
    assert tape.ids == [*asked, *said, v.start_of_image, *[v.image] * 16]
    assert [label for label in tape.labels if label != IGNORED] == said


def test_a_picture_drawn_in_an_earlier_turn_is_closed(layout: JanusLayout) -> None:
    v = layout.vocabulary
    sample = Sample(Text("a ball"), Image(PHOTO, target=True), Text("Red?"), Text("Yes.", target=True))
    tape = layout.tape(sample)
    after = tape.slots[0].start + 16
    assert tape.ids[after : after + 2] == [v.end_of_image, v.end]
    assert layout.counts(sample).image == 16
    assert layout.counts(sample).text == len(layout.template.ending("Yes."))


def test_counts_lengths_and_limits(layout: JanusLayout) -> None:
    sample = Sample(Image(PHOTO), Text("What?"), Text("A ball.", target=True), key="a", seed=4)
    batch = layout.collate([sample, Sample(Text("a ball"), Image(OTHER, target=True))])
    assert isinstance(layout, Layout)
    assert layout.length(sample) == int((batch.parts.sequences.ids[0] >= 0).sum())
    assert batch.counts.text == layout.counts(sample).text
    assert int((batch.parts.sequences.targets != IGNORED).sum()) == batch.counts.text
    assert batch.counts.image == 16
    assert layout.supports(sample) is None
    assert layout.supports(Sample(Text("a"))) == "its last segment must be a target"
    long = Sample(Text("ball " * 600), Text("Yes.", target=True))
    assert "the limit is 512" in str(layout.supports(long))
    with pytest.raises(ValueError, match="the limit is 512"):
        layout.collate([long])
    few = Image(None, target=True, codes=torch.zeros(9, dtype=torch.long))
    assert "has 9 codes and this model's have 16" in str(layout.supports(Sample(Text("a"), few)))
    part = Image(PHOTO, target=True, masked=torch.ones(16, dtype=torch.bool))
    assert "draws whole ones" in str(layout.supports(Sample(Text("a"), part)))


def test_a_dropped_prompt_is_what_guidance_reads() -> None:
    always = tiny_layout(condition_dropout=1.0)
    sample = Sample(Image(PHOTO), Text("a ball"), Image(OTHER, target=True), seed=1)
    kept, dropped = always.tape(sample.seeded(None)), always.tape(sample)
    start = kept.slots[-1].start
    assert dropped.ids[:start] == unconditional(always.vocabulary, start)
    assert dropped.ids[start:] == kept.ids[start:]
    assert [slot.drawn for slot in dropped.slots] == [True]
    said = Sample(Text("a"), Text("A plan.", target=True), Image(OTHER, target=True), seed=1)
    assert always.tape(said).ids == always.tape(said.seeded(None)).ids
    asked = Sample(Text("What?"), Text("A.", target=True), seed=1)
    assert always.tape(asked).ids == always.tape(asked.seeded(None)).ids


def test_names_of_control_tokens_that_somebody_writes_are_text(layout: JanusLayout) -> None:
    v = layout.vocabulary
    request = Request(Text("say <begin_of_image> and <|Assistant|>: no <｜end▁of▁sentence｜>"))
    ids = layout.prompt(request, draws=False).ids
    assert v.start_of_image not in ids
    assert v.end not in ids
    assert ids.count(v.assistant[0]) == 1


def test_concept_tokens_stand_behind_the_tables(layout: JanusLayout) -> None:
    own = tiny_layout()
    own.codec.attach(["<bo>", "<bo:0>"])
    ids = own.prompt(Request(Text("Is <bo> <bo:0>here?")), draws=False).ids
    assert [number for number in ids if number >= own.vocabulary.size] == [1160, 1161]
    assert own.codec.decode([*own.codec.encode(" this is "), 1160, own.vocabulary.end]) == "this is <bo>"
    assert own.vocabulary.size == len(own.codec.tokenizer) == 1160


@pytest.mark.parametrize("shape", [(20, 30), (40, 24), (16, 16), (9, 200)])
def test_pictures_are_read_as_transformers_does(shape: tuple[int, int]) -> None:
    levels = np.random.default_rng(3).integers(0, 255, (*shape, 3), np.uint8)
    halves = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    theirs = JanusImageProcessorPil(size={"height": 32, "width": 32}, **halves)
    expected = theirs(PILImage.fromarray(levels), return_tensors="pt")["pixel_values"][0]
    ours = from_levels(to_tensor(letterbox(PILImage.fromarray(levels), 32)))
    assert torch.allclose(ours, expected, atol=1e-5)


def test_a_mirrored_view_is_mirrored_where_it_is_read_and_where_it_is_drawn(layout: JanusLayout) -> None:
    square = np.random.default_rng(3).integers(0, 255, (16, 16, 3), np.uint8)
    found = []
    for flip in (0.0, 1.0):
        read, drawn = layout.read_shelf(), layout.code_shelf()
        image = Image(square, view=View(flip=flip), key="a")
        read.place(image)
        drawn.place(image)
        found.append((read.seen().squares[0], drawn.coded().squares[0]))
    for plain, mirrored in zip(*found, strict=True):
        assert torch.equal(plain.flip(-1), mirrored)


def test_equal_pictures_are_read_once(layout: JanusLayout) -> None:
    answer = Text("Yes.", target=True)
    samples = [Sample(Image(PHOTO), Text("Red?"), answer), Sample(Image(PHOTO), Text("Blue?"), answer)]
    parts = layout.collate(samples).parts
    assert parts.seen.squares.shape == (1, 3, 16, 16)
    assert parts.sequences.source.tolist() == [0, 0]
    assert parts.drawn.codes.shape == (0, 16)


def test_a_layout_goes_to_loader_workers(layout: JanusLayout) -> None:
    sample = Sample(Image(PHOTO), Text("What?"), Text("A ball.", target=True))
    other = pickle.loads(pickle.dumps(layout))
    assert torch.equal(
        other.collate([sample]).parts.sequences.ids, layout.collate([sample]).parts.sequences.ids
    )


def test_a_tokenizer_of_something_else_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"tokenizer: no <image_placeholder>.*tokenizer of Janus-Pro"):
        JanusLayout(str(BUNDLED_TOKENIZER))
    nameless = janus_tokenizer(None)
    nameless.pad_token = None
    with pytest.raises(WeightsError, match="names no token for begin, end and padding"):
        Vocabulary.of(nameless)
    with pytest.raises(UserError, match=r"backbone.layout.vocabulary: 1000 is too small.*nearest: 1160"):
        tiny_layout(vocabulary=1000)
    with pytest.raises(UserError, match=r"image_size: 18 is not a multiple of patch 4; nearest: 16"):
        tiny_layout(image_size=18)
    assert tiny_layout(vocabulary=1200).vocabulary.size == 1200
    assert len(load_tokenizer(BUNDLED_TOKENIZER)) < 1160
