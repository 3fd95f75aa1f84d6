"""The tensors of a Janus batch: sequences, pictures that are read, pictures that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.codes import Coded
from unictk.backbones.janus.tape import Tape
from unictk.backbones.ondevice import OnDevice
from unictk.backbones.sequences import IGNORED, pad_right


@dataclass(frozen=True, slots=True)
class Seen(OnDevice):
    """Distinct pictures for the vision tower, ``squares`` (T, 3, side, side) uint8.

    Where a picture is what the model drew, its square can only be had by decoding: ``decoded`` (D,) are the
    numbers of those, ``codes`` (D, cells) what to decode.
    """

    squares: Tensor
    decoded: Tensor
    codes: Tensor


@dataclass(frozen=True, slots=True)
class Sequences(OnDevice):
    """Whole sequences, padded on the right, which causality hides.

    ``ids`` and ``targets`` are (B, L); ``targets`` stand at the position that predicts them (-100: none) and
    are of text. ``row``, ``start`` and ``source`` (S,) say where pictures stand and which they are, first
    for those that are read, then (``drawn_...``) for those that are drawn.
    """

    ids: Tensor
    targets: Tensor
    row: Tensor
    start: Tensor
    source: Tensor
    drawn_row: Tensor
    drawn_start: Tensor
    drawn_source: Tensor

    def spliced(self, vectors: Tensor, features: Tensor | None, codes: Tensor | None) -> Tensor:
        """Input vectors (B, L, hidden) with the pictures in their places.

        Args:
            vectors: of the ids.
            features: (T, cells, hidden) of the pictures that are read, or None without any.
            codes: (J, cells, hidden) of the pictures that are drawn, or None without any.
        """
        if features is not None:
            vectors = _put(vectors, self.row, self.start, features[self.source])
        if codes is not None:
            vectors = _put(vectors, self.drawn_row, self.drawn_start, codes[self.drawn_source])
        return vectors

    def before_codes(self, states: Tensor, cells: int) -> Tensor:
        """The states (B, L, hidden) that predict the codes of drawn pictures: (slots, cells, hidden)."""
        place = self.drawn_start[:, None] - 1 + torch.arange(cells, device=states.device)
        return states[self.drawn_row[:, None], place]


@dataclass(frozen=True, slots=True)
class JanusBatch(OnDevice):
    """All parts of a batch."""

    seen: Seen
    drawn: Coded
    sequences: Sequences


def sequences(tapes: Sequence[Tape], sources: Sequence[int], pad: int) -> Sequences:
    """The tapes as tensors.

    Args:
        tapes: one a row.
        sources: for every slot of the tapes in order, the number of its picture among those of its kind.
        pad: any id.
    """
    slots = [(row, slot) for row, tape in enumerate(tapes) for slot in tape.slots]
    kinds = []
    for drawn in (False, True):
        found = [
            (row, slot.start, source)
            for (row, slot), source in zip(slots, sources, strict=True)
            if slot.drawn == drawn
        ]
        kinds += list(torch.tensor(found, dtype=torch.long).reshape(-1, 3).unbind(1))
    ids = pad_right([tape.ids for tape in tapes], pad)
    return Sequences(ids, pad_right([tape.targets() for tape in tapes], IGNORED), *kinds)


def _put(vectors: Tensor, row: Tensor, start: Tensor, pictures: Tensor) -> Tensor:
    place = start[:, None] + torch.arange(pictures.shape[1], device=vectors.device)
    return vectors.index_put((row[:, None].expand_as(place), place), pictures.to(vectors.dtype))
