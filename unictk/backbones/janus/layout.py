"""Janus's layout: samples to tensors, without weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Interval

from unictk.backbones.janus.batch import JanusBatch, sequences
from unictk.backbones.janus.shelf import LEAST, ReadShelf
from unictk.backbones.janus.tape import Slot, Tape
from unictk.backbones.janus.template import Template
from unictk.backbones.janus.vocabulary import Vocabulary, janus_tokenizer
from unictk.backbones.sequences import IGNORED, SequenceLayout
from unictk.backbones.text import TextCodec
from unictk.chance import generator
from unictk.errors import UserError
from unictk.samples import Counts, Image, Request, Sample, Text


class JanusLayout(SequenceLayout[Tape]):
    """Sequence building (Janus-Pro, arXiv 2501.17811), for any number of pictures.

    Args:
        tokenizer: folder or hub id of Janus-Pro's tokenizer; None for the small one that comes with the
            package, and Janus's tokens behind its entries.
        vocabulary: rows of the language model's tables; None: as many as the tokenizer has entries.
        image_size: side in pixels of a picture, read or drawn.
        patch: pixels per side of one of its cells.
        codebook: number of image codes.
        positions: the language model's position limit.
        condition_dropout: share of drawings trained on a prompt of padding, for guidance.
        system: opens conversations in which text is wanted.
    """

    def __init__(
        self,
        tokenizer: str | None = None,
        vocabulary: Annotated[int, Ge(2)] | None = None,
        image_size: Annotated[int, Ge(LEAST)] = 384,
        patch: Annotated[int, Ge(1)] = 16,
        codebook: Annotated[int, Ge(2)] = 16384,
        positions: Annotated[int, Ge(16)] = 16384,
        condition_dropout: Annotated[float, Interval(ge=0, le=1)] = 0.1,
        system: str = "",
    ) -> None:
        if image_size % patch:
            raise UserError(
                f"backbone.layout.image_size: {image_size} is not a multiple of patch {patch}; "
                f"nearest: {max(1, image_size // patch) * patch}"
            )
        words = janus_tokenizer(tokenizer)
        self.vocabulary = Vocabulary.of(words, vocabulary)
        super().__init__(TextCodec(words, self.vocabulary.size), image_size, image_size // patch, positions)
        self.codebook = codebook
        self.condition_dropout = condition_dropout
        self.template = Template(self.codec, self.vocabulary, self.cells, system.strip())

    # -- one sample ------------------------------------------------------------------------------------

    def tape(self, sample: Sample) -> Tape:
        """The whole sequence of a sample, with its random draws made from ``sample.seed``."""
        target = sample.segments[-1]
        draws = isinstance(target, Image)
        tape = self.template.whole(sample.segments, draws)
        if sample.seed is None or not draws:
            return tape
        dropped = torch.rand((), generator=generator("collate", sample.seed)).item() < self.condition_dropout
        said = any(isinstance(segment, Text) and segment.target for segment in sample)
        several = sum(image.target for image in sample.images) > 1
        return tape if said or several or not dropped else self._unconditional(tape)

    def prompt(self, request: Request, draws: bool) -> Tape:
        """What stands before the answer, or before the picture that is asked for."""
        return self.template.prompt(request.segments, draws)

    def count(self, tape: Tape) -> Counts:
        """Target text tokens and codes of drawn pictures."""
        text = sum(target != IGNORED for target in tape.labels[1:])
        return Counts(text=text, image=self.cells * sum(slot.drawn for slot in tape.slots))

    def ending(self, text: str) -> list[int]:
        """An answer and the end of its turn, as they follow a prompt."""
        return self.template.ending(text)

    @property
    def end(self) -> int:
        """The id that closes an answer."""
        return self.vocabulary.end

    @property
    def drawn_length(self) -> int:
        """Positions of a picture that is drawn: nothing is behind its last code."""
        return self.cells

    def _unconditional(self, tape: Tape) -> Tape:
        """As guidance reads a drawing: all of the prompt but its ends is padding, and is seen."""
        slot = tape.slots[-1]
        found = Tape()
        found.tokens(unconditional(self.vocabulary, slot.start))
        found.slots.append(Slot(slot.start, slot.picture, slot.drawn))
        found.tokens(tape.ids[slot.start :])
        return found

    # -- many samples ----------------------------------------------------------------------------------

    def batch(self, tapes: Sequence[Tape]) -> JanusBatch:
        """The tapes as tensors, with the pictures they show."""
        drawn, read = self.code_shelf(), self.read_shelf()
        sources = [
            (drawn if slot.drawn else read).place(slot.picture) for tape in tapes for slot in tape.slots
        ]
        return JanusBatch(read.seen(), drawn.coded(), sequences(tapes, sources, self.vocabulary.pad))

    def read_shelf(self) -> ReadShelf:
        """An empty collection of pictures that are read."""
        return ReadShelf(self.image_size, self.cells)


def unconditional(vocabulary: Vocabulary, length: int) -> list[int]:
    """A prompt of ``length`` ids that says nothing: begin, padding, start of image."""
    return [vocabulary.begin, *[vocabulary.pad] * (length - 2), vocabulary.start_of_image]
