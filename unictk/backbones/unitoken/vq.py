"""Chameleon's image tokenizer, a VQGAN, with the decoder that transformers lacks, in the original names.

A picture becomes a grid of integers: each cell's vector is the number of the nearest one in a codebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from unictk.backbones.convolutions import GROUPS, Level, Middle, group_norm, set_groups
from unictk.errors import UserError


class Encoder(nn.Module):
    """Pixels to one vector per cell; every level but the last halves the side."""

    def __init__(self, channels: int, multipliers: Sequence[int], blocks: int, z: int) -> None:
        super().__init__()
        widths = [channels] + [channels * m for m in multipliers]
        last = len(multipliers) - 1
        self.conv_in = nn.Conv2d(3, channels, 3, padding=1)
        self.down = nn.ModuleList(
            Level(widths[i], widths[i + 1], blocks, downsample=i < last) for i in range(last + 1)
        )
        self.mid = Middle(widths[-1])
        self.norm_out = group_norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], z, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, z, H/f, W/f)."""
        h = self.conv_in(pixels)
        for level in self.down:
            h = level(h)
        return self.conv_out(F.silu(self.norm_out(self.mid(h))))


class Decoder(nn.Module):
    """Vectors to pixels, one block a level more than the encoder; ``up[0]`` is full size and runs last."""

    def __init__(self, channels: int, multipliers: Sequence[int], blocks: int, z: int) -> None:
        super().__init__()
        widths = [channels * m for m in multipliers]
        entering = [*widths[1:], widths[-1]]
        self.conv_in = nn.Conv2d(z, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1])
        self.up = nn.ModuleList(
            Level(entering[i], widths[i], blocks + 1, upsample=i > 0) for i in range(len(widths))
        )
        self.norm_out = group_norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, z, h, w) -> (B, 3, fh, fw), about [-1, 1]."""
        h = self.mid(self.conv_in(vectors))
        for index in reversed(range(len(self.up))):
            h = self.up[index](h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Codebook(nn.Module):
    """The vectors that codes stand for, as they are (not normalised)."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, width)

    def nearest(self, vectors: Tensor) -> Tensor:
        """(..., width) -> the number of the nearest codebook vector, (...,) int64."""
        table = self.embedding.weight
        flat = vectors.reshape(-1, table.shape[1])
        squares = flat.pow(2).sum(1, keepdim=True) + table.pow(2).sum(1)
        return (squares - 2 * flat @ table.T).argmin(1).view(vectors.shape[:-1])


class VQTokenizer(nn.Module):
    """The tokenizer of Chameleon, Lumina-mGPT and UniToken: 293 tensors at the published sizes.

    Sizes are per level, from full resolution down; attention stands at the lowest only, as published. Any
    sides that are multiples of ``downsample`` can be encoded. With few channels take fewer ``groups``.
    """

    def __init__(
        self,
        channels: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: Annotated[int, Ge(0)] = 2,
        z_channels: Annotated[int, Ge(1)] = 256,
        codebook: Annotated[int, Ge(2)] = 8192,
        width: Annotated[int, Ge(1)] = 256,
        groups: int = GROUPS,
    ) -> None:
        super().__init__()
        if channels < groups or channels % groups:
            below = max(groups, channels // groups * groups)
            raise UserError(
                f"image_tokenizer.channels: {channels} is not a multiple of {groups}; nearest: {below}"
            )
        self.encoder = Encoder(channels, multipliers, blocks, z_channels)
        self.decoder = Decoder(channels, multipliers, blocks, z_channels)
        self.quantize = Codebook(codebook, width)
        self.quant_conv = nn.Conv2d(z_channels, width, 1)
        self.post_quant_conv = nn.Conv2d(width, z_channels, 1)
        set_groups(self, groups)
        self.downsample: int = 2 ** (len(multipliers) - 1)
        self.codebook_size = codebook

    @torch.no_grad()
    def codes(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, H, W) in [-1, 1] -> codes (B, H/f, W/f) int64.

        Raises:
            ValueError: the sides are not multiples of ``downsample``.
        """
        if pixels.shape[-1] % self.downsample or pixels.shape[-2] % self.downsample:
            raise ValueError(f"sides {tuple(pixels.shape[-2:])} are not multiples of {self.downsample}")
        return self.quantize.nearest(self.quant_conv(self.encoder(pixels)).movedim(1, -1))

    def decode_raw(self, codes: Tensor) -> Tensor:
        """Codes (B, h, w) -> the decoder's pixels (B, 3, fh, fw), about [-1, 1], not clamped."""
        return self.decoder(self.post_quant_conv(self.quantize.embedding(codes).movedim(-1, 1)))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, h, w) -> pixels (B, 3, fh, fw) uint8."""
        return to_levels(self.decode_raw(codes))


def to_levels(raw: Tensor) -> Tensor:
    """Pixels about [-1, 1] to the 256 levels; fractions are cut off, as published."""
    return ((raw.clamp(-1, 1) + 1) / 2 * 255).to(torch.uint8)


def from_levels(levels: Tensor) -> Tensor:
    """The 256 levels to [-1, 1], what the encoder reads: 255 is 1 exactly."""
    return levels.float() / 255 * 2 - 1
