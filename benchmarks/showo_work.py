"""What both arms of the Show-o benchmark are given: sizes, tokenizer, weights, concept rows, image codes.

Weights are random: time and memory do not depend on them. Image codes are given, so no picture is encoded.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.plain_showo import PlainShape, PlainShowo
from unictk.backbones.base import Rows, RowShape
from unictk.backbones.showo.layout import ShowoLayout
from unictk.concepts.prompts import ask, photo_of
from unictk.concepts.tokens import DEFAULT_SIZES, ConceptTokens
from unictk.samples import Batch, Image, Sample, Text


@dataclass(frozen=True, slots=True)
class Size:
    """What is run; the default is the size that our speed claims name."""

    hidden: int = 512
    layers: int = 8
    heads: int = 8
    mlp: int = 2048
    text: int = 50295
    bits: int = 13
    side: int = 16
    max_text: int = 128
    tokens: int = 100
    steps: int = 18
    guidance: float = 5.0
    question_words: tuple[int, ...] = (6, 14, 22, 30, 38, 46, 54, 62)


FULL = Size()
QUICK = Size(
    hidden=64,
    layers=2,
    heads=4,
    mlp=128,
    text=500,
    bits=6,
    side=4,
    tokens=8,
    steps=4,
    question_words=(3, 9, 6),
)
"""Seconds instead of minutes: shows that the benchmark runs, not what it measures."""


class Work:
    """Tokenizer, weights, concept rows, image codes and questions, all from one seed."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.chance = torch.Generator().manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            write_tokenizer(Path(folder), size.text)
            self.layout = ShowoLayout(
                tokenizer=folder,
                image_size=2 * size.side,
                patch=2,
                codebook=2**size.bits,
                max_text=size.max_text,
                condition_dropout=0.0,
            )
        vocabulary = self.layout.vocabulary
        self.shape = PlainShape(
            hidden=size.hidden,
            layers=size.layers,
            heads=size.heads,
            mlp=size.mlp,
            first_image=vocabulary.first_code,
            codebook=vocabulary.codebook,
            image_tokens=self.layout.cells,
            max_text_len=size.max_text,
            pad=vocabulary.pad,
            soi=vocabulary.start_of_image,
            eoi=vocabulary.end_of_image,
            t2i=vocabulary.draw,
            mmu=vocabulary.answer,
            eot=vocabulary.end_of_text,
        )
        n = sum(DEFAULT_SIZES.values())
        self.rows = Rows(
            self._normal(n, size.hidden), self._normal(n, size.hidden) * 0.05, self._normal(n) * 0.02
        )
        shape = RowShape(size.hidden, head_bias=True)
        self.concept = ConceptTokens.from_rows("bo", shape, DEFAULT_SIZES, self.rows)
        self.layout.codec.attach(self.concept.tokens())
        self.drawn, self.seen = (self._codes() for _ in range(2))
        self.questions = [ask(self.concept, self._words(count)) for count in size.question_words]
        self.caption = photo_of(self.concept)
        self.lesson = (ask(self.concept, self._words(8)), self._words(8))

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.chance)

    def _codes(self) -> Tensor:
        return torch.randint(self.shape.codebook, (self.shape.image_tokens,), generator=self.chance)

    def _words(self, count: int) -> str:
        numbers = torch.randint(self.size.text // 2, (count,), generator=self.chance)
        return " ".join(f"w{number}" for number in numbers.tolist())

    def state(self) -> dict[str, Tensor]:
        """Random weights by published name. No answer ends before its last token."""
        chance = torch.Generator().manual_seed(1)
        state = PlainShowo(self.shape).model.state_dict()
        for name, tensor in state.items():
            tensor.normal_(generator=chance)
            if name.endswith("embed_tokens.weight"):
                continue
            tensor.mul_(tensor.shape[1] ** -0.5 if tensor.ndim == 2 else 0.05)
            if "layernorm.weight" in name:
                tensor.add_(1)
        state["lm_head.bias"][self.layout.vocabulary.end_of_text] = -100
        return state

    def batch(self) -> Batch:
        """One drawing and one answer to learn; the mask is the first whose size is within 5 % of its mean."""
        question, answer = self.lesson
        reading = Sample(Image(None, codes=self.seen), Text(question), Text(answer, target=True), seed=0)
        mean = self.shape.image_tokens * 2 / torch.pi
        for seed in range(10_000):
            drawing = Sample(Text(self.caption), Image(None, target=True, codes=self.drawn), seed=seed)
            batch = self.layout.collate([drawing, reading])
            if abs(int(batch.parts.rows.slot_masked.sum()) / mean - 1) < 0.05:
                return batch
        raise RuntimeError("no mask near the mean size in 10,000 seeds")


def write_tokenizer(folder: Path, entries: int) -> None:
    """A word-level tokenizer of exactly ``entries`` entries: w0, w1, ... and the words of the prompts."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<|endoftext|>", "<unk>", "USER:", "ASSISTANT:", "A", "photo", "of", "is", "."]
    words += [f"w{number}" for number in range(entries - len(words))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)
