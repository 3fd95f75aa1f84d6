"""Splits of a packed sequence: who sees whom, and at which rotary position.

A sample is a list of splits. ``text`` is causal; an ``image`` sees itself and everything before it; a
``noise`` image (one being drawn) does too, but no other split sees it, not even later ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

Kind = Literal["text", "image", "noise"]


@dataclass(frozen=True, slots=True)
class Split:
    """One text or image of a sample.

    Attributes:
        kind: what it is.
        length: its tokens, framing tokens included.
        dropped: left out (a dropped condition): no tokens, but an image still takes its position.
        step: how far positions move on behind a clean image; more between the frames of a video.
    """

    kind: Kind
    length: int
    dropped: bool = False
    step: int = 1

    @property
    def present(self) -> int:
        """Tokens it has in the sequence."""
        return 0 if self.dropped else self.length


def sample_positions(splits: Iterable[Split]) -> tuple[Tensor, int]:
    """Rotary positions of one sample's tokens, int64, and the position behind them.

    One more for each token of a text; all tokens of an image share one. The counter moves on behind a clean
    image, dropped or not, but not behind a noise image, nor for a dropped text.
    """
    found: list[Tensor] = [torch.zeros(0, dtype=torch.long)]
    at = 0
    for split in splits:
        if split.kind == "text":
            found.append(torch.arange(at, at + split.present))
            at += split.present
        else:
            found.append(torch.full((split.present,), at))
            at += split.step if split.kind == "image" else 0
    return torch.cat(found), at


@dataclass(frozen=True, slots=True)
class Marks:
    """What attention must know of each token of a pack, (T,) each.

    Attributes:
        sample: number of its sample.
        split: number of its split, over all samples.
        both_ways: true inside images, noise or not.
        hidden: true inside noise images.
    """

    sample: Tensor
    split: Tensor
    both_ways: Tensor
    hidden: Tensor

    @classmethod
    def of(cls, samples: Sequence[Sequence[Split]]) -> Marks:
        """Marks of the samples one behind the other."""
        splits = [(number, split) for number, sample in enumerate(samples) for split in sample]
        lengths = torch.tensor([split.present for _, split in splits], dtype=torch.long)

        def spread(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.long).repeat_interleave(lengths)

        return cls(
            spread([number for number, _ in splits]),
            spread(list(range(len(splits)))),
            spread([split.kind != "text" for _, split in splits]).bool(),
            spread([split.kind == "noise" for _, split in splits]).bool(),
        )

    def __len__(self) -> int:
        return len(self.sample)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Marks:
        """The marks on ``device``."""
        fields = (self.sample, self.split, self.both_ways, self.hidden)
        return Marks(*(field.to(device, non_blocking=non_blocking) for field in fields))

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """Whether tokens ``query`` may attend to tokens ``key`` (places in the pack, broadcast)."""
        same = self.split[query] == self.split[key]
        ahead = same & self.both_ways[query]
        return (
            (self.sample[query] == self.sample[key]) & ((query >= key) | ahead) & (same | ~self.hidden[key])
        )

    def dense(self) -> Tensor:
        """(1, T, T) bool, ``[0, query, key]``."""
        place = torch.arange(len(self), device=self.sample.device)
        return self.sees(place[:, None], place[None, :])[None]

    def rule(self) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
        """The same as flex attention asks for it: (batch, head, query, key) -> bool."""
        return lambda batch, head, query, key: self.sees(query, key)

    def block_mask(self, block: int = 128) -> BlockMask:
        """For flex attention: blocks nobody sees are skipped. Worth it on a GPU, with compiled layers."""
        length, device = len(self), str(self.sample.device)
        return create_block_mask(self.rule(), None, None, length, length, device=device, BLOCK_SIZE=block)
