"""Putting the parts of a Janus together: sizes that agree, weights read or drawn."""

from __future__ import annotations

import torch
from transformers import JanusConfig, JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from unictk.backbones.checkpoints import fill_module
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.janus.weights import load, random_weights
from unictk.backbones.settings import SizePair, check_equal


def build_network(config: JanusConfig, weights: str | None, seed: int) -> JanusNetwork:
    """The network with published weights, or drawn at random from ``seed``."""
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = JanusNetwork(config)
            random_weights(network)
            return network
    with torch.device("meta"):
        network = JanusNetwork(config)
    fill_module(network.stock, load(weights, network)[0])
    network.make_buffers(torch.device("cpu"))
    return network


def check_sizes(
    layout: JanusLayout, language: LlamaConfig, vision: JanusVisionConfig, image: JanusVQVAEConfig
) -> None:
    """Refuse a layout, language model, tower and image tokenizer whose sizes disagree, naming both values."""
    pairs: list[SizePair] = [
        ("layout.image_size", layout.image_size, "vision.image_size", vision.image_size),
        ("layout.patch", layout.image_size // layout.side, "vision.patch_size", vision.patch_size),
        (
            "layout.patch",
            layout.image_size // layout.side,
            "a code's side, by image_tokenizer.multipliers,",
            2 ** (len(image.channel_multiplier) - 1),
        ),
        ("layout.codebook", layout.codebook, "image_tokenizer.codebook", image.num_embeddings),
        (
            "layout.positions",
            layout.positions,
            "language.max_position_embeddings",
            language.max_position_embeddings,
        ),
    ]
    check_equal(pairs)
