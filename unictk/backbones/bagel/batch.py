"""The parts of a BAGEL batch: samples with pictures by number, and what is needed of each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unictk.backbones.bagel.packing import TextPart


@dataclass(frozen=True, slots=True)
class Look:
    """A picture that the ViT reads."""

    picture: int
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Latent:
    """A picture as a latent.

    Attributes:
        picture: its number.
        chance: standard normal (z, h, w) that picks the latent from the autoencoder's distribution; None: its
            mean.
        noise: (tokens, latent width) for one that is drawn, mixed in at ``time``.
        time: after the shift.
        dropped: left out.
    """

    picture: int
    chance: Tensor | None = None
    noise: Tensor | None = None
    time: float = 0.0
    dropped: bool = False


Planned = TextPart | Look | Latent


@dataclass(slots=True)
class BagelBatch:
    """Samples, and by number what their pictures need.

    Attributes:
        samples: their parts, in order.
        keys: names of the distinct pictures.
        exact: latents (z, h, w) that were given.
        pixels: (3, H, W) uint8, of pictures whose distribution of latents is not known yet.
        views: (3, h, w) uint8, as the ViT sees them.
        device: where the tensors lie.
    """

    samples: Sequence[Sequence[Planned]]
    keys: tuple[str, ...]
    exact: Mapping[int, Tensor]
    pixels: Mapping[int, Tensor]
    views: Mapping[int, Tensor]
    device: torch.device

    def to(self, device: torch.device | str, non_blocking: bool = False) -> BagelBatch:
        """The same with its pictures on ``device``."""

        def moved(tensors: Mapping[int, Tensor]) -> dict[int, Tensor]:
            return {
                number: tensor.to(device, non_blocking=non_blocking) for number, tensor in tensors.items()
            }

        return replace(
            self,
            exact=moved(self.exact),
            pixels=moved(self.pixels),
            views=moved(self.views),
            device=torch.device(device),
        )
