"""Stock layers and towers of ``transformers``, run by loops of ours.

Masks, key-value reuse and checkpointing are ours to decide per call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from unictk.backbones.keyvalues import KeyValues
from unictk.backbones.packing import Lengths


def through(
    layers: Iterable[nn.Module],
    vectors: Tensor,
    rotary: Sequence[Tensor],
    allowed: Tensor | None,
    cache: KeyValues | None,
    again: bool,
    lengths: Lengths | None = None,
) -> Tensor:
    """Hidden states (batch, length, hidden) behind the last of some decoder layers.

    Args:
        layers: stock decoder layers.
        vectors: (batch, length, hidden) input vectors.
        rotary: cosines and sines of the positions.
        allowed: (batch, length, keys) bool, or None: causal, or everything for a single vector.
        cache: keys and values of what came before, or a recorder of them.
        again: compute each layer once more in the backward pass, and keep less.
        lengths: of sequences that share rows, for layers that :func:`~unictk.backbones.packing.attend_within`
            has prepared.
    """
    more = {} if lengths is None else {"lengths": lengths}
    mask = None if allowed is None else allowed[:, None]
    hidden = vectors
    for layer in layers:
        if again and torch.is_grad_enabled():
            hidden = checkpoint(_run_layer, layer, hidden, mask, rotary, cache, more, use_reentrant=False)
        else:
            hidden = _run_layer(layer, hidden, mask, rotary, cache, more)
    return hidden


def tower_states(tower: Any, pixels: Tensor, again: bool = False) -> Tensor:
    """The last states of a SigLIP tower after its last norm.

    Args:
        tower: a stock vision model.
        pixels: (tiles, 3, side, side) in [-1, 1], of the tower's own side.
        again: compute them once more in the backward pass, and keep less.

    Returns:
        (tiles, tokens, width).
    """
    if again and torch.is_grad_enabled():
        return checkpoint(_tower, tower, pixels, use_reentrant=False)
    return _tower(tower, pixels)


def make_buffers(language: Any, tower: Any, device: torch.device) -> None:
    """Compute anew what no file holds: rotary frequencies and the tower's position numbers."""
    language.rotary_emb = type(language.rotary_emb)(language.config).to(device)
    embeddings = tower.embeddings
    numbers = torch.arange(embeddings.num_positions, device=device)[None]
    embeddings.position_ids = nn.Buffer(numbers, persistent=False)


def _tower(tower: Any, pixels: Tensor) -> Tensor:
    hidden = tower.embeddings(pixels.to(tower.post_layernorm.weight.dtype))
    return tower.post_layernorm(tower.encoder(inputs_embeds=hidden).last_hidden_state)


def _run_layer(
    layer: nn.Module,
    hidden: Tensor,
    mask: Tensor | None,
    rotary: Sequence[Tensor],
    cache: KeyValues | None,
    more: Mapping[str, Any],
) -> Tensor:
    places = tuple(rotary)
    found = layer(hidden, attention_mask=mask, position_embeddings=places, past_key_values=cache, **more)
    return found[0] if isinstance(found, tuple) else found
