"""Text to ids and back, with concept tokens and the four framing tokens."""

from __future__ import annotations

from typing import Any

from unictk.backbones import text
from unictk.backbones.bagel.sizes import SpecialIds
from unictk.errors import UserError

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
"""Begin and end of a text, begin and end of an image."""


class TextCodec(text.TextCodec):
    """The shared codec with the four framing tokens; a tokenizer without them has them behind its entries.

    Raises:
        UserError: a tokenizer with more entries than the tables have rows.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        entries, known = len(tokenizer), tokenizer.get_vocab()
        behind = [token for token in SPECIAL_TOKENS if token not in known]
        if entries + len(behind) > vocabulary:
            raise UserError(
                f"backbone.layout.vocabulary: {vocabulary} is too small for a tokenizer of {entries} "
                f"entries; nearest: {entries + len(behind)}"
            )
        ids = {token: entries + number for number, token in enumerate(behind)}
        self.special = SpecialIds(*(known.get(token, ids.get(token, 0)) for token in SPECIAL_TOKENS))
        super().__init__(tokenizer, vocabulary)
