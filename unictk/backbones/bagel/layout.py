"""BAGEL's layout: samples to parts and pictures, without weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Interval

from unictk.backbones.bagel.batch import BagelBatch, Latent, Look, Planned
from unictk.backbones.bagel.packing import TextPart
from unictk.backbones.bagel.shelf import PosteriorStore, Shelf
from unictk.backbones.bagel.sizes import Sizes
from unictk.backbones.bagel.text import TextCodec
from unictk.backbones.bagel.training import shifted_time
from unictk.backbones.checkpoints import BUNDLED_TOKENIZER, load_tokenizer
from unictk.chance import generator
from unictk.errors import UserError
from unictk.samples import Batch, Counts, Image, Sample, Segment, Text

Share = Annotated[float, Interval(ge=0, le=1)]


class BagelLayout:
    """Sequence building, as published: each text framed on its own, pictures to read by the ViT.

    A picture in the prompt of a drawing stands twice: as a clean latent, then as the ViT sees it. Texts that
    follow each other in a prompt are one text, a line each.

    Args:
        tokenizer: folder or hub id of a Qwen2 tokenizer; None for the small one that comes with the package.
        image_size: side of the square picture that is drawn, in pixels.
        vision_size: side of the square picture that the ViT reads.
        vocabulary: rows of the model's tables.
        positions: most tokens of one sample.
        downsample: pixels per latent cell side.
        vision_patch: pixels per ViT patch side.
        latent_patch: latent cells per token side.
        latent_channels: channels of a latent.
        latent_side: rows and columns of the position table of latents.
        vision_side: the same of the ViT.
        text_dropout: share of drawings trained without a text (each text on its own).
        latent_dropout: the same of prompt pictures' latents.
        vision_dropout: the same of what the ViT sees of them.
        time_shift: moves training times towards noise.
    """

    def __init__(
        self,
        tokenizer: str | None = None,
        image_size: Annotated[int, Ge(8)] = 1024,
        vision_size: Annotated[int, Ge(8)] = 518,
        vocabulary: Annotated[int, Ge(8)] = 152064,
        positions: Annotated[int, Ge(16)] = 16384,
        downsample: Annotated[int, Ge(1)] = 8,
        vision_patch: Annotated[int, Ge(1)] = 14,
        latent_patch: Annotated[int, Ge(1)] = 2,
        latent_channels: Annotated[int, Ge(1)] = 16,
        latent_side: Annotated[int, Ge(1)] = 64,
        vision_side: Annotated[int, Ge(1)] = 70,
        text_dropout: Share = 0.1,
        latent_dropout: Share = 0.3,
        vision_dropout: Share = 0.3,
        time_shift: Annotated[float, Interval(gt=0)] = 1.0,
    ) -> None:
        self.codec = TextCodec(load_tokenizer(tokenizer or BUNDLED_TOKENIZER), vocabulary)
        self.sizes = Sizes(latent_patch, latent_channels, latent_side, vision_side)
        self.image_size, self.vision_size, self.vision_patch = image_size, vision_size, vision_patch
        self.cells = _side("image_size", image_size, downsample * latent_patch, latent_side)
        self.patches = _side("vision_size", vision_size, vision_patch, vision_side)
        self.positions, self.downsample = positions, downsample
        self.text_dropout, self.latent_dropout, self.vision_dropout = (
            text_dropout,
            latent_dropout,
            vision_dropout,
        )
        self.time_shift = time_shift
        self.posteriors = PosteriorStore()

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(z, h, w) of a latent."""
        side = self.image_size // self.downsample
        return self.sizes.latent_channels, side, side

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of latent tokens."""
        return self.cells, self.cells

    # -- one sample ------------------------------------------------------------------------------------

    def prompt(self, segments: Iterable[Segment], shelf: Shelf, draws: bool) -> list[Planned]:
        """The parts of everything that is no target image; ``draws``: an image is to be drawn behind them."""
        found: list[Planned] = []
        lines: list[str] = []

        def close() -> None:
            if lines:
                found.append(TextPart(self.codec.encode("\n".join(lines))))
                lines.clear()

        for segment in segments:
            if isinstance(segment, Text) and not segment.target:
                lines.append(segment.text)
                continue
            close()
            if isinstance(segment, Text):
                found.append(TextPart(self.codec.encode(segment.text), target=True))
            else:
                number = shelf.place(segment)
                found += [Latent(number), Look(number)] if draws else [Look(number)]
        close()
        return found

    def plan(self, sample: Sample, shelf: Shelf) -> list[Planned]:
        """All parts of a sample, with its random draws made from ``sample.seed``.

        Without a seed nothing is dropped, latents are means, and a target is drawn from pure noise.
        """
        *context, last = sample.segments
        draws = isinstance(last, Image) and last.target
        if not draws:
            return self.prompt(sample.segments, shelf, False)
        assert isinstance(last, Image)
        chance = None if sample.seed is None else generator("collate", sample.seed)
        parts = self.prompt(context, shelf, True)
        if chance is not None:
            droppable = not any(isinstance(part, TextPart) and part.target for part in parts)
            parts = [self._drawn_by_lot(part, chance, droppable) for part in parts]
        return [*parts, self._target(shelf.place(last), chance)]

    def _drawn_by_lot(self, part: Planned, chance: torch.Generator, droppable: bool) -> Planned:
        lot = torch.rand((), generator=chance).item()
        if isinstance(part, TextPart):
            return TextPart(part.ids, part.target, droppable and lot < self.text_dropout)
        if isinstance(part, Look):
            return Look(part.picture, droppable and lot < self.vision_dropout)
        noise = torch.randn(self.latent_shape, generator=chance)
        return Latent(part.picture, noise, dropped=droppable and lot < self.latent_dropout)

    def _target(self, number: int, chance: torch.Generator | None) -> Latent:
        shape = self.cells**2, self.sizes.latent_width
        if chance is None:
            return Latent(number, None, torch.randn(shape, generator=generator("target without chance")), 1.0)
        drawn = torch.randn(self.latent_shape, generator=chance)
        time = shifted_time(torch.randn((), generator=chance).sigmoid(), self.time_shift).item()
        return Latent(number, drawn, torch.randn(shape, generator=chance), time)

    def counts(self, sample: Sample) -> Counts:
        """Target text tokens, each text's end included, and target latent tokens."""
        texts = [s for s in sample.segments if isinstance(s, Text) and s.target]
        images = sum(image.target for image in sample.images)
        return Counts(sum(len(self.codec.encode(s.text)) + 1 for s in texts), images * self.cells**2)

    def length(self, sample: Sample) -> int:
        """Tokens the sample needs when nothing is dropped."""
        return self.tokens(self.plan(sample.seeded(None), Shelf(self)))

    def tokens(self, parts: Iterable[Planned]) -> int:
        """Tokens of parts, framing included."""
        sides = {Look: self.patches, Latent: self.cells}
        return sum(
            2 + (len(part.ids) if isinstance(part, TextPart) else sides[type(part)] ** 2) for part in parts
        )

    def supports(self, sample: Sample) -> str | None:
        """None, or why the sample does not fit."""
        if not sample.segments or not sample.segments[-1].target:
            return "its last segment must be a target"
        if any(isinstance(s, Image) and s.target for s in sample.segments[:-1]):
            return "only its last segment may be a target image"
        if any(image.masked is not None for image in sample.images):
            return "it masks cells of a picture, and this model draws whole pictures"
        for codes in (image.codes for image in sample.images if image.codes is not None):
            if tuple(codes.shape) != self.latent_shape:
                return f"one of its latents is {tuple(codes.shape)} and this model's are {self.latent_shape}"
        needed = self.length(sample)
        if needed > self.positions:
            return f"it needs {needed} positions and the limit is {self.positions}"
        return None

    # -- many samples ----------------------------------------------------------------------------------

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """A batch of the samples, to be packed as one sequence.

        Raises:
            ValueError: a sample that :meth:`supports` refuses.
        """
        shelf = Shelf(self)
        planned = [self.plan(sample, shelf) for sample in samples]
        longest = max((self.tokens(parts) for parts in planned), default=0)
        if longest > self.positions:
            raise ValueError(f"a sample needs {longest} positions and the limit is {self.positions}")
        counts = sum((self.counts(sample) for sample in samples), Counts())
        return Batch(len(samples), counts, counts, shelf.batch(planned))

    def batch(self, prompts: Sequence[Sequence[Segment]], draws: bool) -> BagelBatch:
        """Prompts without targets, for requests."""
        shelf = Shelf(self)
        return shelf.batch([self.prompt(segments, shelf, draws) for segments in prompts])


def _side(name: str, size: int, step: int, most: int) -> int:
    """Tokens in a row.

    Raises:
        UserError: a size that is no multiple of a token's pixels, or with more tokens than the table's side.
    """
    if size % step or size // step > most:
        nearest = min(max(size // step, 1), most) * step
        raise UserError(
            f"backbone.layout.{name}: {size} is not a multiple of {step} up to {most * step}; "
            f"nearest: {nearest}"
        )
    return size // step
