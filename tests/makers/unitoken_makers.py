"""Small UniTokens whose every number follows from a formula, and the specification's three sequences."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from unictk.backbones.unitoken.anyres import CANVASES
from unictk.backbones.unitoken.backbone import UniToken
from unictk.backbones.unitoken.configs import language_config, vision_config
from unictk.backbones.unitoken.layout import DRAW, UniTokenLayout
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vocabulary import Vocabulary
from unictk.backbones.unitoken.vq import VQTokenizer

VOCABULARY = Vocabulary(size=9000)
IMAGE = [8197, 8805, 8805, 10, 11, 8803, 12, 13, 8803, 8196]
UNDERSTANDING = ([0, *IMAGE, 200, 300, 8710, 500, 501, 8710], [-100] * 14 + [500, 501, 8710])
GENERATION = ([0, 210, 211, 8710, *IMAGE, 8710], [-100] * 4 + [*IMAGE, 8710])
TEXT = ([0, 220, 8710, 600, 601, 602, 8710], [-100] * 3 + [600, 601, 602, 8710])


@lru_cache(maxsize=1)
def formula_network() -> UniTokenNetwork:
    """Element i of the k-th tensor (names sorted) is 0.05 sin(0.1 k + 0.37 i), plus one in norm weights."""
    language = language_config(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=128,
    )
    vision = vision_config(
        intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, image_size=28, patch_size=14
    )
    network = UniTokenNetwork(language, vision, 9000)
    state = network.state_dict()
    for k, name in enumerate(sorted(state)):
        flat = torch.arange(state[name].numel(), dtype=torch.float64)
        values = 0.05 * torch.sin(0.1 * k + 0.37 * flat)
        if "norm" in name and name.endswith("weight"):
            values += 1
        state[name] = values.float().view_as(state[name])
    network.load_state_dict(state)
    return network.requires_grad_(False).eval()


def formula_pixels(count: int, shift: float) -> Tensor:
    """(count, 3, 28, 28): element i is sin(0.05 i + shift)."""
    flat = torch.arange(count * 3 * 28 * 28, dtype=torch.float64)
    return torch.sin(0.05 * flat + shift).float().view(count, 3, 28, 28)


def tiny_network(seed: int, vocabulary: int = 60, layers: int = 1, draw: bool = True) -> UniTokenNetwork:
    """A network of random numbers, with logits far enough apart to choose among."""
    if draw:
        torch.manual_seed(seed)
    language = language_config(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    vision = vision_config(24, 48, 1, 2, image_size=12, patch_size=4)
    network = UniTokenNetwork(language, vision, vocabulary)
    if draw:
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1 and "_norm." not in name:
                torch.nn.init.normal_(parameter, std=0.3)
    return network.requires_grad_(False).eval()


def tiny_layout(
    any_resolution: bool = True,
    positions: int = 512,
    condition_dropout: float = 0.0,
    legacy: bool = False,
    image_size: int = 16,
    canvases: Sequence[Sequence[int]] = CANVASES,
    drawing_prompt: str = DRAW,
    **more: object,
) -> UniTokenLayout:
    """16-pixel pictures of 16 codes; tiles of 12 pixels and 9 features; the bundled tokenizer."""
    return UniTokenLayout(
        None,
        image_size,
        patch=4,
        codebook=32,
        tile=12,
        tile_patch=4,
        any_resolution=any_resolution,
        canvases=canvases,
        positions=positions,
        condition_dropout=condition_dropout,
        drawing_prompt=drawing_prompt,
        legacy=legacy,
        **more,  # type: ignore[arg-type]
    )


def make_unitoken(layout: UniTokenLayout | None = None, **options: object) -> UniToken:
    """The whole backbone, with random weights that are livelier than fresh ones."""
    language = language_config(32, 48, 2, 4, 4, max_position_embeddings=512)
    vision = vision_config(24, 48, 1, 2, image_size=12, patch_size=4, pooling_head=False)
    tokenizer = VQTokenizer(32, (1, 1, 2), 1, 8, 32, 8)
    chosen = layout or tiny_layout()
    backbone = UniToken(chosen, language, vision, tokenizer, seed=3, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in backbone.network.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)
        # The codebook of a fresh tokenizer lies far from what its encoder gives: few codes would be used.
        tokenizer.quantize.embedding.weight.mul_(0.1)
    return backbone
