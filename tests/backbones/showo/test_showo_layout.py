"""Sequence building: published layouts to the id, extended ones by their rules, chance by seed."""

from __future__ import annotations

import pickle

import pytest
import torch
from showo_makers import make_concept, make_showo, picture

from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.layout import ShowoLayout
from unictk.backbones.showo.vocabulary import IGNORED
from unictk.samples import Counts, Image, Sample, Text


@pytest.fixture(scope="module")
def layout(showo: Showo) -> ShowoLayout:
    return showo.layout


def drawing(text: str = "A photo of <bo>.", seed: int | None = 1) -> Sample:
    return Sample(Text(text), Image(picture(0), target=True), key="d", seed=seed)


def answering(question: str = "Is <bo> here?", reply: str = "Yes.") -> Sample:
    return Sample(Image(picture(0)), Text(question), Text(reply, target=True), key="a")


def test_case_13_lengths(layout: ShowoLayout) -> None:
    published = ShowoLayout(image_size=512, patch=16, codebook=8192, max_text=128)
    assert published.length(drawing()) == 1155
    assert published.tape(drawing()).slots[0].start + published.tape(drawing()).offset == 130
    small = ShowoLayout(image_size=256, patch=16, codebook=8192, max_text=128)
    assert small.length(drawing()) == 387
    assert layout.length(drawing()) == 49 + 16 + 2
    assert layout.length(answering()) == 3 + 16 + len(layout.codec.conversation(answering().segments[1:])[0])


def test_case_13_loss_window_holds_both_ends_of_the_image(layout: ShowoLayout) -> None:
    batch = layout.collate([drawing()])
    rows = batch.parts.rows
    block = rows.ids.shape[1] - 18
    labelled = (rows.targets[0] != IGNORED).nonzero()[:, 0].tolist()
    assert labelled == [block, block + 17], "start and end of image, unshifted; cells come with the codes"
    assert rows.draws[0].tolist() == [False] * block + [True] * 18
    assert rows.positions[0, block] == 49


def test_case_15_labels_are_the_answer_with_its_space_and_the_end(layout: ShowoLayout) -> None:
    batch = layout.collate([answering(), answering("What color is the fur of <bo>?", "It is grey.")])
    answers = batch.parts.answers
    for line, reply in zip(answers.targets, ("Yes.", "It is grey."), strict=True):
        expected = [*layout.codec.encode(f" {reply}"), layout.vocabulary.end_of_text]
        assert line[line != IGNORED].tolist() == expected
    assert batch.counts.text == sum(len(layout.codec.encode(f" {r}")) + 1 for r in ("Yes.", "It is grey."))
    # a target stands where the token before it is read
    first = (answers.targets[0] != IGNORED).nonzero()[0, 0]
    assert answers.ids[0, first + 1] == answers.targets[0, first]


def test_answer_pieces_are_the_whole_text_tokenised_at_once(layout: ShowoLayout) -> None:
    question, reply = "What is on the table?", "A red cup and two spoons."
    ids, _ = layout.codec.conversation([Text(question), Text(reply, target=True)])
    whole = layout.codec.tokenizer(f"USER: {question} ASSISTANT: {reply}", add_special_tokens=False)[
        "input_ids"
    ]
    assert list(ids) == [*whole, layout.vocabulary.end_of_text]


def test_concept_tokens_are_one_id_each_and_decode_to_their_names(layout: ShowoLayout) -> None:
    ids = layout.codec.encode("A photo of <bo:0><bo:1> <bo>.")
    size = layout.vocabulary.size
    assert [i - size for i in ids if i >= size] == [1, 2, 0]
    assert layout.codec.decode(ids) == "A photo of <bo:0><bo:1> <bo>."


def test_multi_round_conversation_trains_every_answer(layout: ShowoLayout) -> None:
    texts = [Text("One?"), Text("Yes.", target=True), Text("Two?"), Text("No.", target=True)]
    batch = layout.collate([Sample(Image(picture(0)), *texts)])
    goals = batch.parts.answers.targets
    end = layout.vocabulary.end_of_text
    expected = [*layout.codec.encode(" Yes."), end, *layout.codec.encode(" No."), end]
    assert goals[goals != IGNORED].tolist() == expected


def test_prompt_is_cut_and_closed_as_published(layout: ShowoLayout) -> None:
    tape = layout.tape(drawing("word " * 200))
    assert tape.offset == 0
    assert tape.slots[0].start == 50
    assert tape.ids[48] == layout.vocabulary.end_of_text
    assert tape.ids[49] == layout.vocabulary.start_of_image


def test_chance_comes_from_the_sample_alone(layout: ShowoLayout) -> None:
    samples = [drawing(seed=seed) for seed in range(6)]
    together = layout.collate(samples).parts.rows.slot_masked
    alone = torch.cat([layout.collate([sample]).parts.rows.slot_masked for sample in samples])
    assert torch.equal(together, alone)
    assert len({tuple(mask.tolist()) for mask in alone}) == 6
    assert layout.collate([drawing(seed=None)]).parts.rows.slot_masked.all()


def test_condition_is_dropped_for_its_share_of_seeds() -> None:
    backbone = make_showo(dropout=0.25)
    backbone.attach([make_concept(backbone)])
    kept = [len(backbone.layout.tape(drawing(seed=seed)).ids) > 21 for seed in range(400)]
    assert 0.18 < 1 - sum(kept) / 400 < 0.32
    dropped = backbone.layout.tape(drawing(seed=kept.index(False)))
    end = backbone.vocabulary.end_of_text
    assert dropped.ids[:4] == [backbone.vocabulary.draw, end, end, backbone.vocabulary.start_of_image]
    assert dropped.offset == 49 - 3


def test_counts_equal_collate_without_reading_a_picture(layout: ShowoLayout) -> None:
    nowhere = Sample(Text("<bo>"), Image("no/such/file.png", target=True), seed=4)
    assert layout.counts(nowhere).image == int(layout.tape(nowhere).slots[0].masked.sum()) + 2
    for sample in (drawing(seed=3), answering(), drawing(seed=None)):
        assert layout.counts(sample) == layout.collate([sample]).counts


def test_equal_pictures_are_loaded_once(layout: ShowoLayout) -> None:
    batch = layout.collate([answering(), answering("Where is <bo>?", "Home."), drawing()])
    assert len(batch.parts.pictures.keys) == 1
    assert batch.parts.pictures.codes.shape == (1, 16)


def test_extended_layouts_keep_order_and_take_their_task_from_the_target(layout: ShowoLayout) -> None:
    vocabulary = layout.vocabulary
    reflect = Sample(
        Text("A red cup."), Image(picture(1)), Text("It is blue."), Image(picture(2), target=True), seed=1
    )
    tape = layout.tape(reflect)
    assert tape.ids[0] == vocabulary.draw
    assert [slot.start for slot in tape.slots] == [
        tape.ids.index(vocabulary.start_of_image) + 1,
        len(tape.ids) - 17,
    ]
    assert not tape.slots[0].masked.any()
    compare = Sample(Image(picture(1)), Image(picture(2)), Text("Same?"), Text("No.", target=True))
    tape = layout.tape(compare)
    assert tape.ids[0] == vocabulary.answer
    assert len(tape.slots) == 2
    between = Sample(Text("First"), Image(picture(1)), Text("what?"), Text("A cup.", target=True))
    text = layout.codec.decode([i for i in layout.tape(between).ids if i < vocabulary.text])
    assert text == "USER: First\nwhat? ASSISTANT: A cup."
    only_text = Sample(Text("Capital?"), Text("Paris.", target=True))
    assert layout.collate([only_text]).counts == Counts(text=len(layout.codec.encode(" Paris.")) + 1)


def test_supports_names_length_and_limit(layout: ShowoLayout) -> None:
    assert layout.supports(drawing()) is None
    assert layout.supports(answering()) is None
    long = answering("word " * 300)
    reason = layout.supports(long)
    assert reason is not None
    assert f"it needs {layout.length(long)} positions and the limit is 256" in reason
    with pytest.raises(ValueError, match="the limit is 256"):
        layout.collate([long])
    assert layout.supports(Sample(Text("no target"))) == "its last segment must be a target"


def test_layout_travels_to_workers(layout: ShowoLayout) -> None:
    copy = pickle.loads(pickle.dumps(layout))
    ours, theirs = layout.collate([drawing(), answering()]), copy.collate([drawing(), answering()])
    assert torch.equal(ours.parts.rows.ids, theirs.parts.rows.ids)
    assert torch.equal(ours.parts.answers.ids, theirs.parts.answers.ids)


def test_an_empty_batch_is_legal(showo: Showo) -> None:
    batch = showo.layout.collate([])
    loss = showo.loss(batch)
    assert (batch.size, loss.text_count, loss.image_count) == (0, 0, 0)
    assert float(loss.text_sum) == float(loss.image_sum) == 0.0
