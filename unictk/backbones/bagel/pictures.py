"""Pictures of a batch as what the network reads: latents, and pixels for the ViT."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.batch import BagelBatch, Latent, Look, Planned
from unictk.backbones.bagel.layout import BagelLayout
from unictk.backbones.bagel.packing import LatentPart, Part, PicturePart, TextPart
from unictk.backbones.codes import exact_convolutions


def signed(pixels: Tensor) -> Tensor:
    """uint8 pixels as fp32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


class PictureReader:
    """Turns a batch's planned parts into parts with tensors, each picture encoded once.

    Args:
        layout: keeps the distributions of latents that are known.
        autoencoder: always run in fp32.
        most: pictures per forward pass.
    """

    def __init__(self, layout: BagelLayout, autoencoder: FluxAutoencoder, most: int) -> None:
        self.layout, self.autoencoder, self.most = layout, autoencoder, most

    def samples(self, batch: BagelBatch) -> list[list[Part]]:
        """The samples' parts, on the CPU."""
        posteriors, decoded = self.posteriors(batch), self._decoded(batch)
        return [[self._part(part, batch, posteriors, decoded) for part in sample] for sample in batch.samples]

    def _part(
        self,
        part: Planned,
        batch: BagelBatch,
        posteriors: Mapping[int, Tensor],
        decoded: Mapping[int, Tensor],
    ) -> Part:
        if isinstance(part, TextPart):
            return part
        if isinstance(part, Look):
            if part.dropped:
                side = self.layout.vision_size
                return PicturePart(torch.zeros(3, side, side), dropped=True)
            if part.picture in decoded:
                return PicturePart(decoded[part.picture])
            return PicturePart(signed(batch.views[part.picture].cpu()))
        return LatentPart(self._latent(part, batch, posteriors), part.noise, part.time, part.dropped)

    def _latent(self, part: Latent, batch: BagelBatch, posteriors: Mapping[int, Tensor]) -> Tensor:
        if part.dropped:
            return torch.zeros(self.layout.latent_shape)
        if part.picture in batch.exact:
            return batch.exact[part.picture].cpu()
        mean, deviation = posteriors[part.picture]
        return mean if part.chance is None else mean + deviation * part.chance

    @torch.no_grad()
    def posteriors(self, batch: BagelBatch) -> dict[int, Tensor]:
        """(2, z, h, w), mean and deviation, of every picture known or sent as pixels, on the CPU."""
        memory = self.layout.posteriors.memory
        found = {number: memory[key] for number, key in enumerate(batch.keys) if key in memory}
        fresh = list(batch.pixels)
        for first in range(0, len(fresh), self.most):
            chunk = fresh[first : first + self.most]
            pixels = signed(torch.stack([batch.pixels[number] for number in chunk]))
            with torch.autocast(pixels.device.type, enabled=False), exact_convolutions():
                posterior = self.autoencoder.encode(pixels)
            for number, pair in zip(
                chunk, zip(posterior.mean, posterior.deviation, strict=True), strict=True
            ):
                found[number] = torch.stack(pair).cpu()
                self.layout.posteriors.put(batch.keys[number], found[number])
        return found

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """(B, z, h, w) latents -> (B, 3, H, W) fp32 in [-1, 1], clamped."""
        with torch.autocast(latents.device.type, enabled=False), exact_convolutions():
            parts = [self.autoencoder.decode(part.float()) for part in latents.split(self.most)]
        return torch.cat(parts).clamp(-1, 1)

    def _decoded(self, batch: BagelBatch) -> dict[int, Tensor]:
        """What the ViT sees of pictures that are given as latents."""
        parts = [part for sample in batch.samples for part in sample if isinstance(part, Look)]
        numbers = sorted({p.picture for p in parts if not p.dropped and p.picture in batch.exact})
        if not numbers:
            return {}
        pixels = self.decode(torch.stack([batch.exact[number] for number in numbers]))
        side = (self.layout.vision_size,) * 2
        seen = functional.interpolate(pixels, side, mode="bicubic", antialias=True).clamp(-1, 1).cpu()
        return dict(zip(numbers, seen, strict=True))
