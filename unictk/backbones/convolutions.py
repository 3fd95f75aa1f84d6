"""Convolutional blocks of image tokenizers and autoencoders, with the names of their common ancestor.

MAGVIT-v2, the VQGAN of Chameleon and the FLUX autoencoder are built of the same blocks, so their published
weights fit one by one.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 32
"""Groups of every GroupNorm of the published tokenizers; channel counts must be multiples of it."""


def group_norm(channels: int) -> nn.GroupNorm:
    """Over one group, until :func:`set_groups` says how many: widths are known here, groups to the whole."""
    return nn.GroupNorm(1, channels, eps=1e-6)


def set_groups(model: nn.Module, groups: int) -> None:
    """The number of groups of every GroupNorm in the model."""
    for norm in model.modules():
        if isinstance(norm, nn.GroupNorm):
            norm.num_groups = groups


class ResidualBlock(nn.Module):
    """Two (norm, swish, 3x3 convolution), added to the input; 1x1 shortcut where the width changes."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.norm1 = group_norm(width_in)
        self.conv1 = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.norm2 = group_norm(width_out)
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
        self.norm = group_norm(width)
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
