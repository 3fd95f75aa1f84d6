"""Putting the parts of a Show-o together: sizes that agree, weights read or drawn."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PhiConfig

from unictk.backbones.settings import SizePair, check_equal
from unictk.backbones.showo.layout import ShowoLayout
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.weights import load_language, load_magvit
from unictk.errors import UserError


def build_network(config: PhiConfig, vocabulary: int, weights: str | None, seed: int) -> ShowoNetwork:
    """The network with published weights, or drawn at random from ``seed``."""
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ShowoNetwork(config, vocabulary)
    with torch.device("meta"):
        network = ShowoNetwork(config, vocabulary)
    network.phi.model.rotary_emb = type(network.phi.model.rotary_emb)(config)
    expected = {name: tuple(tensor.shape) for name, tensor in network.phi.state_dict().items()}
    tensors = load_language(weights, expected)
    for name in list(tensors):  # one by one, so that never two whole copies are held
        tensors[name] = tensors[name].to(torch.float32, copy=True)
    network.phi.load_state_dict(tensors, assign=True)
    return network


def fill_tokenizer(tokenizer: MagvitV2, weights: str | None, seed: int) -> None:
    """Give the image tokenizer published weights, or random ones drawn from ``seed``."""
    expected = {name: tuple(tensor.shape) for name, tensor in tokenizer.state_dict().items()}
    if weights is not None:
        tokenizer.load_state_dict(load_magvit(weights, expected))
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in tokenizer.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()


def check_sizes(layout: ShowoLayout, language: PhiConfig, tokenizer: MagvitV2) -> None:
    """Refuse a layout, language model and image tokenizer whose sizes disagree, naming both values."""
    if layout.image_size % tokenizer.downsample:
        below = layout.image_size // tokenizer.downsample * tokenizer.downsample
        raise UserError(
            f"backbone.layout.image_size: {layout.image_size} is not a multiple of the image tokenizer's "
            f"{tokenizer.downsample}; nearest: {max(below, tokenizer.downsample)}"
        )
    side = layout.image_size // tokenizer.downsample
    pairs: list[SizePair] = [
        ("layout.codebook", layout.vocabulary.codebook, "image_tokenizer's codes", tokenizer.codebook_size),
        ("layout cells per image", layout.cells, "image_tokenizer's", side * side),
        (
            "layout.positions",
            layout.positions,
            "language.max_position_embeddings",
            language.max_position_embeddings,
        ),
    ]
    check_equal(pairs)
