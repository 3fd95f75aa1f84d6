"""Show-o's layout: samples to tensors, without weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import torch
from annotated_types import Ge, Interval
from torch import Tensor

from unictk.backbones.checkpoints import BUNDLED_TOKENIZER, load_tokenizer
from unictk.backbones.codes import CodeStore, picture_key
from unictk.backbones.showo.batch import Answers, Pictures, Rows, ShowoBatch
from unictk.backbones.showo.masking import SCHEDULES, Schedule, training_mask
from unictk.backbones.showo.tape import Tape, answer_texts, answering_tape, drawing_tape, is_answering
from unictk.backbones.showo.text import TextCodec
from unictk.backbones.showo.vocabulary import IGNORED
from unictk.chance import generator
from unictk.datamodules.pictures import open_picture, square, to_tensor
from unictk.samples import Batch, Counts, Image, Sample, Segment, Text


class ShowoLayout:
    """Sequence building for generation and understanding (Show-o section 3, UniCTokens section 3).

    Args:
        tokenizer: folder or hub id of the text tokenizer (phi-1.5 for the published models); None for the
            small one that comes with the package.
        image_size: side of the square picture in pixels.
        patch: pixels per image cell side; cells per image = (image_size / patch) squared.
        codebook: number of image codes.
        max_text: text ids of a generation prompt without the task token (published: 128).
        positions: the language model's position limit.
        condition_dropout: share of drawings trained without their text (published: 0.1).
        schedule: how many cells are masked at time t.
        multiple: batches are padded to a multiple of so many positions, so that kernels compiled for a shape
            are met again; 1: to their longest sequence.
    """

    def __init__(
        self,
        tokenizer: str | None = None,
        image_size: Annotated[int, Ge(8)] = 512,
        patch: Annotated[int, Ge(1)] = 16,
        codebook: Annotated[int, Ge(2)] = 8192,
        max_text: Annotated[int, Ge(8)] = 128,
        positions: Annotated[int, Ge(16)] = 2048,
        condition_dropout: Annotated[float, Interval(ge=0, le=1)] = 0.1,
        schedule: Schedule = "cosine",
        multiple: Annotated[int, Ge(1)] = 1,
    ) -> None:
        self.codec = TextCodec(load_tokenizer(tokenizer or BUNDLED_TOKENIZER), codebook)
        self.vocabulary = self.codec.vocabulary
        self.image_size = image_size
        self.cells = (image_size // patch) ** 2
        self.prompt_length = max_text + 1
        self.positions = positions
        self.condition_dropout = condition_dropout
        self.schedule = schedule
        self.multiple = multiple
        self.codes = CodeStore(fingerprint="")

    def keep_codes(self, fingerprint: str, folder: Path | None) -> None:
        """Share a code store with the backbone whose tokenizer has this fingerprint."""
        self.codes = CodeStore(fingerprint, folder)

    def with_schedule(self, schedule: Schedule) -> Self:
        """The same layout, tokens and kept codes included, that masks by another schedule."""
        other = copy.copy(self)
        other.schedule = schedule
        return other

    # -- one sample ------------------------------------------------------------------------------------

    def tape(self, sample: Sample) -> Tape:
        """The whole sequence of a sample, with its random draws made from ``sample.seed``."""
        if isinstance(sample.segments[-1], Text):
            return answering_tape(sample.segments, self.codec, self.cells)
        chance = None if sample.seed is None else generator("collate", sample.seed)
        droppable = not any(isinstance(s, Text) and s.target for s in sample)
        dropped = chance is not None and torch.rand((), generator=chance).item() < self.condition_dropout
        target = sample.segments[-1]
        assert isinstance(target, Image)
        if (masked := target.masked) is None:
            masked = training_mask(self.cells, chance, SCHEDULES[self.schedule])
        return drawing_tape(
            sample.segments, self.codec, self.prompt_length, self.cells, masked, dropped and droppable
        )

    def counts(self, sample: Sample) -> Counts:
        """Target text tokens and target image positions (masked cells and both ends of the block)."""
        tape = (
            answer_texts(sample.segments, self.codec, self.cells) if is_answering(sample.segments) else None
        )
        return _count(tape or self.tape(sample))

    def length(self, sample: Sample) -> int:
        """Positions needed: 1155 for the published 512-pixel drawing."""
        return self.tape(sample.seeded(None)).length

    def supports(self, sample: Sample) -> str | None:
        """None, or why the sample does not fit."""
        if not sample.segments or not sample.segments[-1].target:
            return "its last segment must be a target"
        if any(isinstance(s, Image) and s.target for s in sample.segments[:-1]):
            return "only its last segment may be a target image"
        for codes in (image.codes for image in sample.images if image.codes is not None):
            if codes.numel() != self.cells:
                return f"one of its pictures has {codes.numel()} codes and this model's have {self.cells}"
        needed = self.length(sample)
        if needed > self.positions:
            return f"it needs {needed} positions and the limit is {self.positions}"
        return None

    # -- many samples ----------------------------------------------------------------------------------

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Rows for drawings and extended layouts; texts behind shared image prefixes for answers.

        Raises:
            ValueError: a sample that :meth:`supports` refuses.
        """
        shelf = Shelf(self)
        answers = [sample for sample in samples if is_answering(sample.segments)]
        others = [sample for sample in samples if not is_answering(sample.segments)]
        texts = [answer_texts(sample.segments, self.codec, self.cells) for sample in answers]
        tapes = [self.tape(sample) for sample in others]
        longest = max((tape.length for tape in (*texts, *tapes)), default=0)
        if longest > self.positions:
            raise ValueError(f"a sample needs {longest} positions and the limit is {self.positions}")
        parts = ShowoBatch(
            answers=self.answers(texts, [shelf.place(_first_image(s.segments)) for s in answers]),
            rows=self.rows(tapes, shelf),
            pictures=shelf.pictures(),
        )
        counts = sum((_count(tape) for tape in (*texts, *tapes)), Counts())
        return Batch(len(samples), counts, counts, parts)

    def rows(self, tapes: Sequence[Tape], shelf: Shelf) -> Rows:
        """Whole sequences padded on the right; positions keep the published offsets."""
        slots = [(row, slot) for row, tape in enumerate(tapes) for slot in tape.slots]
        masked = [slot.masked for _, slot in slots]
        return Rows(
            ids=self._pad([tape.ids for tape in tapes], self.vocabulary.pad),
            targets=self._pad([tape.targets for tape in tapes], IGNORED),
            positions=self._pad([range(tape.offset, tape.length) for tape in tapes], 0),
            draws=self._pad([tape.draws for tape in tapes], 0).bool(),
            slot_row=torch.tensor([row for row, _ in slots], dtype=torch.long),
            slot_start=torch.tensor([slot.start for _, slot in slots], dtype=torch.long),
            slot_picture=torch.tensor([shelf.place(slot.picture) for _, slot in slots], dtype=torch.long),
            slot_masked=torch.stack(masked) if masked else torch.zeros(0, self.cells, dtype=torch.bool),
        )

    def answers(self, texts: Sequence[Tape], pictures: Sequence[int]) -> Answers:
        """Texts padded on the right, each with the number of the picture it follows."""
        return Answers(
            picture=torch.tensor(pictures, dtype=torch.long),
            ids=self._pad([tape.ids for tape in texts], self.vocabulary.pad),
            targets=self._pad([tape.targets for tape in texts], IGNORED),
        )

    def _pad(self, rows: Sequence[Sequence[int]], value: int) -> Tensor:
        longest = max((len(row) for row in rows), default=0)
        wanted = -(-longest // self.multiple) * self.multiple
        room = self.positions - self.cells - 3  # texts behind a picture are padded without it
        width = max(longest, min(wanted, room))
        padded = [[*row, *[value] * (width - len(row))] for row in rows]
        return torch.tensor(padded, dtype=torch.long).reshape(len(rows), width)


class Shelf:
    """Collects the distinct pictures of a batch, each once."""

    def __init__(self, layout: ShowoLayout) -> None:
        self.layout = layout
        self.images: dict[str, Image] = {}

    def place(self, image: Image) -> int:
        """The picture's number; equal pictures in equal views share one."""
        key = picture_key(image, self.layout.image_size)
        self.images.setdefault(key, image)
        return list(self.images).index(key)

    def pictures(self) -> Pictures:
        """Known codes, and pixels of the pictures whose codes are not known yet."""
        layout, size = self.layout, self.layout.image_size
        codes = torch.full((len(self.images), layout.cells), -1, dtype=torch.long)
        unknown, pixels = [], []
        for number, (key, image) in enumerate(self.images.items()):
            known = image.codes if image.codes is not None else layout.codes.get(key)
            if known is not None:
                codes[number] = known.reshape(-1).cpu()
                continue
            assert image.source is not None
            unknown.append(number)
            pixels.append(to_tensor(square(open_picture(image.source), image.view, size, image.key)))
        stacked = torch.stack(pixels) if pixels else torch.zeros(0, 3, size, size, dtype=torch.uint8)
        return Pictures(codes, torch.tensor(unknown, dtype=torch.long), stacked, tuple(self.images))


def _count(tape: Tape) -> Counts:
    labelled = [draws for target, draws in zip(tape.targets, tape.draws, strict=True) if target != IGNORED]
    cells = sum(int(slot.masked.sum()) for slot in tape.slots)
    return Counts(text=len(labelled) - sum(labelled), image=sum(labelled) + cells)


def _first_image(segments: Sequence[Segment]) -> Image:
    first = segments[0]
    assert isinstance(first, Image)
    return first
