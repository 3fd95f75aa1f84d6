"""Putting the parts of a BAGEL together: sizes that agree, weights read or drawn."""

from __future__ import annotations

import torch
from torch import nn
from transformers import Qwen2Config, SiglipVisionConfig

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.layout import BagelLayout
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.weights import load_autoencoder, load_network, published_folder
from unictk.errors import UserError


def build(
    layout: BagelLayout,
    language: Qwen2Config | None,
    vision: SiglipVisionConfig | None,
    autoencoder: FluxAutoencoder,
    weights: str | None,
    seed: int,
    dtype: torch.dtype,
) -> BagelNetwork:
    """The network, and the autoencoder filled: with published weights, or drawn at random from ``seed``.

    Raises:
        UserError: neither weights nor sizes, or parts whose sizes disagree with the layout's.
    """
    if weights is not None:
        folder = published_folder(weights)
        network = load_network(folder, layout.sizes, dtype)
        load_autoencoder(folder, autoencoder)
    elif language is None or vision is None:
        raise UserError("backbone: without weights it needs the sizes of language and vision; both are null")
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = BagelNetwork(language, vision, layout.sizes)
            for module in autoencoder.modules():
                if isinstance(module, nn.Conv2d):
                    module.reset_parameters()
        network.draw_weights(seed)
        network.cast(dtype)
    _check(layout, network, autoencoder)
    return network


def _check(layout: BagelLayout, network: BagelNetwork, autoencoder: FluxAutoencoder) -> None:
    pairs = [
        ("vocabulary", layout.codec.vocabulary, "language.vocab_size", network.language_config.vocab_size),
        ("vision_patch", layout.vision_patch, "vision.patch_size", network.patch),
        ("downsample", layout.downsample, "autoencoder's", autoencoder.downsample),
        ("latent_channels", layout.sizes.latent_channels, "autoencoder.z_channels", autoencoder.z_channels),
    ]
    for name, value, other, limit in pairs:
        if value != limit:
            raise UserError(f"backbone.layout.{name}: {value}, but {other} is {limit}; nearest: {limit}")
    places = len(network.vision.position_embedding.weight)
    if layout.sizes.vision_side**2 > places:
        raise UserError(
            f"backbone.layout.vision_side: {layout.sizes.vision_side} squared is more than the {places} "
            "positions of the ViT; expected the root of it"
        )
