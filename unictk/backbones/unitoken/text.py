"""Text to ids and back, with concept tokens, as UniToken's template has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from unictk.backbones.unitoken.vocabulary import Vocabulary

REMEMBERED = 65_536
"""Texts whose ids are kept: an epoch of a concept many times over, and a bound for endless data."""

PROBES = "@\n\\=>`"
"""Characters of which one is put before a text that does not open the sequence, and taken away again:
tokenizers of this family write a space before the first word they are given."""


class TextCodec:
    """Encodes text with concept tokens into ids; decodes answers. Picklable.

    Text is cut at concept tokens and each piece is tokenised on its own, as added tokens of a tokenizer
    are. A control token's name, written by somebody, is text and not that token.
    """

    def __init__(self, tokenizer: Any, vocabulary: Vocabulary) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.concept_ids: dict[str, int] = {}
        self._concepts: re.Pattern[str] | None = None
        self._controls = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items()}
        self._known: dict[tuple[str, bool], tuple[int, ...]] = {}

    def attach(self, tokens: Iterable[str]) -> None:
        """Give the concept tokens the ids behind the tables, in order."""
        self.concept_ids = {token: self.vocabulary.size + row for row, token in enumerate(tokens)}
        self._concepts = _any_of(self.concept_ids)
        self._known.clear()

    def encode(self, text: str, opening: bool = False) -> tuple[int, ...]:
        """Ids of a text; ``opening`` where it is the first of its sequence."""
        known = self._known.get((text, opening))
        if known is None:
            pieces = self._concepts.split(text) if self._concepts else [text]
            found: list[int] = []
            for place, piece in enumerate(pieces):
                if piece:
                    found += self._piece(piece, opening and not any(pieces[:place]))
            known = tuple(found)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[text, opening] = known
        return known

    def decode(self, ids: Sequence[int]) -> str:
        """Text of answer ids: concept tokens as their strings, codes and control tokens left out."""
        names = {number: token for token, number in self.concept_ids.items()}
        entries, codes = len(self.tokenizer), self.vocabulary.codes
        pieces: list[str] = []
        plain: list[int] = []
        for number in ids:
            if number in names:
                pieces += [self.tokenizer.decode(plain) if plain else "", names[number]]
                plain = []
            elif number < entries and number not in self._controls and not codes.start <= number < codes.stop:
                plain.append(number)
        pieces.append(self.tokenizer.decode(plain) if plain else "")
        return "".join(pieces).strip()

    def _piece(self, piece: str, opening: bool) -> Sequence[int]:
        concept = self.concept_ids.get(piece)
        if concept is not None:
            return (concept,)
        ids = self._plain(piece) if opening else self._inner(piece)
        for name in (self._controls[number] for number in ids if number in self._controls):
            if len(name) > 1 and (place := piece.find(name)) >= 0:
                cut = place + len(name) // 2
                return [*self._piece(piece[:cut], opening), *self._piece(piece[cut:], False)]
        return [number for number in ids if number not in self._controls]

    def _inner(self, piece: str) -> list[int]:
        for probe in PROBES:
            before, both = self._plain(probe), self._plain(probe + piece)
            if both[: len(before)] == before:
                return both[len(before) :]
        return self._plain(piece)

    def _plain(self, piece: str) -> list[int]:
        return list(self.tokenizer(piece, add_special_tokens=False)["input_ids"])


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted((name for name in names if name), key=len, reverse=True)
    return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")") if longest_first else None
