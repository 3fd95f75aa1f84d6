"""The FLUX autoencoder: pictures to a normal distribution of latents, latents to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from unictk.backbones.autoencoders import Decoder, Encoder
from unictk.backbones.convolutions import GROUPS, set_groups
from unictk.errors import UserError


@dataclass(frozen=True, slots=True)
class Posterior:
    """A normal distribution of latents; ``mean`` and ``deviation`` (B, z, h, w), scaled and shifted."""

    mean: Tensor
    deviation: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """The latent that standard normal ``noise`` (B, z, h, w) makes of it."""
        return self.mean + self.deviation * noise


class FluxAutoencoder(nn.Module):
    """Names of the state dict are FLUX's own. The defaults are the published sizes, 8 pixels a cell.

    Latents are ``scale * (z - shift)`` of the encoder's z.
    """

    def __init__(
        self,
        channels: Annotated[int, Ge(1)] = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        blocks: Annotated[int, Ge(1)] = 2,
        z_channels: Annotated[int, Ge(1)] = 16,
        scale: float = 0.3611,
        shift: float = 0.1159,
    ) -> None:
        super().__init__()
        if channels % GROUPS:
            below = max(GROUPS, channels // GROUPS * GROUPS)
            raise UserError(
                f"backbone.autoencoder.channels: {channels} is not a multiple of {GROUPS}; nearest: {below}"
            )
        levels = len(multipliers)
        self.encoder = Encoder(channels, multipliers, [blocks] * levels, 2 * z_channels)
        self.decoder = Decoder(channels, multipliers, [blocks + 1] * levels, z_channels)
        set_groups(self, GROUPS)
        self.z_channels, self.scale, self.shift = z_channels, scale, shift
        self.downsample: int = 2 ** (levels - 1)

    def encode(self, pixels: Tensor) -> Posterior:
        """Pixels (B, 3, H, W) in [-1, 1] -> latents (B, z, H/f, W/f).

        Raises:
            ValueError: sides that are not multiples of ``downsample``.
        """
        if pixels.shape[-1] % self.downsample or pixels.shape[-2] % self.downsample:
            raise ValueError(f"sides {tuple(pixels.shape[-2:])} are not multiples of {self.downsample}")
        mean, log_variance = self.encoder(pixels).chunk(2, dim=1)
        return Posterior(self.scale * (mean - self.shift), self.scale * torch.exp(log_variance / 2))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, z, h, w) -> pixels (B, 3, H, W), about [-1, 1], not clamped."""
        return self.decoder(latents / self.scale + self.shift)
