"""Small Januses of random weights that are livelier than fresh ones, and transformers asked the plain way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import JanusForConditionalGeneration

from unictk.backbones.janus.backbone import Janus
from unictk.backbones.janus.configs import image_config, language_config, vision_config
from unictk.backbones.janus.layout import JanusLayout

SIDE = 4
"""Cells to a side of a picture of 16 pixels."""


def tiny_layout(**options: object) -> JanusLayout:
    """16-pixel pictures of 16 cells and 32 codes, the bundled tokenizer."""
    settings = {"image_size": 16, "patch": 4, "codebook": 32, "positions": 512, "condition_dropout": 0.0}
    return JanusLayout(None, **(settings | options))  # type: ignore[arg-type]


def make_janus(layout: JanusLayout | None = None, lively: bool = True, **options: object) -> Janus:
    """The whole backbone."""
    backbone = Janus(
        layout or tiny_layout(),
        language_config(48, 64, 3, 4, 4, max_position_embeddings=512),
        vision_config(24, 2.0, 1, 2, image_size=16, patch_size=4),
        image_config(32, (1, 1, 2), 1, 8, 32, 8),
        seed=3,
        **options,  # type: ignore[arg-type]
    )
    if lively:
        enliven(backbone)
    return backbone


def enliven(backbone: Janus) -> None:
    """Fresh weights of 0.02 make logits that are all the same."""
    stock = backbone.network.stock
    with torch.no_grad():
        for name, parameter in stock.named_parameters():
            if parameter.ndim == 2 and "vqmodel" not in name:
                parameter.mul_(6)
        # Padding has a row of zeros in a fresh table, and rows to say something with in a trained one.
        chance = torch.Generator().manual_seed(1)
        pad = torch.randn(backbone.row_shape.hidden, generator=chance) * 0.12
        backbone.network.input_table[backbone.layout.vocabulary.pad] = pad


def stock_codes(
    backbone: Janus, prompts: Sequence[Sequence[int]], guidance: float, **options: object
) -> Tensor:
    """Codes by transformers' own ``generate``; prompts end where a picture starts, padded on the left."""
    v, longest = backbone.layout.vocabulary, max(map(len, prompts))
    ids = torch.tensor([[v.pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    seen = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    stock: JanusForConditionalGeneration = backbone.network.stock
    stock.generation_config.generation_kwargs = {"boi_token_id": v.start_of_image}
    settings = {"bos_token_id": v.begin, "eos_token_id": v.end, "pad_token_id": v.pad, "top_k": 0}
    return stock.generate(
        ids,
        attention_mask=seen,
        generation_mode="image",
        guidance_scale=guidance,
        **(settings | {"do_sample": False} | options),
    )
