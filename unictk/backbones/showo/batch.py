"""The tensors of a Show-o batch: whole rows, and answers that share an image prefix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.ondevice import OnDevice


@dataclass(frozen=True, slots=True)
class Pictures(OnDevice):
    """The distinct pictures of a batch.

    ``codes`` (J, cells) holds known image codes, -1 where they are not known yet; ``unknown`` (U,) says
    which rows those are and ``pixels`` (U, 3, H, W) uint8 are their pictures. ``keys`` names all J.
    """

    codes: Tensor
    unknown: Tensor
    pixels: Tensor
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows(OnDevice):
    """Whole sequences.

    ``ids``, ``targets``, ``positions``, ``draws`` are (B, L). ``targets`` stand at the position that
    predicts them (-100: none); ``draws`` marks image targets. Each image block is a slot: ``slot_row``,
    ``slot_start`` (its first cell) and ``slot_picture`` are (S,); ``slot_masked`` (S, cells) marks the
    cells to predict (none for a context image). Cells hold the mask token until codes are filled in.
    """

    ids: Tensor
    targets: Tensor
    positions: Tensor
    draws: Tensor
    slot_row: Tensor
    slot_start: Tensor
    slot_picture: Tensor
    slot_masked: Tensor

    def filled(self, codes: Tensor, first_code: int) -> tuple[Tensor, Tensor]:
        """Ids and targets with the pictures' codes in place: visible cells as input, masked ones as target.

        Args:
            codes: (J, cells) image codes.
            first_code: the id of image code 0.
        """
        if not len(self.slot_row):
            return self.ids, self.targets
        cells = torch.arange(codes.shape[1], device=codes.device)
        rows = self.slot_row[:, None].expand(-1, len(cells))
        columns = self.slot_start[:, None] + cells
        values = codes[self.slot_picture] + first_code
        ids, targets = self.ids.clone(), self.targets.clone()
        ids[rows, columns] = torch.where(self.slot_masked, ids[rows, columns], values)
        targets[rows, columns] = torch.where(self.slot_masked, values, targets[rows, columns])
        return ids, targets


@dataclass(frozen=True, slots=True)
class Answers(OnDevice):
    """Understanding samples in the published layout, without their image prefix.

    ``picture`` (B,) is the prefix each text follows; ``ids`` and ``targets`` (B, T) are the texts, padded
    on the right; text position 0 is sequence position ``cells + 3``.
    """

    picture: Tensor
    ids: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class ShowoBatch(OnDevice):
    """All parts of a batch; rows or answers may be empty."""

    pictures: Pictures
    rows: Rows
    answers: Answers
