"""MAGVIT-v2: the look-up-free tokenizer of Show-o, in the published layout of names.

A picture becomes a grid of integer codes: the encoder gives ``z_channels`` numbers per cell, their signs
are the bits of the code (channel 0 is the most significant). Decoding maps bits back to pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unictk.backbones.autoencoders import Decoder, Encoder
from unictk.backbones.convolutions import GROUPS, set_groups
from unictk.errors import UserError


class SignQuantizer(nn.Module):
    """Look-up-free quantization: a code's bits are the signs of the channels (exactly 0 counts as -1).

    Buffers, as published: ``embedding`` (2**z, z), the bits of every code as -1 and 1, and ``power_vals``
    (z,), the weight of every channel.
    """

    embedding: Tensor
    power_vals: Tensor

    def __init__(self, z: int) -> None:
        super().__init__()
        self.register_buffer("power_vals", 2 ** torch.arange(z - 1, -1, -1))
        codes = torch.arange(2**z)[:, None]
        self.register_buffer("embedding", ((codes & self.power_vals) != 0).float() * 2 - 1)

    def index(self, hidden: Tensor) -> Tensor:
        """(B, z, ...) -> codes (B, ...), int64."""
        return ((hidden > 0).movedim(1, -1) * self.power_vals).sum(-1)

    def bits(self, codes: Tensor) -> Tensor:
        """Codes (B, ...) -> (B, z, ...) of -1 and 1."""
        return self.embedding[codes].movedim(-1, 1)


class MagvitV2(nn.Module):
    """The tokenizer of Show-o: 382 tensors and 95,387,004 parameters at the published sizes.

    Sizes are per level, from full resolution down. The published option ``resolution`` only says at which
    level attention would stand (feature width 5, which no published size has), so it does not exist here:
    any side that is a multiple of ``downsample`` can be encoded. With few channels take fewer ``groups``:
    a norm over one channel of one picture takes away how bright that picture is.
    """

    def __init__(
        self,
        channels: int = 128,
        encoder_multipliers: Sequence[int] = (1, 2, 2, 4, 4),
        encoder_blocks: Sequence[int] = (4, 3, 4, 3, 4),
        decoder_multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        decoder_blocks: Sequence[int] = (4, 4, 3, 4, 3),
        z_channels: int = 13,
        groups: int = GROUPS,
    ) -> None:
        super().__init__()
        levels = (encoder_multipliers, encoder_blocks, decoder_multipliers, decoder_blocks)
        _check_sizes(channels, groups, *levels)
        self.encoder = Encoder(channels, encoder_multipliers, encoder_blocks, z_channels, pointwise=True)
        self.decoder = Decoder(channels, decoder_multipliers, decoder_blocks, z_channels, pointwise=True)
        self.quantize = SignQuantizer(z_channels)
        set_groups(self, groups)
        # Encodes about 1.25 times faster on a CPU; decoding showed no clear gain.
        self.encoder.to(memory_format=torch.channels_last)
        self.downsample: int = 2 ** (len(encoder_multipliers) - 1)
        self.codebook_size: int = 2**z_channels

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, H, W) in [-1, 1] -> (B, z, H/f, W/f), before quantization.

        Raises:
            ValueError: the sides are not multiples of ``downsample``.
        """
        if pixels.shape[-1] % self.downsample or pixels.shape[-2] % self.downsample:
            raise ValueError(f"sides {tuple(pixels.shape[-2:])} are not multiples of {self.downsample}")
        return self.encoder(pixels)

    @torch.no_grad()
    def codes(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, H, W) in [-1, 1] -> codes (B, N) int64, rows of the grid one after another."""
        return self.index(self.encode(pixels)).flatten(1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, N) of a square grid -> pixels (B, 3, H, W) in [0, 1]."""
        return ((self.decode_raw(codes) + 1) / 2).clamp(0, 1)

    def decode_raw(self, codes: Tensor) -> Tensor:
        """Codes (B, N) of a square grid -> the decoder's pixels (B, 3, H, W), about [-1, 1], not clamped.

        Raises:
            ValueError: N is not a square.
        """
        side = math.isqrt(codes.shape[-1])
        if side * side != codes.shape[-1]:
            raise ValueError(f"{codes.shape[-1]} codes are not a square grid")
        return self.decoder(self.bits(codes.unflatten(-1, (side, side))))

    def index(self, hidden: Tensor) -> Tensor:
        """(B, z, h, w) of any sign pattern -> codes (B, h, w) int64; channel 0 is the highest bit."""
        return self.quantize.index(hidden)

    def bits(self, codes: Tensor) -> Tensor:
        """Codes (B, h, w) -> (B, z, h, w) of -1 and 1: what the decoder reads."""
        return self.quantize.bits(codes)


def _check_sizes(channels: int, groups: int, *levels: Sequence[int]) -> None:
    if channels < groups or channels % groups:
        below = max(groups, channels // groups * groups)
        raise UserError(f"magvit.channels: {channels} is not a multiple of {groups}; nearest: {below}")
    if len({len(sizes) for sizes in levels}) != 1:
        shown = ", ".join(str(len(sizes)) for sizes in levels)
        raise UserError(
            "magvit: encoder_multipliers, encoder_blocks, decoder_multipliers and decoder_blocks have "
            f"{shown} levels; all need the same number"
        )
