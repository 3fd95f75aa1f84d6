"""Sample writers of UniCTokens: what the model reads and what it must produce, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unictk.concepts.prompts import ask, photo_of
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.concept_data import ConceptData, Turn
from unictk.samples import Image, Sample, Text, View

BLACK = np.zeros((16, 16, 3), dtype=np.uint8)
"""Stands where a text-only question has no picture, as published."""


def answer(concept: ConceptTokens, picture: Image, question: str, reply: str, key: str) -> Sample:
    """A picture and a question, read with the concept's definition; the reply is the target."""
    return Sample(picture, Text(ask(concept, question)), Text(reply, target=True), key=key)


def draw(concept: ConceptTokens, picture: Image, key: str) -> Sample:
    """The concept's caption; the picture is the target."""
    return Sample(Text(photo_of(concept)), picture, key=key)


def understanding(concept: ConceptTokens, data: ConceptData) -> list[Sample]:
    """Recognition, conversations and facts (UniCTokens, section 3.1)."""
    return [answer(concept, _seen(data, turn), turn.question, turn.answer, turn.key) for turn in data.turns]


def drawings(concept: ConceptTokens, data: ConceptData, pictures: Sequence[Path], view: View) -> list[Sample]:
    """Every picture as something to draw (UniCTokens, section 3.2)."""
    segments = photo_segments(data, pictures, view, target=True)
    return [draw(concept, segment, f"draw/{segment.key}") for segment in segments]


def photo_segments(
    data: ConceptData, pictures: Sequence[Path], view: View, target: bool = False
) -> list[Image]:
    """Files as image segments with keys that do not depend on where the data lies."""
    return [Image(path, target, view, key=data.picture_key(path)) for path in pictures]


def _seen(data: ConceptData, turn: Turn) -> Image:
    if turn.image is None:
        return Image(BLACK, key="black")
    return Image(turn.image, key=data.picture_key(turn.image))
