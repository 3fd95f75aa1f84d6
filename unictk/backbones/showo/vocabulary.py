"""Show-o's one vocabulary: text, ten task tokens, image codes, the mask token, and concept rows behind them.

The published procedure grows the tables and moves the image codes up. Here nothing moves: concept row r
has the id ``size + r``, outside the tables, and a softmax over the concatenation is the same softmax.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SPECIAL_TOKENS = (
    "[PAD]",
    "<|soi|>",
    "<|eoi|>",
    "<|sov|>",
    "<|eov|>",
    "<|t2i|>",
    "<|mmu|>",
    "<|t2v|>",
    "<|v2v|>",
    "<|lvg|>",
)
"""Added behind the text tokenizer's entries, in this order (Show-o, ``UniversalPrompting``)."""

IGNORED = -100
"""Label of a position that no loss reads."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids of a Show-o model with ``text`` tokenizer entries and ``codebook`` image codes."""

    text: int
    codebook: int
    end_of_text: int

    @property
    def pad(self) -> int:
        """Padding on the left of a generation prompt and on the right of an answer."""
        return self.text

    @property
    def start_of_image(self) -> int:
        """``<|soi|>``."""
        return self.text + 1

    @property
    def end_of_image(self) -> int:
        """``<|eoi|>``."""
        return self.text + 2

    @property
    def draw(self) -> int:
        """``<|t2i|>``: the model draws."""
        return self.text + 5

    @property
    def answer(self) -> int:
        """``<|mmu|>``: the model answers."""
        return self.text + 6

    @property
    def first_code(self) -> int:
        """Id of image code 0."""
        return self.text + len(SPECIAL_TOKENS)

    @property
    def mask(self) -> int:
        """The mask token, the last row of the tables."""
        return self.first_code + self.codebook

    @property
    def size(self) -> int:
        """Rows of the tables; concept row r has the id ``size + r``."""
        return self.mask + 1


def visible_until(ids: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Up to where each position may look ahead (omni-attention, Show-o section 3.3).

    A position inside an image block sees the whole block (and everything before it, by causality). In the
    published understanding layout, whose image follows the task token, the task token sees it too.

    Args:
        ids: (batch, length) token ids.

    Returns:
        (batch, length): position q may attend to every k below this bound besides k <= q; 0 for text.
    """
    length = ids.shape[1]
    place = torch.arange(length, device=ids.device).expand_as(ids)
    opens, closes = ids == vocabulary.start_of_image, ids == vocabulary.end_of_image
    inside = opens.cumsum(1) - closes.cumsum(1) + closes.long() > 0
    ends = torch.where(closes, place, length - 1)
    next_end = ends.flip(1).cummin(1).values.flip(1)
    bound = torch.where(inside, next_end + 1, torch.zeros_like(place))
    before_image = (ids == vocabulary.answer) & torch.cat([opens[:, 1:], opens[:, :1] & False], dim=1)
    return torch.where(before_image, bound.roll(-1, dims=1), bound)


def attention_allowed(ids: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Which key each query may attend to: causal text, full image blocks, hidden pads.

    Pads are seen by pads only (a query needs at least one key). Right padding is invisible by causality.

    Returns:
        (batch, length, length) bool, ``[b, query, key]``.
    """
    place = torch.arange(ids.shape[1], device=ids.device)
    causal = place[None, :, None] >= place[None, None, :]
    ahead = place[None, None, :] < visible_until(ids, vocabulary)[:, :, None]
    pad = ids == vocabulary.pad
    return (causal | ahead) & (~pad[:, None, :] | pad[:, :, None])


def additive_mask(allowed: Tensor) -> Tensor:
    """The published form of the mask: float32 (batch, 1, length, length), 0 or the lowest int64 value."""
    lowest = float(torch.iinfo(torch.int64).min)
    return torch.zeros(allowed.shape, device=allowed.device).masked_fill_(~allowed, lowest)[:, None]
