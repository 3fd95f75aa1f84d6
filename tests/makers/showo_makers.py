"""A small Show-o of random weights: real classes, real tokenizer, 16 codes an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from unictk.backbones.base import Rows
from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.layout import ShowoLayout
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.network import phi_config
from unictk.concepts.tokens import ConceptTokens

MakeShowo = Callable[..., Showo]


def make_showo(max_text: int = 48, dropout: float = 0.0, **options: object) -> Showo:
    layout = ShowoLayout(
        image_size=16, patch=4, codebook=64, max_text=max_text, positions=256, condition_dropout=dropout
    )
    language = phi_config(64, 3, 4, 128, max_position_embeddings=256)
    tokenizer = MagvitV2(32, (1, 1, 2), (1, 1, 1), (1, 1, 2), (1, 1, 1), z_channels=6)
    backbone = Showo(layout, language, tokenizer, seed=3, **options)  # type: ignore[arg-type]
    with torch.no_grad():  # livelier than the 0.02 of a fresh transformer: answers and pictures differ
        for parameter in backbone.network.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    return backbone


def make_concept(
    backbone: Showo, name: str = "bo", groups: tuple[tuple[str, int], ...] | None = None
) -> ConceptTokens:
    concept = ConceptTokens(name, backbone.row_shape)
    chance = torch.Generator().manual_seed(5)
    for group, count in groups or (("identifier", 1), ("shared", 4), ("generation", 2), ("understanding", 2)):
        shape = (count, backbone.row_shape.hidden)
        concept.grow(
            group,
            Rows(
                torch.randn(shape, generator=chance) * 0.1,
                torch.randn(shape, generator=chance) * 0.1,
                torch.randn(count, generator=chance) * 0.1,
            ),
        )
    return concept


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
