"""One sample or request as a Show-o sequence: ids, targets, image slots.

Two published forms are digit-exact: *drawing* (texts, then a target image; the text block ends at a fixed
position) and *answering* (one image, then a conversation). Everything else extends them: the task token
follows from the target, images and texts keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unictk.backbones.showo.text import TextCodec
from unictk.backbones.showo.vocabulary import IGNORED
from unictk.samples import Image, Segment, Text

EMPTY_QUESTION = "USER:  ASSISTANT:"
"""How the published template writes a question without words."""


@dataclass(slots=True)
class Slot:
    """An image block: where its first cell stands, which picture it shows, which cells are masked."""

    start: int
    picture: Image
    masked: Tensor


@dataclass(slots=True)
class Tape:
    """A sequence under construction. ``offset`` is the position of its first id."""

    ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    draws: list[bool] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    offset: int = 0

    @property
    def length(self) -> int:
        """Positions used, those before ``offset`` included (they are padding in the published layout)."""
        return self.offset + len(self.ids)

    def tokens(self, ids: Sequence[int], is_target: Sequence[bool] | bool = False) -> None:
        """Append text; a text target is predicted by the position before it."""
        flags = [is_target] * len(ids) if isinstance(is_target, bool) else is_target
        for token, flag in zip(ids, flags, strict=True):
            if flag:
                self.targets[-1] = token
            self.ids.append(token)
            self.targets.append(IGNORED)
            self.draws.append(False)

    def picture(self, image: Image, codec: TextCodec, masked: Tensor) -> None:
        """Append ``<|soi|>``, one mask token per cell, ``<|eoi|>``.

        For a target, both ends are targets of the image loss too, unshifted, as published; masked cells
        get theirs when the codes are known.
        """
        vocabulary = codec.vocabulary
        ends = (vocabulary.start_of_image, vocabulary.end_of_image)
        self.slots.append(Slot(len(self.ids) + 1, image, masked))
        self.ids += [ends[0], *[vocabulary.mask] * len(masked), ends[1]]
        cells = [IGNORED] * len(masked)
        self.targets += [ends[0], *cells, ends[1]] if image.target else [IGNORED, *cells, IGNORED]
        self.draws += [image.target] * (len(masked) + 2)


def is_drawing(segments: Sequence[Segment]) -> bool:
    """Texts only, none a target, then at most one target image: the published generation layout."""
    *texts, last = segments
    if isinstance(last, Text):
        texts.append(last)
    elif not last.target:
        return False
    return all(isinstance(segment, Text) and not segment.target for segment in texts)


def is_answering(segments: Sequence[Segment]) -> bool:
    """One context image, then texts only: the published understanding layout."""
    first, *rest = segments
    return (
        isinstance(first, Image)
        and not first.target
        and bool(rest)
        and all(isinstance(s, Text) for s in rest)
    )


def drawing_tape(
    segments: Sequence[Segment],
    codec: TextCodec,
    limit: int,
    cells: int,
    masked: Tensor | None,
    dropped: bool,
) -> Tape:
    """Prompt and target of a drawing; ``masked`` None leaves the target out (a request).

    The text block ends at position ``limit`` (the published 129), whatever its length. With other
    condition images or text targets the extended layout applies, its first image block wherever it falls.
    """
    if is_drawing(segments):
        text = "\n".join(s.text for s in segments if isinstance(s, Text))
        prompt = codec.drawing_prompt(None if dropped else text, limit)
        tape = Tape(offset=limit - len(prompt))
        tape.tokens(prompt)
    else:
        tape = _extended_drawing(segments, codec, cells)
        if dropped:
            end = len(tape.ids)
            prompt = codec.drawing_prompt(None, limit)
            tape = Tape(offset=max(0, end - len(prompt)))
            tape.tokens(prompt)
    target = segments[-1]
    if masked is not None and isinstance(target, Image):
        tape.picture(target, codec, masked)
    return tape


def _extended_drawing(segments: Sequence[Segment], codec: TextCodec, cells: int) -> Tape:
    vocabulary = codec.vocabulary
    tape = Tape()
    tape.tokens([vocabulary.draw])
    for segment in segments:
        if isinstance(segment, Text):
            tape.tokens([vocabulary.end_of_text])
            tape.tokens([*codec.encode(segment.text), vocabulary.end_of_text], segment.target)
        elif not segment.target:
            tape.picture(segment, codec, torch.zeros(cells, dtype=torch.bool))
    return tape


def answer_texts(segments: Sequence[Segment], codec: TextCodec, cells: int) -> Tape:
    """The text part of an answering sequence in the published layout, without its image prefix.

    Position ``cells + 3`` comes first. The first target is never at the front: a prompt precedes it.
    """
    ids, is_target = codec.conversation([s for s in segments if isinstance(s, Text)])
    tape = Tape(offset=cells + 3)
    tape.tokens(ids, is_target)
    return tape


def answering_tape(segments: Sequence[Segment], codec: TextCodec, cells: int) -> Tape:
    """Any sequence that ends in text: task token, then images and texts in order.

    With one leading image it is the published layout; several images and images between texts extend it.
    """
    tape = Tape()
    tape.tokens([codec.vocabulary.answer])
    nothing_masked = torch.zeros(cells, dtype=torch.bool)
    if is_answering(segments) or all(isinstance(segment, Text) for segment in segments):
        for segment in segments:
            if isinstance(segment, Image):
                tape.picture(segment, codec, nothing_masked)
        tape.tokens(*codec.conversation([s for s in segments if isinstance(s, Text)]))
        return tape
    opened = False
    for segment in segments:
        if isinstance(segment, Image):
            tape.picture(segment, codec, nothing_masked)
        elif segment.target:
            tape.tokens(codec.encode(" ASSISTANT:" if opened else EMPTY_QUESTION))
            answer = [*codec.encode(f" {segment.text}"), codec.vocabulary.end_of_text]
            tape.tokens(answer, True)
            opened = False
        else:
            tape.tokens(codec.encode(("\n" if opened else "USER: ") + segment.text))
            opened = True
    if opened or not any(isinstance(segment, Text) for segment in segments):
        tape.tokens(codec.encode(" ASSISTANT:" if opened else EMPTY_QUESTION))
    return tape
