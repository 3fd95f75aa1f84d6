"""Stock layers and towers of ``transformers``, run by loops of ours.

Masks, key-value reuse and checkpointing are ours to decide per call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.concept_rows import lookup
from unictk.backbones.keyvalues import KeyValues
from unictk.backbones.packing import Lengths


class CausalNetwork(nn.Module, ABC):
    """A stock language model and a stock vision tower, under whatever names a checkpoint has for them."""

    checkpoint_blocks: bool

    @property
    @abstractmethod
    def language(self) -> Any:
        """The language model: its table, layers, last norm and rotary embedding."""

    @property
    @abstractmethod
    def tower(self) -> Any:
        """The vision tower."""

    @abstractmethod
    def logits(self, hidden: Tensor, rows: ConceptRows | None) -> Tensor:
        """Logits over the tables' classes and, behind them, the concept rows: (..., vocabulary + rows)."""

    @property
    def input_table(self) -> Tensor:
        """(vocabulary, hidden)."""
        return self.language.embed_tokens.weight

    @property
    def blocks(self) -> nn.ModuleList:
        """The language model's layers."""
        return self.language.layers

    def embed(self, ids: Tensor, rows: ConceptRows | None) -> Tensor:
        """Input vectors of ids (...,), int64; ids behind the table are concept rows: (..., hidden)."""
        return lookup(ids, self.input_table, rows)

    def trunk(
        self,
        vectors: Tensor,
        positions: Tensor,
        allowed: Tensor | None = None,
        cache: KeyValues | None = None,
    ) -> Tensor:
        """Hidden states after the last norm.

        Args:
            vectors: (batch, length, hidden) input vectors.
            positions: (batch, length) rotary positions.
            allowed: (batch, length, keys) bool; keys are the cached ones followed by these. None: causal,
                or everything for a single vector.
            cache: keys and values of what came before, or a recorder of them.

        Returns:
            (batch, length, hidden).
        """
        return self.run_layers(vectors, positions, allowed, cache, None)

    def run_layers(
        self,
        vectors: Tensor,
        positions: Tensor,
        allowed: Tensor | None,
        cache: KeyValues | None,
        lengths: Lengths | None,
    ) -> Tensor:
        """As :meth:`trunk`; ``lengths`` of sequences that share rows, for layers that can keep them apart.

        Those are the layers that :func:`~unictk.backbones.packing.attend_within` has prepared.
        """
        mask = None if allowed is None else allowed[:, None]
        rotary = tuple(self.language.rotary_emb(vectors, position_ids=positions))
        more = {} if lengths is None else {"lengths": lengths}
        hidden = vectors
        for layer in self.blocks:
            if self.checkpoint_blocks and torch.is_grad_enabled():
                hidden = checkpoint(_run_layer, layer, hidden, mask, rotary, cache, more, use_reentrant=False)
            else:
                hidden = _run_layer(layer, hidden, mask, rotary, cache, more)
        return self.language.norm(hidden)

    def vision_states(self, pixels: Tensor) -> Tensor:
        """The tower's last states after its last norm.

        Args:
            pixels: (tiles, 3, side, side) in [-1, 1], of the tower's own side.

        Returns:
            (tiles, tokens, width).
        """
        if self.checkpoint_blocks and torch.is_grad_enabled():
            return checkpoint(_tower, self.tower, pixels, use_reentrant=False)
        return _tower(self.tower, pixels)

    def cast(self, dtype: torch.dtype) -> None:
        """Change the weights' type; rotary frequencies stay fp32, or far positions turn by wrong angles."""
        self.to(dtype)
        self.make_buffers(self.input_table.device)

    def make_buffers(self, device: torch.device) -> None:
        """Compute anew what no file holds: rotary frequencies and the tower's position numbers."""
        language, embeddings = self.language, self.tower.embeddings
        language.rotary_emb = type(language.rotary_emb)(language.config).to(device)
        numbers = torch.arange(embeddings.num_positions, device=device)[None]
        embeddings.position_ids = nn.Buffer(numbers, persistent=False)


def _tower(tower: Any, pixels: Tensor) -> Tensor:
    hidden = tower.embeddings(pixels.to(tower.post_layernorm.weight.dtype))
    return tower.post_layernorm(tower.encoder(inputs_embeds=hidden).last_hidden_state)


def _run_layer(
    layer: nn.Module,
    hidden: Tensor,
    mask: Tensor | None,
    rotary: tuple[Tensor, ...],
    cache: KeyValues | None,
    more: Mapping[str, Any],
) -> Tensor:
    found = layer(hidden, attention_mask=mask, position_embeddings=rotary, past_key_values=cache, **more)
    return found[0] if isinstance(found, tuple) else found
