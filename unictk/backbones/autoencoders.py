"""Encoder and decoder of image tokenizers and autoencoders, in the names of their common ancestor.

MAGVIT-v2, the VQGAN of Chameleon and the FLUX autoencoder have them: convolutional levels, one attention
block at the lowest resolution. What stands between the two (bits, codes, a normal distribution) is each
model's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from unictk.backbones.convolutions import Level, Middle, group_norm


class Encoder(nn.Module):
    """Pixels to one vector of z numbers per cell; every level but the last halves the side.

    ``pointwise``: end in a 1x1 convolution over the vectors, ``quant_conv``.
    """

    def __init__(
        self,
        channels: int,
        multipliers: Sequence[int],
        blocks: Sequence[int],
        z: int,
        pointwise: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels] + [channels * m for m in multipliers]
        last = len(multipliers) - 1
        self.conv_in = nn.Conv2d(3, channels, 3, padding=1)
        self.down = nn.ModuleList(
            Level(widths[i], widths[i + 1], blocks[i], downsample=i < last) for i in range(last + 1)
        )
        self.mid = Middle(widths[-1])
        self.norm_out = group_norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], z, 3, padding=1)
        self.quant_conv = nn.Conv2d(z, z, 1) if pointwise else nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, z, H/f, W/f)."""
        h = self.conv_in(pixels)
        for level in self.down:
            h = level(h)
        h = self.conv_out(F.silu(self.norm_out(self.mid(h))))
        return self.quant_conv(h)


class Decoder(nn.Module):
    """Vectors to pixels; ``up[0]`` is full resolution and runs last.

    ``pointwise``: start with a 1x1 convolution over the vectors, ``post_quant_conv``.
    """

    def __init__(
        self,
        channels: int,
        multipliers: Sequence[int],
        blocks: Sequence[int],
        z: int,
        pointwise: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels * m for m in multipliers]
        entering = [*widths[1:], widths[-1]]
        self.post_quant_conv = nn.Conv2d(z, z, 1) if pointwise else nn.Identity()
        self.conv_in = nn.Conv2d(z, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1])
        self.up = nn.ModuleList(
            Level(entering[i], widths[i], blocks[i], upsample=i > 0) for i in range(len(widths))
        )
        self.norm_out = group_norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, z, h, w) -> (B, 3, fh, fw), about [-1, 1]."""
        h = self.mid(self.conv_in(self.post_quant_conv(vectors)))
        for index in reversed(range(len(self.up))):
            h = self.up[index](h)
        return self.conv_out(F.silu(self.norm_out(h)))
