"""Layouts of models that read one causal sequence: what is under construction, limits, rows of tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from unictk.backbones.codes import CodeShelf, CodeStore
from unictk.backbones.text import TextCodec
from unictk.samples import Batch, Counts, Image, Request, Sample

IGNORED = -100
"""Label of a position that no loss reads."""


class LabelledIds(ABC):
    """A sequence under construction: ``ids``, and ``labels`` at the positions they belong to."""

    __slots__ = ()
    ids: list[int]
    labels: list[int]

    @property
    def length(self) -> int:
        """Positions used."""
        return len(self.ids)

    @property
    @abstractmethod
    def pictures(self) -> Sequence[Image]:
        """The pictures that stand in it, in an order that follows from theirs."""

    def targets(self) -> list[int]:
        """Labels at the positions that predict them; the last position predicts nothing."""
        return [*self.labels[1:], IGNORED]


TapeT = TypeVar("TapeT", bound=LabelledIds)


class SequenceLayout(ABC, Generic[TapeT]):
    """Samples and requests as causal sequences, for any number of pictures.

    Args:
        codec: text to ids and back.
        image_size: side in pixels of the square that becomes codes.
        side: codes to a side.
        positions: the language model's position limit.
    """

    def __init__(self, codec: TextCodec, image_size: int, side: int, positions: int) -> None:
        self.codec = codec
        self.image_size = image_size
        self.side, self.cells = side, side**2
        self.positions = positions
        self.codes = CodeStore(fingerprint="")

    def keep_codes(self, fingerprint: str, folder: Path | None) -> None:
        """Share a code store with the backbone whose tokenizer has this fingerprint."""
        self.codes = CodeStore(fingerprint, folder)

    def code_shelf(self) -> CodeShelf:
        """An empty collection of pictures that become codes."""
        return CodeShelf(self.image_size, self.cells, self.codes)

    # -- what a model has of its own -------------------------------------------------------------------

    @abstractmethod
    def tape(self, sample: Sample) -> TapeT:
        """The whole sequence of a sample, with its random draws made from ``sample.seed``."""

    @abstractmethod
    def prompt(self, request: Request, draws: bool) -> TapeT:
        """What stands before the answer, or before the picture that is asked for."""

    @abstractmethod
    def count(self, tape: TapeT) -> Counts:
        """Target text tokens and target positions of drawn pictures."""

    @abstractmethod
    def batch(self, tapes: Sequence[TapeT]) -> Any:
        """The tapes as tensors, one a row, with the pictures they show."""

    @abstractmethod
    def ending(self, text: str) -> list[int]:
        """An answer and the end of its turn, as they follow a prompt."""

    @property
    @abstractmethod
    def end(self) -> int:
        """The id that closes an answer."""

    @property
    @abstractmethod
    def drawn_length(self) -> int:
        """Positions that a picture takes which is drawn behind a prompt."""

    # -- what all have ---------------------------------------------------------------------------------

    def counts(self, sample: Sample) -> Counts:
        """Targets that :meth:`collate` would give this sample, without reading any picture."""
        return self.count(self.tape(sample))

    def length(self, sample: Sample) -> int:
        """Positions needed, those of whatever is read of pictures included."""
        return self.tape(sample.seeded(None)).length

    def supports(self, sample: Sample) -> str | None:
        """None, or why the sample does not fit."""
        if not sample.segments or not sample.segments[-1].target:
            return "its last segment must be a target"
        if any(image.masked is not None for image in sample.images):
            return "one of its pictures is drawn in part, and this model draws whole ones"
        for codes in (image.codes for image in sample.images if image.codes is not None):
            if codes.numel() != self.cells:
                return f"one of its pictures has {codes.numel()} codes and this model's have {self.cells}"
        needed = self.length(sample)
        if needed > self.positions:
            return f"it needs {needed} positions and the limit is {self.positions}"
        return None

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Whole sequences, and every distinct picture once.

        Raises:
            ValueError: a sample that :meth:`supports` refuses.
        """
        tapes = [self.tape(sample) for sample in samples]
        longest = max((tape.length for tape in tapes), default=0)
        if longest > self.positions:
            raise ValueError(f"a sample needs {longest} positions and the limit is {self.positions}")
        counts = sum((self.count(tape) for tape in tapes), Counts())
        return Batch(len(samples), counts, counts, self.training_batch(tapes))

    def training_batch(self, tapes: Sequence[TapeT]) -> Any:
        """The tapes as tensors; rows may be shared, since nobody asks for one of them."""
        return self.batch(tapes)


def pad_right(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """(rows, longest) int64."""
    longest = max((len(row) for row in rows), default=0)
    padded = [[*row, *[value] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long).reshape(len(rows), longest)
