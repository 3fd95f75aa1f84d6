"""What a model reads and what it must produce: the vocabulary every method and every backbone share.

A :class:`Sample` is an ordered list of text and image segments, some of them targets. It holds nothing
that belongs to one model: a backbone's :class:`~unictk.backbones.base.Layout` turns it into ids, masks,
positions and labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from annotated_types import Ge
from PIL import Image as PILImage
from torch import Tensor

ImageSource = str | Path | np.ndarray | PILImage.Image
"""A file, an (H, W, 3) uint8 array, or a Pillow image."""


@dataclass(frozen=True, slots=True)
class View:
    """How a picture becomes a square of the model's size.

    The short side is resized to ``scale`` times the model's image size (bicubic), a square is cropped
    from the centre or at random, and the result is flipped with probability ``flip``. Random choices
    come from (seed, picture, draw): ``draw`` counts the augmentations of one picture.
    """

    scale: float = 1.0
    crop: Literal["centre", "random"] = "centre"
    flip: float = 0.0
    seed: int = 0
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text; ``target`` marks text the model must produce."""

    text: str
    target: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A picture; ``target`` marks one the model must draw.

    ``codes`` (or latents) are what the model itself drew: they re-train exactly, so ``source`` is then
    not read. ``key`` names the picture independently of where it lies; it seeds the view's chance.
    ``masked`` (cells,) bool says which cells of a target the model has to draw while it sees the others
    (inpainting, for models that draw masked cells); None: as the layout's schedule has it.
    """

    source: ImageSource | None
    target: bool = False
    view: View = View()
    codes: Tensor | None = None
    key: str = ""
    masked: Tensor | None = None


Segment = Text | Image


@dataclass(frozen=True, slots=True, init=False)
class Sample:
    """Segments in meaningful order, with the seed of every random draw made when it is collated.

    ``seed=None`` means no chance at all: no condition is dropped and every cell of a target image is
    masked. ``key`` names the sample for as long as the run lives.
    """

    segments: tuple[Segment, ...]
    key: str
    seed: int | None

    def __init__(self, *segments: Segment, key: str = "", seed: int | None = None) -> None:
        object.__setattr__(self, "segments", tuple(segments))
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "seed", seed)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def seeded(self, seed: int | None) -> Sample:
        """The same sample with another seed."""
        return Sample(*self.segments, key=self.key, seed=seed)

    @property
    def images(self) -> tuple[Image, ...]:
        """The image segments, in order."""
        return tuple(segment for segment in self.segments if isinstance(segment, Image))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers and images are sampled. Defaults are UniCTokens' evaluation settings.

    ``guidance`` g combines logits as (1 + g) * conditional - g * unconditional; 0 turns it off.
    ``guidance_schedule``: the same in every step (``constant``, as published), or none in the first half of
    the steps and from there linearly up to g (``rising``), which costs a quarter less.
    ``temperature`` scales the noise of mask-predict re-masking (Show-o) or the logits (autoregressive).
    ``order``: which cells mask-predict keeps after a step: those it is surest of (``confidence``, MaskGIT),
    or any (``random``). Where a prompt leaves open where something stands, the surest cells are those that
    tell nothing of it, and the others are then drawn all at once and do not agree.
    ``text_temperature`` 0 is greedy. ``rewrite``: what the model makes of a prompt that somebody asks for
    before it draws it (:mod:`unictk.concepts.rewriting`); a benchmark that measures drawing with and without
    decides for itself.
    """

    steps: Annotated[int, Ge(1)] = 50
    guidance: Annotated[float, Ge(0)] = 5.0
    guidance_schedule: Literal["constant", "rising"] = "constant"
    temperature: Annotated[float, Ge(0)] = 1.0
    order: Literal["confidence", "random"] = "confidence"
    max_new_tokens: Annotated[int, Ge(1)] = 100
    text_temperature: Annotated[float, Ge(0)] = 0.0
    rewrite: Literal["none", "replay", "plan"] = "none"


@dataclass(frozen=True, slots=True, init=False)
class Request:
    """A sample without its target: what to answer or draw, with a seed of its own.

    Target texts before the end are what the model answered earlier in the conversation.
    """

    segments: tuple[Segment, ...]
    key: str
    seed: int
    sampling: Sampling

    def __init__(
        self, *segments: Segment, key: str = "", seed: int = 0, sampling: Sampling | None = None
    ) -> None:
        if not segments:
            raise ValueError("a request has at least one segment")
        if segments[-1].target or any(isinstance(one, Image) and one.target for one in segments):
            raise ValueError(
                "a request has no target at its end, nor a target image: the backbone makes them"
            )
        object.__setattr__(self, "segments", tuple(segments))
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "seed", seed)
        object.__setattr__(self, "sampling", sampling or Sampling())

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def answered(self, target: Segment) -> Sample:
        """The sample in which ``target`` is what the model must produce."""
        return Sample(*self.segments, replace(target, target=True), key=self.key)


@dataclass(frozen=True, slots=True)
class Counts:
    """Number of target text tokens and target image positions."""

    text: int = 0
    image: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.text + other.text, self.image + other.image)


@dataclass(slots=True)
class Batch:
    """What a layout's ``collate`` returns: the backbone's own parts and the counts for the normaliser.

    ``counts`` are this batch's targets; ``window`` those of the whole optimizer step, over all ranks and
    all accumulated batches. ``parts`` belong to the backbone: anything with ``.to(device)``. ``images``:
    pictures in the samples, as the loader counts them.
    """

    size: int
    counts: Counts
    window: Counts
    parts: Any
    images: int = 0

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The batch with its tensors on ``device``."""
        return replace(self, parts=self.parts.to(device, non_blocking=non_blocking))


@dataclass(slots=True)
class Loss:
    """Sums of negative log-likelihoods in fp32, never means: the stage's normaliser divides them."""

    text_sum: Tensor
    text_count: int
    image_sum: Tensor
    image_count: int
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """Pixels (3, H, W) in [0, 1], the codes or latents that re-train exactly, and the settings used."""

    pixels: Tensor
    codes: Tensor
    settings: dict[str, Any]

    def as_pil(self) -> PILImage.Image:
        """The picture as 8-bit RGB."""
        array = (self.pixels.detach().float().clamp(0, 1) * 255).round().byte().cpu()
        return PILImage.fromarray(array.permute(1, 2, 0).numpy())

    def as_segment(self, target: bool = False, key: str = "") -> Image:
        """The picture as an image segment that carries its codes."""
        return Image(None, target=target, codes=self.codes, key=key)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Image or word vectors in the language model's input space, stored once each.

    ``table`` is (distinct vectors, hidden); ``index`` is (items, cells): which row of the table each cell
    of each image (or each piece of a text) is. Two cells of equal index are equal vectors.
    """

    table: Tensor
    index: Tensor

    def counts(self, keep: Tensor | None = None) -> Tensor:
        """How often each table row occurs, over the cells where ``keep`` (same shape as index) is true."""
        index = self.index if keep is None else self.index[keep]
        return torch.bincount(index.reshape(-1), minlength=len(self.table))
