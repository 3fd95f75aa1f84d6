"""Text to ids and back, with concept tokens, as UniToken's template has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unictk.backbones.text import TextCodec
from unictk.backbones.unitoken.vocabulary import Vocabulary

PROBES = "@\n\\=>`"
"""Characters of which one is put before a text that does not open the sequence, and taken away again:
tokenizers of this family write a space before the first word they are given."""


class ProbedCodec(TextCodec):
    """A codec whose texts have the same ids wherever in a sequence they stand, but for its opening."""

    def __init__(self, tokenizer: Any, vocabulary: Vocabulary) -> None:
        super().__init__(tokenizer, vocabulary.size)
        self.codes = vocabulary.codes

    def piece(self, piece: str, opening: bool) -> Sequence[int]:
        """Ids of a text without concept tokens; a control token's name is cut in the middle."""
        ids = self.plain(piece) if opening else self._inner(piece)
        for name in (self._controls[number] for number in ids if number in self._controls):
            if len(name) > 1 and (place := piece.find(name)) >= 0:
                cut = place + len(name) // 2
                return [*self.piece(piece[:cut], opening), *self.piece(piece[cut:], False)]
        return [number for number in ids if number not in self._controls]

    def is_text(self, number: int) -> bool:
        """Whether an id is a piece of text: no control token, no unused row, no image code."""
        return super().is_text(number) and not self.codes.start <= number < self.codes.stop

    def _inner(self, piece: str) -> list[int]:
        for probe in PROBES:
            before, both = self.plain(probe), self.plain(probe + piece)
            if both[: len(before)] == before:
                return both[len(before) :]
        return self.plain(piece)
