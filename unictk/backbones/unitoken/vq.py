"""Chameleon's image tokenizer, a VQGAN, with the decoder that transformers lacks, in the original names.

A picture becomes a grid of integers: each cell's vector is the number of the nearest one in a codebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from unictk.backbones.autoencoders import Decoder, Encoder
from unictk.backbones.convolutions import GROUPS, set_groups
from unictk.backbones.pictures import to_levels
from unictk.errors import UserError


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
        levels = len(multipliers)
        self.encoder = Encoder(channels, multipliers, [blocks] * levels, z_channels)
        self.decoder = Decoder(channels, multipliers, [blocks + 1] * levels, z_channels)
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
