"""Our names of the network's tensors and the published ones, both ways."""

from __future__ import annotations

import re

SUFFIX = {"understanding": "", "generation": "_moe_gen"}
_EXPERT = {suffix: expert for expert, suffix in SUFFIX.items()}
_ATTENTION = "q_proj|k_proj|v_proj|o_proj|q_norm|k_norm"
_BLOCK = "input_layernorm|post_attention_layernorm|mlp"
_MODEL = "language_model.model."

_PREFIXES = {
    "embed_tokens.": "language_model.model.embed_tokens.",
    "lm_head.": "language_model.lm_head.",
    "vision.patch_embedding.": "vit_model.vision_model.embeddings.patch_embedding.",
    "vision.position_embedding.": "vit_model.vision_model.embeddings.position_embedding.",
    "vision.layers.": "vit_model.vision_model.encoder.layers.",
    "vision.post_layernorm.": "vit_model.vision_model.post_layernorm.",
    "connector.": "connector.",
    "time.": "time_embedder.mlp.",
    "latents_in.": "vae2llm.",
    "velocity_out.": "llm2vae.",
}

FIXED_TABLES = {"latent_pos_embed.pos_embed": "latent_table", "vit_pos_embed.pos_embed": "vision_table"}
"""Published tensors that follow from a formula, and our buffers of them: left out when weights are read."""


def published(name: str) -> str:
    """Our name -> the published one.

    Raises:
        KeyError: no tensor of the network has this name.
    """
    if match := re.fullmatch(rf"layers\.(\d+)\.(\w+)\.({_ATTENTION})\.(\w+)", name):
        return f"{_MODEL}layers.{match[1]}.self_attn.{match[3]}{SUFFIX[match[2]]}.{match[4]}"
    if match := re.fullmatch(rf"layers\.(\d+)\.(\w+)\.({_BLOCK})\.([\w.]+)", name):
        return f"{_MODEL}layers.{match[1]}.{match[3]}{SUFFIX[match[2]]}.{match[4]}"
    if match := re.fullmatch(r"norm\.(\w+)\.weight", name):
        return f"{_MODEL}norm{SUFFIX[match[1]]}.weight"
    return _renamed(name, _PREFIXES)


def ours(name: str) -> str:
    """The published name -> ours.

    Raises:
        KeyError: not a published name of the network.
    """
    if match := re.fullmatch(rf"{_MODEL}layers\.(\d+)\.self_attn\.({_ATTENTION})(|_moe_gen)\.(\w+)", name):
        return f"layers.{match[1]}.{_EXPERT[match[3]]}.{match[2]}.{match[4]}"
    if match := re.fullmatch(rf"{_MODEL}layers\.(\d+)\.({_BLOCK})(|_moe_gen)\.([\w.]+)", name):
        return f"layers.{match[1]}.{_EXPERT[match[3]]}.{match[2]}.{match[4]}"
    if match := re.fullmatch(rf"{_MODEL}norm(|_moe_gen)\.weight", name):
        return f"norm.{_EXPERT[match[1]]}.weight"
    return _renamed(name, {theirs: own for own, theirs in _PREFIXES.items()})


def _renamed(name: str, prefixes: dict[str, str]) -> str:
    for prefix, other in prefixes.items():
        if name.startswith(prefix):
            return other + name.removeprefix(prefix)
    raise KeyError(name)
