"""Sizes of UniToken's language model and vision tower, checked."""

from __future__ import annotations

from typing import Annotated, cast

from annotated_types import Ge, Interval
from transformers import ChameleonConfig, ChameleonVQVAEConfig, SiglipVisionConfig

from unictk.errors import UserError


def language_config(
    hidden_size: Annotated[int, Ge(8)] = 4096,
    intermediate_size: Annotated[int, Ge(8)] = 11008,
    num_hidden_layers: Annotated[int, Ge(1)] = 32,
    num_attention_heads: Annotated[int, Ge(1)] = 32,
    num_key_value_heads: Annotated[int, Ge(1)] = 32,
    rms_norm_eps: Annotated[float, Interval(gt=0)] = 1e-5,
    rope_theta: Annotated[float, Interval(gt=0)] = 10000.0,
    max_position_embeddings: Annotated[int, Ge(16)] = 4096,
    model_parallel_size: Annotated[int, Ge(1)] = 1,
    swin_norm: bool = False,
) -> ChameleonConfig:
    """Sizes of the language model; the defaults are Chameleon-7B's.

    ``model_parallel_size`` is the number of shards it was trained in: the heads of a shard share the affine
    weights of their norm. ``swin_norm`` puts the layer norms behind attention and MLP (the 30B model).
    """
    for name, value in (
        ("hidden_size", hidden_size),
        ("num_key_value_heads", num_key_value_heads),
        ("model_parallel_size", model_parallel_size),
    ):
        whole, part = (value, num_attention_heads) if name == "hidden_size" else (num_attention_heads, value)
        if whole % part or (name == "hidden_size" and (whole // part) % 2):
            raise UserError(
                f"backbone.language.{name}: {value} and num_attention_heads {num_attention_heads}; "
                "expected heads of an even, whole size, and a whole number of heads to each part"
            )
    if num_key_value_heads % model_parallel_size:
        raise UserError(
            f"backbone.language.model_parallel_size: {model_parallel_size} does not divide "
            f"num_key_value_heads {num_key_value_heads}"
        )
    return ChameleonConfig(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=num_key_value_heads,
        rms_norm_eps=rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        max_position_embeddings=max_position_embeddings,
        model_parallel_size=model_parallel_size,
        swin_norm=swin_norm,
        vocabulary_map={},
        tie_word_embeddings=False,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        # The class builds a tokenizer of its own, which is dropped (ours has a decoder): a small one.
        vq_config=ChameleonVQVAEConfig(
            base_channels=32,
            channel_multiplier=[1],
            num_res_blocks=1,
            latent_channels=1,
            embed_dim=1,
            num_embeddings=1,
        ),
    )


def vision_config(
    hidden_size: Annotated[int, Ge(2)] = 1152,
    intermediate_size: Annotated[int, Ge(2)] = 4304,
    num_hidden_layers: Annotated[int, Ge(1)] = 27,
    num_attention_heads: Annotated[int, Ge(1)] = 16,
    image_size: Annotated[int, Ge(1)] = 384,
    patch_size: Annotated[int, Ge(1)] = 14,
    pooling_head: bool = True,
) -> SiglipVisionConfig:
    """Sizes of the vision tower; the defaults are those of SigLIP so400m at 384 pixels.

    ``pooling_head``: whether the checkpoint has SigLIP's pooling head, which is kept and never run.
    """
    if hidden_size % num_attention_heads:
        raise UserError(
            f"backbone.vision.hidden_size: {hidden_size} is no multiple of "
            f"num_attention_heads {num_attention_heads}"
        )
    if image_size < patch_size:
        raise UserError(f"backbone.vision.image_size: {image_size} is less than patch_size {patch_size}")
    return SiglipVisionConfig(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        image_size=image_size,
        patch_size=patch_size,
        vision_use_head=pooling_head,
    )


def features_to_side(vision: SiglipVisionConfig) -> int:
    """Features of a tile to a side (27 as published); left-over pixels at the right and bottom are unseen."""
    return cast(int, vision.image_size) // cast(int, vision.patch_size)
