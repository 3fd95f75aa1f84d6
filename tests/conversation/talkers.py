"""A model without weights to talk to: it says what it is told to, and draws its seed in grey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import GeneratedImage, Image, Request, Sample, Text


@dataclass
class Room:
    """A layout with room for so many words; a picture takes ten."""

    words: int = 10_000
    image_size: int = 8

    def supports(self, sample: Sample) -> str | None:
        needed = sum(10 if isinstance(one, Image) else len(one.text.split()) for one in sample)
        return None if needed <= self.words else f"it needs {needed} positions and the limit is {self.words}"


@dataclass
class Talker:
    reply: Callable[[Request], str] = lambda request: "yes"
    layout: Room = field(default_factory=Room)
    concepts: Sequence[ConceptTokens] = ()
    asked: list[Request] = field(default_factory=list)
    drawn: list[Request] = field(default_factory=list)

    def attach(self, concepts: Sequence[ConceptTokens]) -> None:
        self.concepts = tuple(concepts)

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        self.asked += requests
        return [self.reply(request) for request in requests]

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        self.drawn += requests
        shades = [request.seed % 256 / 255 for request in requests]
        return [
            GeneratedImage(torch.full((3, 8, 8), shade), torch.arange(4) + n, {})
            for n, shade in enumerate(shades)
        ]


def concept(name: str, **groups: int) -> ConceptTokens:
    """Rows of zeros: an identifier and these groups."""
    made = ConceptTokens(name, RowShape(4, False))
    for group, count in {"identifier": 1, **groups}.items():
        made.grow(group, Rows(torch.zeros(count, 4), torch.zeros(count, 4), None))
    return made


def texts(request: Request) -> list[tuple[str, bool]]:
    """Words of the request, each with whether the model said them."""
    return [(one.text, one.target) for one in request if isinstance(one, Text)]
