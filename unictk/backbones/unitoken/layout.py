"""UniToken's layout: samples to tensors, without weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Interval

from unictk.backbones.checkpoints import BUNDLED_TOKENIZER, load_tokenizer
from unictk.backbones.packing import shared_rows
from unictk.backbones.pictures import picture_size
from unictk.backbones.sequences import IGNORED, SequenceLayout
from unictk.backbones.turns import Turn, turns
from unictk.backbones.unitoken.anyres import (
    CANVASES,
    Canvases,
    ContinuousHalf,
    checked_canvases,
    tiled_half,
    whole_half,
)
from unictk.backbones.unitoken.batch import UniTokenBatch, sequences
from unictk.backbones.unitoken.shelf import Shelf
from unictk.backbones.unitoken.tape import Tape
from unictk.backbones.unitoken.text import ProbedCodec
from unictk.backbones.unitoken.vocabulary import CELLS_PER_GRID, Vocabulary
from unictk.chance import generator
from unictk.errors import UserError
from unictk.samples import Counts, Image, Request, Sample, Segment, Text

DRAW = "Generate an image according to the following prompt:\n{prompt}"
"""How the authors ask for a picture."""

_NO_HALF = ContinuousHalf((), torch.zeros(0, dtype=torch.long), 0)


class UniTokenLayout(SequenceLayout[Tape]):
    """Sequence building (UniToken sections 3.1 and 3.2), for any number of pictures.

    Args:
        tokenizer: folder or hub id of Chameleon's text tokenizer; None for the small one that comes with the
            package, and a small vocabulary behind it.
        image_size: side in pixels of the square that becomes codes.
        patch: pixels per code side.
        codebook: number of image codes (a Chameleon tokenizer says its own).
        tile: side in pixels of what the vision tower reads.
        tile_patch: pixels per side of one of its features.
        any_resolution: tiles on a canvas that fits the picture's shape; otherwise one squeezed tile.
        canvases: widths and heights in tiles, in order of preference.
        positions: the language model's position limit.
        condition_dropout: share of drawings trained on the picture alone, for guidance (published: 0).
        drawing_prompt: how a picture is asked for; ``{prompt}`` is what is wanted.
        before_image: ids between the end of a turn and the picture that answers it.
        legacy: as published: the separator is a target in every sample with a picture, and a picture to be
            drawn has a continuous half, which nothing that is predicted depends on.
        packing: positions of a row that samples of a batch share in training; None: each has a row of its
            own, padded to the longest. Samples do not see each other either way, and losses are equal.
        encoding: what a picture that is read stands there as: codes and continuous vectors (``dual``, as
            published), codes alone, or vectors alone. One that the model draws is always codes.
    """

    def __init__(
        self,
        tokenizer: str | None = None,
        image_size: Annotated[int, Ge(8)] = 512,
        patch: Annotated[int, Ge(1)] = 16,
        codebook: Annotated[int, Ge(2)] = 8192,
        tile: Annotated[int, Ge(2)] = 384,
        tile_patch: Annotated[int, Ge(1)] = 14,
        any_resolution: bool = True,
        canvases: Sequence[Sequence[int]] = CANVASES,
        positions: Annotated[int, Ge(16)] = 4096,
        condition_dropout: Annotated[float, Interval(ge=0, le=1)] = 0.1,
        drawing_prompt: str = DRAW,
        before_image: Sequence[int] = (),
        legacy: bool = False,
        packing: Annotated[int, Ge(1)] | None = None,
        encoding: Literal["dual", "discrete", "continuous"] = "dual",
    ) -> None:
        if image_size % (patch * CELLS_PER_GRID):
            below = max(1, image_size // (patch * CELLS_PER_GRID)) * patch * CELLS_PER_GRID
            raise UserError(
                f"backbone.layout.image_size: {image_size} is not a multiple of {patch * CELLS_PER_GRID}, "
                f"which a size token counts in; nearest: {below}"
            )
        if "{prompt}" not in drawing_prompt:
            raise UserError(f"backbone.layout.drawing_prompt: {drawing_prompt!r} has no {{prompt}}")
        if legacy and encoding != "dual":
            raise UserError(
                f"backbone.layout.encoding: {encoding!r} with backbone.layout.legacy=true, which has both "
                "halves of every picture; expected dual"
            )
        try:
            self.canvases: Canvases = checked_canvases(canvases)
        except (TypeError, ValueError) as error:
            raise UserError(f"backbone.layout.canvases: {error}") from error
        side = image_size // patch
        words, self.vocabulary = _words(tokenizer, codebook, side, before_image)
        super().__init__(ProbedCodec(words, self.vocabulary), image_size, side, positions)
        self.tile = tile
        self.tile_side = tile // tile_patch
        self.any_resolution = any_resolution
        self.condition_dropout = condition_dropout
        self.drawing_prompt = drawing_prompt
        self.legacy = legacy
        self.packing = packing
        self.encoding = encoding

    # -- one sample ------------------------------------------------------------------------------------

    def half(self, image: Image, final: bool = True, counting: bool = False) -> ContinuousHalf | None:
        """The continuous half of a picture; None where it has none.

        That is one that the model draws in the ``final`` turn, since nothing comes after it that could read
        it (one that later turns speak of has its half), and every picture where only codes are read.
        ``counting``: one of no length, for which no file is read.
        """
        if self.encoding == "discrete" or (image.target and final and not self.legacy):
            return None
        if counting:
            return _NO_HALF
        if not self.any_resolution:
            return whole_half(self.tile_side**2)
        known = image.codes is not None or image.source is None
        size = (self.image_size, self.image_size) if known else picture_size(image.source)  # type: ignore[arg-type]
        return tiled_half(size, self.tile, self.tile_side, self.vocabulary.newline, self.canvases)

    def tape(self, sample: Sample) -> Tape:
        """The whole sequence of a sample, with its random draws made from ``sample.seed``."""
        return self._tape(sample, counting=False)

    def prompt(self, request: Request, draws: bool) -> Tape:
        """What stands before the answer, or before the picture that is asked for."""
        tape = self._turns(request.segments, draws, counting=False)
        if draws:
            tape.tokens(self.vocabulary.before_image)
        return tape

    def counts(self, sample: Sample) -> Counts:
        """Targets that ``collate`` would give this sample, without reading any picture."""
        return self.count(self._tape(sample, counting=True))

    def count(self, tape: Tape) -> Counts:
        """Target text tokens and target positions of drawn pictures."""
        labelled = [
            draws for target, draws in zip(tape.targets(), tape.drawn(), strict=True) if target != IGNORED
        ]
        return Counts(text=len(labelled) - sum(labelled), image=sum(labelled))

    def ending(self, text: str) -> list[int]:
        """An answer and the end of its turn, as they follow a prompt."""
        return [*self.codec.encode(text), self.end]

    @property
    def end(self) -> int:
        """The id that closes an answer."""
        return self.vocabulary.end_of_turn

    @property
    def drawn_length(self) -> int:
        """Positions of a picture that is drawn, with its sizes, newlines and ends."""
        return len(self.vocabulary.block(self.side, self.side))

    def _tape(self, sample: Sample, counting: bool) -> Tape:
        target = sample.segments[-1]
        chance = None if sample.seed is None else generator("collate", sample.seed)
        dropped = chance is not None and torch.rand((), generator=chance).item() < self.condition_dropout
        said = any(isinstance(segment, Text) and segment.target for segment in sample)
        if not (dropped and isinstance(target, Image) and not said):
            return self._turns(sample.segments, isinstance(target, Image), counting)
        tape = Tape(self.vocabulary)
        self._picture(tape, target, True, counting)
        tape.tokens([self.vocabulary.end_of_turn], True, draws=True)
        return tape

    def _turns(self, segments: Sequence[Segment], draws: bool, counting: bool) -> Tape:
        tape = Tape(self.vocabulary)
        tape.tokens([self.vocabulary.begin])
        sides = turns(segments)
        asked = max((place for place, turn in enumerate(sides) if not turn.answers), default=-1)
        for place, turn in enumerate(sides):
            self._turn(tape, turn, draws and place == asked, turn is sides[-1], counting)
        return tape

    def _turn(self, tape: Tape, turn: Turn, asks: bool, final: bool, counting: bool) -> None:
        texts = [segment for segment in turn.segments if isinstance(segment, Text)]
        drawn = False
        for segment in turn.segments:
            drawn = segment.target and isinstance(segment, Image)
            if isinstance(segment, Image):
                if drawn:
                    tape.tokens(self.vocabulary.before_image, self.legacy, draws=True)
                self._picture(tape, segment, final, counting)
                continue
            text = segment.text
            if asks:  # worded as one request, where its first text stands
                wanted = "\n".join(one.text for one in texts)
                text = self.drawing_prompt.replace("{prompt}", wanted) if segment is texts[0] else ""
            tape.tokens(self.codec.encode(text, opening=tape.length == 1), turn.answers)
        tape.tokens([self.vocabulary.end_of_turn], turn.answers, draws=drawn)

    def _picture(self, tape: Tape, image: Image, final: bool, counting: bool) -> None:
        half = self.half(image, final, counting)
        if half is not None and self.encoding == "continuous" and not image.target:
            tape.seen(image, half)
        else:
            tape.picture(image, (self.side, self.side), half, self.legacy)

    # -- many samples ----------------------------------------------------------------------------------

    def batch(self, tapes: Sequence[Tape]) -> UniTokenBatch:
        """The tapes as tensors, one a row, with the pictures they show."""
        return self._batch(tapes, None)

    def training_batch(self, tapes: Sequence[Tape]) -> UniTokenBatch:
        """The tapes as tensors, several in a row of at most ``packing`` positions if it is set."""
        if self.packing is None or not tapes:
            return self._batch(tapes, None)
        return self._batch(tapes, shared_rows([tape.length for tape in tapes], self.packing))

    def _batch(self, tapes: Sequence[Tape], rows: Sequence[Sequence[int]] | None) -> UniTokenBatch:
        shelf = self.shelf(self.used_canvases)
        codes = [shelf.codes(slot.picture) for tape in tapes for slot in tape.codes]
        tiles = [shelf.tiles(slot.picture, slot.half) for tape in tapes for slot in tape.features]
        first = [tile * self.tile_side**2 for tile in tiles]
        return UniTokenBatch(shelf.pictures(), sequences(tapes, codes, first, self.vocabulary.pad, rows))

    @property
    def used_canvases(self) -> Canvases | None:
        """The canvases, or None for one squeezed tile a picture."""
        return self.canvases if self.any_resolution else None

    def shelf(self, canvases: Canvases | None) -> Shelf:
        """An empty collection of pictures, on the canvases or squeezed."""
        return Shelf(self.code_shelf(), self.tile, canvases)


def _words(
    tokenizer: str | None, codebook: int, side: int, before_image: Sequence[int]
) -> tuple[object, Vocabulary]:
    if tokenizer is not None:
        loaded = load_tokenizer(tokenizer)
        return loaded, Vocabulary.named(loaded.get_vocab(), before_image)
    small = load_tokenizer(BUNDLED_TOKENIZER)
    grids = side // CELLS_PER_GRID
    return small, Vocabulary.behind(len(small), codebook, int(small.eos_token_id), grids)
