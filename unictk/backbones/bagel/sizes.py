"""Sizes of BAGEL's parts; every default is the published BAGEL-7B-MoT's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval
from transformers import Qwen2Config, SiglipVisionConfig

from unictk.errors import UserError


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Ids of the four tokens that frame texts (``bos``, ``eos``) and pictures."""

    bos: int
    eos: int
    start_of_image: int
    end_of_image: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """How pictures become tokens of the language model.

    Attributes:
        latent_patch: side of the square of latent cells that is one token.
        latent_channels: channels of the autoencoder's latent.
        latent_side: rows and columns of the position table of latent tokens.
        vision_side: rows and columns of the position table of ViT tokens.
    """

    latent_patch: Annotated[int, Ge(1)] = 2
    latent_channels: Annotated[int, Ge(1)] = 16
    latent_side: Annotated[int, Ge(1)] = 64
    vision_side: Annotated[int, Ge(1)] = 70

    @property
    def latent_width(self) -> int:
        """Numbers in one latent token."""
        return self.latent_patch**2 * self.latent_channels


def qwen2_config(
    vocab_size: Annotated[int, Ge(8)] = 152064,
    hidden_size: Annotated[int, Ge(8)] = 3584,
    intermediate_size: Annotated[int, Ge(8)] = 18944,
    num_hidden_layers: Annotated[int, Ge(1)] = 28,
    num_attention_heads: Annotated[int, Ge(1)] = 28,
    num_key_value_heads: Annotated[int, Ge(1)] = 4,
    rms_norm_eps: Annotated[float, Interval(gt=0)] = 1e-6,
    rope_theta: Annotated[float, Interval(gt=0)] = 1e6,
    max_position_embeddings: Annotated[int, Ge(16)] = 32768,
) -> Qwen2Config:
    """Sizes of the language model (each expert has them).

    Raises:
        UserError: heads that do not divide the width, or groups that do not divide the heads.
    """
    if hidden_size % (2 * num_attention_heads):
        raise UserError(
            f"backbone.language: hidden_size {hidden_size} and num_attention_heads {num_attention_heads}; "
            "expected heads of an even, whole size"
        )
    if hidden_size % 4:
        raise UserError(
            f"backbone.language.hidden_size: {hidden_size} is not a multiple of 4, which position tables need"
        )
    if num_attention_heads % num_key_value_heads:
        raise UserError(
            f"backbone.language: num_key_value_heads {num_key_value_heads} does not divide "
            f"num_attention_heads {num_attention_heads}"
        )
    return Qwen2Config(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=num_key_value_heads,
        rms_norm_eps=rms_norm_eps,
        max_position_embeddings=max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        tie_word_embeddings=False,
    )


def siglip_config(
    hidden_size: Annotated[int, Ge(8)] = 1152,
    intermediate_size: Annotated[int, Ge(8)] = 4304,
    num_hidden_layers: Annotated[int, Ge(1)] = 26,
    num_attention_heads: Annotated[int, Ge(1)] = 16,
    image_size: Annotated[int, Ge(1)] = 980,
    patch_size: Annotated[int, Ge(1)] = 14,
) -> SiglipVisionConfig:
    """Sizes of the ViT. The published file says 27 layers; its last is not used, so the tower has 26.

    Raises:
        UserError: heads that do not divide the width, or patches that do not divide the picture.
    """
    if hidden_size % num_attention_heads:
        raise UserError(
            f"backbone.vision: hidden_size {hidden_size} is not a multiple of "
            f"num_attention_heads {num_attention_heads}"
        )
    if image_size % patch_size:
        raise UserError(
            f"backbone.vision: image_size {image_size} is not a multiple of patch_size {patch_size}"
        )
    config = SiglipVisionConfig(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        image_size=image_size,
        patch_size=patch_size,
        hidden_act="gelu_pytorch_tanh",
        layer_norm_eps=1e-6,
    )
    config._attn_implementation = "sdpa"
    return config
