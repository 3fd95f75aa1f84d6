"""BAGEL's two losses on a pack: cross entropy of texts, rectified flow of latents."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.packing import Pack
from unictk.backbones.base import Rows
from unictk.samples import Loss


@dataclass(frozen=True, slots=True)
class TokenLosses:
    """``text`` (m,): cross entropy of each label; ``image`` (k, latent width): squared errors."""

    text: Tensor
    image: Tensor

    def summed(self) -> Loss:
        """Sums and counts; an image token counts once, with the mean of its numbers.

        The stage divides each sum by the count of the whole optimizer step, over ranks and accumulated
        batches: so long samples weigh as many tokens as they have, wherever they are computed.
        """
        return Loss(self.text.sum(), len(self.text), self.image.mean(1).sum(), len(self.image))


def shifted_time(time: Tensor, shift: float) -> Tensor:
    """Times in [0, 1] moved towards noise: s t / (1 + (s - 1) t); 0 and 1 stay."""
    return shift * time / (1 + (shift - 1) * time)


def input_vectors(network: BagelNetwork, pack: Pack, rows: Rows | None = None) -> Tensor:
    """(1, T, width): texts from the table, pictures from the ViT, latents with their times."""
    texts = network.embed(pack.ids, rows)
    parts = [(pack.id_places, texts)]
    if pack.pictures:
        parts.append((pack.picture_places, torch.cat(network.see(pack.pictures))))
    latents = network.latent_vectors(pack.latents, pack.times, pack.table_places)
    parts.append((pack.latent_places, latents))
    order = torch.cat([place for place, _ in parts]).argsort()
    return torch.cat([vectors.to(texts.dtype) for _, vectors in parts])[order][None]


def states(network: BagelNetwork, pack: Pack, rows: Rows | None = None, flex: bool = False) -> Tensor:
    """(T, width) hidden states of a pack; ``flex``: by flex attention instead of a dense mask."""
    mask = pack.marks.block_mask() if flex else pack.marks.dense()
    return network.trunk(input_vectors(network, pack, rows), pack.drawn, pack.positions, mask)[0]


def token_losses(
    network: BagelNetwork, pack: Pack, rows: Rows | None = None, flex: bool = False
) -> TokenLosses:
    """The losses of every target of a pack, fp32."""
    found = states(network, pack, rows, flex)
    logits = network.logits(found[pack.label_places], rows).float()
    velocity = network.velocity(found[pack.target_places]).float()
    text = functional.cross_entropy(logits, pack.labels, reduction="none")
    return TokenLosses(text, (velocity - pack.targets) ** 2)
