"""The tensors of a UniToken batch: sequences, and the pictures whose codes and features go into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.codes import Coded
from unictk.backbones.ondevice import OnDevice
from unictk.backbones.packing import Lengths
from unictk.backbones.sequences import IGNORED, pad_right
from unictk.backbones.unitoken.tape import Tape
from unictk.backbones.unitoken.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Pictures(OnDevice):
    """The distinct pictures of a batch: as codes, and as what the vision tower reads of them.

    ``tiles`` (T, 3, s, s) uint8. ``decoded`` (D, 2): a picture's number among the codes and its first tile,
    where the tiles can only be had by decoding its codes, since the model drew it.
    """

    coded: Coded
    tiles: Tensor
    decoded: Tensor


@dataclass(frozen=True, slots=True)
class Sequences(OnDevice):
    """Whole sequences, padded on the right, which causality hides; several may share a row.

    ``ids``, ``targets``, ``draws`` and ``positions`` are (B, L); ``targets`` stand at the position that
    predicts them (-100: none), ``draws`` marks those of drawn pictures, ``positions`` begin again with every
    sequence. ``lengths``: of the sequences in each row, or None where each has one of its own. A picture's
    codes are a slot: ``slot_row``, ``slot_start`` (its first code), ``slot_picture`` and ``slot_target`` are
    (S,). Continuous vectors are listed one by one: ``feature_row``, ``feature_place`` and ``feature_source``
    (which of all features of the tiles, counted through) are (F,).
    """

    ids: Tensor
    targets: Tensor
    draws: Tensor
    positions: Tensor
    lengths: Lengths | None
    slot_row: Tensor
    slot_start: Tensor
    slot_picture: Tensor
    slot_target: Tensor
    feature_row: Tensor
    feature_place: Tensor
    feature_source: Tensor

    def filled(self, codes: Tensor, columns: int, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
        """Ids and targets with the pictures' codes in place.

        Args:
            codes: (J, cells) image codes, row by row.
            columns: codes to a row.
            vocabulary: says which ids they have.
        """
        if not len(self.slot_row):
            return self.ids, self.targets
        cells = torch.arange(codes.shape[1], device=codes.device)
        places = self.slot_start[:, None] + cells + cells // columns  # a newline ends every row
        values = vocabulary.to_ids(codes[self.slot_picture])
        ids, targets = self.ids.clone(), self.targets.clone()
        ids[self.slot_row[:, None], places] = values
        drawn = self.slot_target
        targets[self.slot_row[drawn, None], places[drawn] - 1] = values[drawn]
        return ids, targets

    def spliced(self, vectors: Tensor, features: Tensor | None) -> Tensor:
        """Input vectors (B, L, hidden) with the tiles' features (T, tokens, hidden) in their places."""
        if features is None or not len(self.feature_row):
            return vectors
        chosen = features.flatten(0, 1)[self.feature_source].to(vectors.dtype)
        return vectors.index_put((self.feature_row, self.feature_place), chosen)


@dataclass(frozen=True, slots=True)
class UniTokenBatch(OnDevice):
    """All parts of a batch."""

    pictures: Pictures
    sequences: Sequences


def sequences(
    tapes: Sequence[Tape],
    codes: Sequence[int],
    features: Sequence[int],
    pad: int,
    rows: Sequence[Sequence[int]] | None = None,
) -> Sequences:
    """The tapes as tensors.

    Args:
        tapes: whole sequences.
        codes: for every code slot of the tapes in order, the number of its picture.
        features: for every feature slot in order, the number of its picture's first feature.
        pad: any id.
        rows: which of the tapes share a row, in the order in which they stand in it; None: none do.
    """
    shared = [[number] for number in range(len(tapes))] if rows is None else rows
    places = {
        number: (row, sum(tapes[before].length for before in numbers[:place]))
        for row, numbers in enumerate(shared)
        for place, number in enumerate(numbers)
    }
    slots = [(*places[number], slot) for number, tape in enumerate(tapes) for slot in tape.codes]
    halves = [(*places[number], slot) for number, tape in enumerate(tapes) for slot in tape.features]

    def joined(of: Callable[[Tape], Sequence[int]], value: int) -> Tensor:
        return pad_right([[one for number in row for one in of(tapes[number])] for row in shared], value)

    counts = [len(slot.places) for _, _, slot in halves]
    empty = torch.zeros(0, dtype=torch.long)
    return Sequences(
        ids=joined(lambda tape: tape.ids, pad),
        targets=joined(lambda tape: tape.targets(), IGNORED),
        draws=joined(lambda tape: tape.drawn(), 0).bool(),
        positions=joined(lambda tape: range(tape.length), 0),
        lengths=None if rows is None else tuple(tuple(tapes[n].length for n in row) for row in rows),
        slot_row=torch.tensor([row for row, _, _ in slots], dtype=torch.long),
        slot_start=torch.tensor([start + slot.start for _, start, slot in slots], dtype=torch.long),
        slot_picture=torch.tensor(codes, dtype=torch.long),
        slot_target=torch.tensor([slot.picture.target for _, _, slot in slots], dtype=torch.bool),
        feature_row=torch.tensor([row for row, _, _ in halves], dtype=torch.long).repeat_interleave(
            torch.tensor(counts, dtype=torch.long)
        ),
        feature_place=torch.tensor(
            [start + place for _, start, slot in halves for place in slot.places], dtype=torch.long
        ),
        feature_source=torch.cat(
            [empty, *(slot.half.index + first for (_, _, slot), first in zip(halves, features, strict=True))]
        ),
    )
