"""Putting the parts of a UniToken together: sizes that agree, weights read or drawn."""

from __future__ import annotations

import torch
from torch import nn
from transformers import ChameleonConfig, SiglipVisionConfig

from unictk.backbones.settings import SizePair, check_equal
from unictk.backbones.unitoken.configs import features_to_side
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.backbones.unitoken.weights import fill, load_network, load_tokenizer_state, load_tower


def build_network(
    language: ChameleonConfig,
    vision: SiglipVisionConfig,
    vocabulary: int,
    weights: str | None,
    vision_weights: str | None,
    seed: int,
) -> UniTokenNetwork:
    """The network with published weights, or drawn at random from ``seed``.

    With ``vision_weights`` the tower is SigLIP's, and an adapter that ``weights`` lack is drawn.
    """
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return UniTokenNetwork(language, vision, vocabulary)
    with torch.device("meta"):
        network = UniTokenNetwork(language, vision, vocabulary)
    tensors, file = load_network(weights)
    if vision_weights is not None:
        expected = {name for name in network.state_dict() if name.startswith("vit.")}
        tower = load_tower(vision_weights, expected)
        tensors = {name: t for name, t in tensors.items() if not name.startswith("vit.")} | tower
        if not any(name.startswith("adapter.") for name in tensors):
            tensors |= _fresh_adapter(network, language.initializer_range, seed)
    fill(network, tensors, file)
    network.make_buffers(torch.device("cpu"))
    return network


def _fresh_adapter(network: UniTokenNetwork, spread: float, seed: int) -> dict[str, torch.Tensor]:
    """Normal weights and zero biases, as the first stage starts."""
    chance = torch.Generator().manual_seed(seed)
    found = {}
    for name, like in network.adapter.state_dict(prefix="adapter.").items():
        found[name] = torch.zeros(like.shape)
        if like.ndim == 2:
            found[name].normal_(std=spread, generator=chance)
    return found


def fill_tokenizer(tokenizer: VQTokenizer, weights: str | None, seed: int) -> None:
    """Give the image tokenizer published weights, or random ones drawn from ``seed``."""
    if weights is not None:
        fill(tokenizer, *load_tokenizer_state(weights))
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in tokenizer.modules():
            if isinstance(module, nn.Conv2d | nn.Embedding):
                module.reset_parameters()


def check_sizes(
    layout: UniTokenLayout, language: ChameleonConfig, vision: SiglipVisionConfig, tokenizer: VQTokenizer
) -> None:
    """Refuse a layout, language model, tower and image tokenizer whose sizes disagree, naming both values."""
    pairs: list[SizePair] = [
        ("layout.codebook", layout.vocabulary.codebook, "image_tokenizer.codebook", tokenizer.codebook_size),
        (
            "layout.image_size / patch",
            layout.side,
            "codes to a side",
            layout.image_size // tokenizer.downsample,
        ),
        ("layout.tile", layout.tile, "vision.image_size", vision.image_size),
        ("layout.tile / tile_patch", layout.tile_side, "vision's", features_to_side(vision)),
        (
            "layout.positions",
            layout.positions,
            "language.max_position_embeddings",
            language.max_position_embeddings,
        ),
    ]
    check_equal(pairs)
