"""Sizes of Janus-Pro's language model, vision tower and image tokenizer, checked; by default the 1B's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Interval
from transformers import JanusConfig, JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from unictk.backbones.convolutions import GROUPS
from unictk.backbones.janus.vocabulary import Vocabulary
from unictk.errors import UserError


def language_config(
    hidden_size: Annotated[int, Ge(8)] = 2048,
    intermediate_size: Annotated[int, Ge(8)] = 5632,
    num_hidden_layers: Annotated[int, Ge(1)] = 24,
    num_attention_heads: Annotated[int, Ge(1)] = 16,
    num_key_value_heads: Annotated[int, Ge(1)] = 16,
    rms_norm_eps: Annotated[float, Interval(gt=0)] = 1e-6,
    rope_theta: Annotated[float, Interval(gt=0)] = 10000.0,
    max_position_embeddings: Annotated[int, Ge(16)] = 16384,
) -> LlamaConfig:
    """Sizes of the language model, a Llama."""
    if hidden_size % num_attention_heads or (hidden_size // num_attention_heads) % 2:
        raise UserError(
            f"backbone.language.hidden_size: {hidden_size} and num_attention_heads {num_attention_heads}; "
            "expected heads of an even, whole size"
        )
    if num_attention_heads % num_key_value_heads:
        raise UserError(
            f"backbone.language.num_key_value_heads: {num_key_value_heads} does not divide "
            f"num_attention_heads {num_attention_heads}"
        )
    return LlamaConfig(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=num_key_value_heads,
        rms_norm_eps=rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        max_position_embeddings=max_position_embeddings,
        tie_word_embeddings=False,
    )


def vision_config(
    hidden_size: Annotated[int, Ge(2)] = 1024,
    mlp_ratio: Annotated[float, Interval(gt=0)] = 4.0,
    num_hidden_layers: Annotated[int, Ge(1)] = 24,
    num_attention_heads: Annotated[int, Ge(1)] = 16,
    image_size: Annotated[int, Ge(1)] = 384,
    patch_size: Annotated[int, Ge(1)] = 16,
) -> JanusVisionConfig:
    """Sizes of the vision tower, a SigLIP."""
    if hidden_size % num_attention_heads:
        raise UserError(
            f"backbone.vision.hidden_size: {hidden_size} is no multiple of "
            f"num_attention_heads {num_attention_heads}"
        )
    if image_size % patch_size:
        raise UserError(
            f"backbone.vision.image_size: {image_size} is not a multiple of patch_size {patch_size}; "
            f"nearest: {max(1, image_size // patch_size) * patch_size}"
        )
    return JanusVisionConfig(
        hidden_size=hidden_size,
        mlp_ratio=mlp_ratio,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        image_size=image_size,
        patch_size=patch_size,
        num_image_tokens=(image_size // patch_size) ** 2,
    )


def image_config(
    channels: Annotated[int, Ge(1)] = 128,
    multipliers: Sequence[int] = (1, 1, 2, 2, 4),
    blocks: Annotated[int, Ge(1)] = 2,
    z_channels: Annotated[int, Ge(1)] = 256,
    codebook: Annotated[int, Ge(2)] = 16384,
    width: Annotated[int, Ge(1)] = 8,
) -> JanusVQVAEConfig:
    """Sizes of the image tokenizer: each level but the last halves the side; a code has ``width`` numbers."""
    if channels % GROUPS:
        below = max(GROUPS, channels // GROUPS * GROUPS)
        raise UserError(
            f"backbone.image_tokenizer.channels: {channels} is not a multiple of {GROUPS}; nearest: {below}"
        )
    return JanusVQVAEConfig(
        base_channels=channels,
        channel_multiplier=list(multipliers),
        num_res_blocks=blocks,
        latent_channels=z_channels,
        num_embeddings=codebook,
        embed_dim=width,
    )


def joined_config(
    language: LlamaConfig, vision: JanusVisionConfig, image: JanusVQVAEConfig, vocabulary: Vocabulary
) -> JanusConfig:
    """One configuration as the hub has it.

    What leads into the language model is as wide as that. The head is said not to be tied to the table:
    transformers' own default for Janus is that it is.
    """
    hidden = language.hidden_size
    language.vocab_size = vocabulary.size
    language.bos_token_id, language.eos_token_id = vocabulary.begin, vocabulary.end
    language.pad_token_id = vocabulary.pad
    vision.projection_dim = image.projection_dim = image.image_token_embed_dim = hidden
    whole = JanusConfig(
        text_config=language,
        vision_config=vision,
        vq_config=image,
        image_token_id=vocabulary.image,
        tie_word_embeddings=False,
    )
    for part in (whole, whole.text_config, whole.vision_config):
        part._attn_implementation = "sdpa"  # type: ignore[union-attr]
    return whole
