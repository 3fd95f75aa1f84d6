"""How much drawn pictures look like photos and say what their prompts say, picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from unictk.datamodules.pictures import open_picture
from unictk.metrics.clip import image_scores, text_scores
from unictk.metrics.clip_model import Clip, load_clip


class ClipSimilarity:
    """CLIP-I against all photos of the concept, and CLIP-T (UniCTokens, section 4).

    Args:
        model: name, folder or ``bundled``: see :func:`~unictk.metrics.clip_model.load_clip`.
        pretrained: which weights of a named model.
        legacy: wash every picture out first, as the published script does by mistake; only to compare with
            its numbers.
    """

    metrics = ("clip_i", "clip_t")

    def __init__(self, model: str | None = None, pretrained: str | None = None, legacy: bool = False) -> None:
        self.model, self.pretrained, self.legacy = model, pretrained, legacy
        self._photos: dict[tuple[Path, ...], Tensor] = {}

    @cached_property
    def clip(self) -> Clip:
        """The model, read when it is first needed."""
        return load_clip(self.model, self.pretrained, washed_out=self.legacy)

    def measure(
        self, pictures: Sequence[Tensor], texts: Sequence[str], photos: Sequence[Path]
    ) -> list[dict[str, float]]:
        """Both cosines of each picture (3, H, W) in [0, 1]."""
        drawn = self.clip.images(torch.stack([picture.float().cpu() for picture in pictures]))
        alike = image_scores(drawn, self._vectors(tuple(photos)))
        said = text_scores(drawn, self.clip.texts(texts))
        return [{"clip_i": float(i), "clip_t": float(t)} for i, t in zip(alike, said, strict=True)]

    def _vectors(self, photos: tuple[Path, ...]) -> Tensor:
        if photos not in self._photos:
            self._photos[photos] = self.clip.images([open_picture(photo) for photo in photos])
        return self._photos[photos]
