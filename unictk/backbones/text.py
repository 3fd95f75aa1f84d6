"""Text to ids and back, with concept tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

REMEMBERED = 65_536
"""Texts whose ids are kept: an epoch of a concept many times over, and a bound for endless data."""


class TextCodec:
    """Encodes text with concept tokens into ids; decodes answers. Picklable.

    Text is cut at concept tokens and each piece is tokenised on its own, as added tokens of a tokenizer are.
    A control token's name, written by somebody, is text and not that token.

    Args:
        tokenizer: as transformers reads it.
        vocabulary: rows of the model's tables; concept tokens have the ids behind them.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self.tokenizer, self.vocabulary = tokenizer, vocabulary
        self.concept_ids: dict[str, int] = {}
        self._controls = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items()}
        self._concept_names: re.Pattern[str] | None = None
        self._known: dict[tuple[str, bool], tuple[int, ...]] = {}

    def attach(self, tokens: Iterable[str]) -> None:
        """Give the concept tokens the ids behind the tables, in order."""
        self.concept_ids = {token: self.vocabulary + row for row, token in enumerate(tokens)}
        self._concept_names = _any_of(self.concept_ids)
        self._known.clear()

    def encode(self, text: str, opening: bool = False) -> tuple[int, ...]:
        """Ids of a text, unframed; ``opening`` where it is the first of its sequence."""
        known = self._known.get((text, opening))
        if known is None:
            pieces = self._concept_names.split(text) if self._concept_names else [text]
            found: list[int] = []
            for place, piece in enumerate(pieces):
                if (concept := self.concept_ids.get(piece)) is not None:
                    found.append(concept)
                elif piece:
                    found += self.piece(piece, opening and not any(pieces[:place]))
            known = tuple(found)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[text, opening] = known
        return known

    def piece(self, piece: str, opening: bool) -> Sequence[int]:
        """Ids of a text without concept tokens; most tokenizers do not ask whether it is the first."""
        parts = self._control_names.split(piece) if self._control_names else [piece]
        # Cut in the middle, a control token's name is ordinary text.
        cut = [half for part in parts for half in self._halves(part) if half]
        return [number for half in cut for number in self.plain(half)]

    def plain(self, piece: str) -> list[int]:
        """Ids that the tokenizer gives, control tokens included."""
        return list(self.tokenizer(piece, add_special_tokens=False)["input_ids"])

    def is_text(self, number: int) -> bool:
        """Whether an id is a piece of text: no control token and no unused row."""
        return number < len(self.tokenizer) and number not in self._controls

    def decode(self, ids: Sequence[int]) -> str:
        """Text of answer ids: concept tokens as their strings, whatever is no text left out."""
        names = {number: token for token, number in self.concept_ids.items()}
        pieces: list[str] = []
        plain: list[int] = []
        for number in ids:
            if number in names:
                pieces += [self.tokenizer.decode(plain) if plain else "", names[number]]
                plain = []
            elif self.is_text(number):
                plain.append(number)
        pieces.append(self.tokenizer.decode(plain) if plain else "")
        return "".join(pieces).strip()

    def _halves(self, part: str) -> tuple[str, ...]:
        return (part[:2], part[2:]) if part in self._controls.values() else (part,)

    @cached_property
    def _control_names(self) -> re.Pattern[str] | None:
        return _any_of(self._controls.values())


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted((name for name in names if name), key=len, reverse=True)
    return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")") if longest_first else None
