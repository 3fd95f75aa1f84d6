"""A small BAGEL of random weights, and parts to feed it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.backbone import Bagel
from unictk.backbones.bagel.layout import BagelLayout
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.packing import LatentPart, Packer, PicturePart, TextPart
from unictk.backbones.bagel.sizes import Sizes, SpecialIds, qwen2_config, siglip_config
from unictk.backbones.base import Rows
from unictk.concepts.tokens import ConceptTokens

SPECIAL = SpecialIds(196, 197, 198, 199)
SIZES = Sizes(latent_patch=2, latent_channels=4, latent_side=8, vision_side=4)
PATCH = 14


def make_network(layers: int = 3, sizes: Sizes = SIZES, seed: int = 0) -> BagelNetwork:
    """Every tensor random, norms near one: a zero or a one would hide what is left out."""
    language = qwen2_config(200, 64, 128, layers, 4, 2)
    vision = siglip_config(32, 64, 2, 4, image_size=56, patch_size=PATCH)
    with torch.random.fork_rng(devices=[]):
        network = BagelNetwork(language, vision, sizes)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=chance)
            is_norm = "norm" in name and name.endswith("weight")
            parameter.copy_(1 + 0.1 * noise if is_norm else (0.15 if parameter.ndim > 1 else 0.1) * noise)
    return network.requires_grad_(False).eval()


def make_packer(sizes: Sizes = SIZES) -> Packer:
    return Packer(SPECIAL, sizes, PATCH)


def make_autoencoder(seed: int = 0) -> FluxAutoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FluxAutoencoder(32, (1, 1, 1, 1), 1, 4).requires_grad_(False).eval()


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def text(seed: int, length: int, target: bool = False, dropped: bool = False) -> TextPart:
    ids = torch.randint(0, 196, (length,), generator=torch.Generator().manual_seed(seed))
    return TextPart(ids.tolist(), target, dropped)


def picture(seed: int, rows: int = 2, columns: int = 3, dropped: bool = False) -> PicturePart:
    return PicturePart(normal(seed, 3, rows * PATCH, columns * PATCH).clamp(-1, 1), dropped)


def clean(seed: int, rows: int = 2, columns: int = 2, dropped: bool = False) -> LatentPart:
    return LatentPart(normal(seed, 4, 2 * rows, 2 * columns), dropped=dropped)


def noised(seed: int, rows: int = 2, columns: int = 2, time: float = 0.7) -> LatentPart:
    return LatentPart(
        normal(seed, 4, 2 * rows, 2 * columns), normal(seed + 1000, rows * columns, SIZES.latent_width), time
    )


def make_bagel(dropout: float = 0.0, **options: object) -> Bagel:
    """The backbone on the bundled tokenizer; pictures of 32 pixels, 4 latent tokens and 16 ViT tokens."""
    layout = BagelLayout(
        image_size=32,
        vision_size=16,
        vocabulary=1160,
        positions=256,
        vision_patch=4,
        latent_channels=4,
        latent_side=4,
        vision_side=4,
        text_dropout=dropout,
        latent_dropout=dropout,
        vision_dropout=dropout,
    )
    language = qwen2_config(1160, 64, 96, 2, 4, 2)
    vision = siglip_config(32, 64, 1, 2, image_size=16, patch_size=4)
    autoencoder = FluxAutoencoder(32, (1, 1, 1, 1), 1, 4)
    backbone = Bagel(layout, language, vision, autoencoder, seed=3, **options)  # type: ignore[arg-type]
    if "weights" not in options:
        with torch.no_grad():  # livelier than the 0.02 of a fresh transformer: answers and pictures differ
            for parameter in backbone.network.parameters():
                if parameter.ndim == 2:
                    parameter.mul_(8)
    return backbone


def make_concept(backbone: Bagel, name: str = "bo") -> ConceptTokens:
    concept = ConceptTokens(name, backbone.row_shape)
    for number, (group, count) in enumerate((("identifier", 1), ("shared", 3))):
        rows = (normal(70 + number, count, 64) * 0.2, normal(80 + number, count, 64) * 0.2)
        concept.grow(group, Rows(*rows, None))
    return concept


def photo(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 32, 3), dtype=np.uint8)
