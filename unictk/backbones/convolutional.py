"""Convolutional encoder and decoder that image tokenizers and autoencoders share, in their published names.

The layout of the latent diffusion models: residual blocks per resolution, one attention block in the
middle. MAGVIT-v2 (Show-o) and the FLUX autoencoder (BAGEL) are made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels, eps=1e-6)  # set_groups says how many groups


def set_groups(module: nn.Module, groups: int) -> None:
    """Give every GroupNorm inside ``module`` that many groups; its channels must be a multiple of it."""
    for norm in module.modules():
        if isinstance(norm, nn.GroupNorm):
            norm.num_groups = groups


class ResidualBlock(nn.Module):
    """Two (norm, swish, 3x3 convolution), added to the input; 1x1 shortcut where the width changes."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.norm1 = _norm(width_in)
        self.conv1 = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.norm2 = _norm(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1)
        if width_in != width_out:
            self.nin_shortcut = nn.Conv2d(width_in, width_out, 1)
        self.widens = width_in != width_out

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h, w)."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (self.nin_shortcut(x) if self.widens else x) + h


class AttentionBlock(nn.Module):
    """Single-head attention over all cells, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.q = nn.Conv2d(width, width, 1)
        self.k = nn.Conv2d(width, width, 1)
        self.v = nn.Conv2d(width, width, 1)
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> same."""
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2).transpose(1, 2).unsqueeze(1) for layer in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2)
        return x + self.proj_out(mixed.reshape(x.shape))


class Middle(nn.Module):
    """Residual block, attention, residual block at the lowest resolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(width, width)
        self.attn_1 = AttentionBlock(width)
        self.block_2 = ResidualBlock(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> same."""
        return self.block_2(self.attn_1(self.block_1(x)))


class Downsample(nn.Module):
    """Halve the side: one row and column of zeros at the right and bottom, 3x3 convolution of stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, width, h/2, w/2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the side: nearest neighbour, then a 3x3 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, width, 2h, 2w)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """The residual blocks of one resolution, then at most one change of resolution."""

    def __init__(
        self, width_in: int, width_out: int, blocks: int, downsample: bool = False, upsample: bool = False
    ) -> None:
        super().__init__()
        widths = [width_in] + [width_out] * blocks
        self.block = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise(widths))
        self.downsample = Downsample(widths[-1]) if downsample else nn.Identity()
        self.upsample = Upsample(widths[-1]) if upsample else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h', w')."""
        for block in self.block:
            x = block(x)
        return self.upsample(self.downsample(x))


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
        self.norm_out = _norm(widths[-1])
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
        self.norm_out = _norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, z, h, w) -> (B, 3, fh, fw), about [-1, 1]."""
        h = self.mid(self.conv_in(self.post_quant_conv(vectors)))
        for index in reversed(range(len(self.up))):
            h = self.up[index](h)
        return self.conv_out(F.silu(self.norm_out(h)))
