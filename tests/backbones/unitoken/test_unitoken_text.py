"""Conversations as a tokenizer would read them whole, and records that do not say where their picture is."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace
from transformers import PreTrainedTokenizerFast
from unitoken_makers import tiny_layout

from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.text import PROBES, ProbedCodec
from unictk.backbones.unitoken.vocabulary import Vocabulary
from unictk.datamodules.instructions.records import Raw, read_record
from unictk.samples import Image, Text

BEGIN, END = "<s>", "<reserved08706>"
LETTERS = "▁" + PROBES.replace("\n", "") + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,?!'\n"
MERGES = [
    ("▁", "a"),
    ("r", "e"),
    ("re", "d"),
    ("▁", "red"),
    ("Y", "e"),
    ("Ye", "s"),
    ("▁", "Yes"),
    ("i", "s"),
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """Writes a space before the first word of what it is given, as Chameleon's family does."""
    words = [BEGIN, END, *dict.fromkeys(LETTERS), *(a + b for a, b in MERGES)]
    made = Tokenizer(BPE({word: number for number, word in enumerate(words)}, MERGES))
    made.pre_tokenizer = Metaspace(prepend_scheme="first")
    made.add_special_tokens([AddedToken(BEGIN, normalized=False), AddedToken(END, normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=BEGIN)


@pytest.mark.parametrize(
    "said",
    [
        ["a red ball?", "Yes, red."],
        ["red", "Yes", "is it a re", "No.", "Yes", "red red"],
        [" red", " Yes", "\nred", "\nYes, it is\n"],
        ["@red", "=Yes", ">is", "\\`"],
    ],
)
def test_case_19_turns_have_the_ids_that_they_have_in_the_whole(
    tokenizer: PreTrainedTokenizerFast, said: list[str]
) -> None:
    """The published pre-tokenizer drops a record in which they differ; here no turn is read otherwise."""
    begin, end = tokenizer.convert_tokens_to_ids([BEGIN, END])
    codec = ProbedCodec(tokenizer, Vocabulary(size=len(tokenizer), codebook=2, first_code=10_000))
    pieces = [[*codec.encode(turn, opening=place == 0), end] for place, turn in enumerate(said)]
    whole = tokenizer("".join(turn + END for turn in said), add_special_tokens=False)["input_ids"]
    assert [number for piece in pieces for number in piece] == whole
    assert begin not in whole
    plain = [tokenizer(turn, add_special_tokens=False)["input_ids"] for turn in said[1:]]
    assert any([*ids, end] != piece for ids, piece in zip(plain, pieces[1:], strict=True)), "the trap is real"


def test_case_19_a_record_without_a_place_for_its_picture_begins_with_it() -> None:
    turns = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A ball."}]
    found = read_record(Raw({"conversations": turns}, (b"",)), "understanding", "")
    sample = found.sample([None], "a", None)
    placed = read_record(
        Raw({"conversations": [{**turns[0], "value": "<|image|>What is it?"}, turns[1]]}, (b"",)),
        "understanding",
        "",
    ).sample([None], "a", None)
    assert [type(segment) for segment in sample] == [Image, Text, Text]
    assert sample.segments[1:] == placed.segments[1:] == (Text("What is it?"), Text("A ball.", target=True))
    assert isinstance(placed.segments[0], Image)


def test_case_19_two_images_and_an_answer_have_labels_on_the_answer_only() -> None:
    layout = tiny_layout(encoding="discrete")
    turns = [{"from": "human", "value": "Same?"}, {"from": "gpt", "value": "No."}]
    record = read_record(Raw({"conversations": turns}, (b"", b"")), "understanding", "")
    tape = layout.tape(record.sample([None, None], "a", None))
    v = layout.vocabulary
    assert tape.ids.count(v.start_of_image) == tape.ids.count(v.end_of_image) == 2
    answer = [*layout.codec.encode("No."), v.end_of_turn]
    assert [label for label in tape.labels if label != IGNORED] == answer
