"""The distinct pictures of a batch, and the distributions of latents that are known already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unictk.backbones.bagel.batch import BagelBatch, Latent, Look, Planned
from unictk.backbones.codes import picture_key
from unictk.datamodules.pictures import open_picture, square, to_tensor
from unictk.samples import Image

if TYPE_CHECKING:
    from unictk.backbones.bagel.layout import BagelLayout

REMEMBERED = 2_000
"""Pictures whose distribution is kept: 1 GB at 512 pixels."""


@dataclass(slots=True)
class PosteriorStore:
    """Mean and deviation (2, z, h, w) by the picture's name, computed once."""

    memory: dict[str, Tensor] = field(default_factory=dict)

    def put(self, key: str, posterior: Tensor) -> None:
        """Remember while there is room; nothing is forgotten, since loader workers rely on what is known."""
        if len(self.memory) < REMEMBERED:
            self.memory[key] = posterior.detach().to("cpu", torch.float32, copy=True)


class Shelf:
    """Collects pictures, each once."""

    def __init__(self, layout: BagelLayout) -> None:
        self.layout = layout
        self.images: dict[str, Image] = {}

    def place(self, image: Image) -> int:
        """The picture's number; equal pictures in equal views share one."""
        key = picture_key(image, self.layout.image_size)
        self.images.setdefault(key, image)
        return list(self.images).index(key)

    def batch(self, samples: Sequence[Sequence[Planned]]) -> BagelBatch:
        """The samples with what their pictures need: pixels only where nothing else is known."""
        parts = [part for sample in samples for part in sample]
        looked = {part.picture for part in parts if isinstance(part, Look) and not part.dropped}
        coded = {part.picture for part in parts if isinstance(part, Latent) and not part.dropped}
        exact, pixels, views = {}, {}, {}
        for number, (key, image) in enumerate(self.images.items()):
            if image.codes is not None:
                exact[number] = image.codes.float()
                continue
            if number in coded and key not in self.layout.posteriors.memory:
                pixels[number] = self._square(image, self.layout.image_size)
            if number in looked:
                views[number] = self._square(image, self.layout.vision_size)
        return BagelBatch(samples, tuple(self.images), exact, pixels, views, torch.device("cpu"))

    def _square(self, image: Image, size: int) -> Tensor:
        assert image.source is not None
        return to_tensor(square(open_picture(image.source), image.view, size, image.key))
