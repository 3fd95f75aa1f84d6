"""UniToken's one vocabulary: Chameleon's text, image codes and control tokens, concept rows behind them.

Nothing is added to the published table: separators, newlines and sizes are ids that Chameleon had already.
Concept row r has the id ``size + r``, outside the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.errors import WeightsError

CODE = -1
"""Stands in a sequence where an image code will be."""

CELLS_PER_GRID = 2
"""Cells to a side of the squares in which the published size tokens count (32 of 16 pixels each)."""

_NAMES = {
    "begin": "<s>",
    "end_of_image": "<eoss>",
    "start_of_image": "<racm3:break>",
    "separator": "<sentinel:0>",
    "end_of_turn": "<reserved08706>",
    "newline": "<reserved08799>",
    "grid": "<reserved08800>",
}
_CODE_NAME = "IMGIMG"
_PLACEHOLDER = "<|image|>"
"""Added by the published pre-tokenizer to mark a picture; no row of the tables belongs to it."""

_DIGITS = str.maketrans("ABCDEFGHIJ", "0123456789")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids of a UniToken model; the defaults are those of the published one.

    Image codes have the ``codebook`` ids from ``first_code`` on; ``order`` says which of them each code has
    (empty: in order). ``grid + n`` says that a picture is n squares of :data:`CELLS_PER_GRID` cells high or
    wide. ``before_image`` stands between the end of a turn and a picture that answers it. Padding is never
    seen, so any id serves.
    """

    size: int = 65536
    codebook: int = 8192
    first_code: int = 4
    begin: int = 0
    pad: int = 0
    end_of_image: int = 8196
    start_of_image: int = 8197
    separator: int = 8198
    end_of_turn: int = 8710
    newline: int = 8803
    grid: int = 8804
    before_image: tuple[int, ...] = ()
    order: tuple[int, ...] = ()

    @classmethod
    def named(cls, entries: Mapping[str, int], before_image: Sequence[int] = ()) -> Vocabulary:
        """The vocabulary of a tokenizer that has Chameleon's names.

        Args:
            entries: name -> id of every entry.
            before_image: ids between the end of a turn and a picture (the authors saw 16853).

        Raises:
            WeightsError: a control token is absent, or the image codes are not one block of ids.
        """
        absent = [name for name in _NAMES.values() if name not in entries]
        if absent:
            raise WeightsError(f"tokenizer: no {', '.join(absent)}; expected the tokenizer of Chameleon")
        codes = {
            int(name[len(_CODE_NAME) : -1].translate(_DIGITS)): number
            for name, number in entries.items()
            if name.startswith(_CODE_NAME)
        }
        ids, first = sorted(codes.values()), min(codes.values(), default=0)
        if not codes or ids != list(range(first, first + len(ids))) or sorted(codes) != list(range(len(ids))):
            raise WeightsError(f"tokenizer: its {len(codes)} image codes are not one block of ids")
        order = tuple(codes[code] - first for code in range(len(codes)))
        found = {field: entries[name] for field, name in _NAMES.items()}
        return cls(
            size=max(number for name, number in entries.items() if name != _PLACEHOLDER) + 1,
            codebook=len(codes),
            first_code=first,
            before_image=tuple(before_image),
            order=() if order == tuple(range(len(order))) else order,
            **found,
        )

    @classmethod
    def behind(cls, text: int, codebook: int, begin: int, grids: int) -> Vocabulary:
        """A small vocabulary: a text tokenizer's entries, then the codes, then the control tokens.

        Args:
            text: entries of the text tokenizer.
            codebook: number of image codes.
            begin: the id that opens every sequence.
            grids: the largest number of squares to a side of a picture.
        """
        end = text + codebook
        return cls(
            size=end + 6 + grids,
            codebook=codebook,
            first_code=text,
            begin=begin,
            end_of_image=end,
            start_of_image=end + 1,
            separator=end + 2,
            end_of_turn=end + 3,
            newline=end + 4,
            grid=end + 5,
        )

    @property
    def codes(self) -> slice:
        """The ids that are image codes, as rows of the tables."""
        return slice(self.first_code, self.first_code + self.codebook)

    def to_ids(self, codes: Tensor) -> Tensor:
        """Image codes of any shape to ids."""
        return self._places(codes.device)[codes] + self.first_code

    def to_codes(self, ids: Tensor) -> Tensor:
        """Ids of any shape to image codes."""
        return self._places(ids.device).argsort()[ids - self.first_code]

    def block(self, rows: int, columns: int) -> list[int]:
        """A picture of rows x columns codes: start, height, width, rows with their newlines, end.

        :data:`CODE` stands where codes will be: 1060 ids for the published 32 x 32.

        Raises:
            ValueError: a side that the size tokens cannot say.
        """
        for side in (rows, columns):
            if side < 1 or side % CELLS_PER_GRID or self.grid + side // CELLS_PER_GRID >= self.size:
                raise ValueError(f"{rows} x {columns} cells: no size token says {side}")
        sizes = [self.grid + rows // CELLS_PER_GRID, self.grid + columns // CELLS_PER_GRID]
        lines = [*[CODE] * columns, self.newline] * rows
        return [self.start_of_image, *sizes, *lines, self.end_of_image]

    def read_block(self, ids: Sequence[int]) -> Tensor:
        """The codes (rows, columns) of a picture's ids.

        Raises:
            ValueError: something in it is not where the sizes say.
        """
        if len(ids) < 4:
            raise ValueError(f"{len(ids)} ids are no picture")
        rows, columns = ((number - self.grid) * CELLS_PER_GRID for number in ids[1:3])
        expected = self.block(rows, columns)
        if len(ids) != len(expected):
            raise ValueError(f"{len(ids)} ids, and {rows} x {columns} cells need {len(expected)}")
        found = []
        for place, (number, wanted) in enumerate(zip(ids, expected, strict=True)):
            is_code = self.first_code <= number < self.first_code + self.codebook
            if number != wanted and not (wanted == CODE and is_code):
                raise ValueError(f"id {number} at place {place} of a picture of {rows} x {columns} cells")
            if wanted == CODE:
                found.append(number)
        return self.to_codes(torch.tensor(found)).view(rows, columns)

    def _places(self, device: torch.device) -> Tensor:
        return torch.tensor(self.order or range(self.codebook), device=device)
