"""UniToken's network: stock Chameleon layers with their own head, a SigLIP tower and the adapter between.

State-dict names are the published ones. The layers, norms and rotary embedding are those of
``transformers``. The stock class with a head always blanks the logits of image codes, this one only when
asked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ChameleonConfig, ChameleonModel, SiglipVisionConfig, SiglipVisionModel

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.concept_rows import with_rows
from unictk.backbones.keyvalues import KeyValues
from unictk.backbones.packing import Lengths, attend_within
from unictk.backbones.stock import CausalNetwork
from unictk.backbones.unitoken.configs import features_to_side


class ShardNorm(nn.Module):
    """Layer norm over each head's width, its affine weights shared by the heads of a shard.

    The stock class has a row of weights for every head, which the published files do not have: rows that
    train apart could never be written back. Numbers are the same.
    """

    def __init__(self, shards: int, heads: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shards, width))
        self.bias = nn.Parameter(torch.zeros(shards, width))
        self.repeats = heads // shards

    def forward(self, states: Tensor) -> Tensor:
        """(positions, heads, width) -> same."""
        plain = functional.layer_norm(states, states.shape[-1:], eps=1e-5)
        weight, bias = (own.repeat_interleave(self.repeats, 0) for own in (self.weight, self.bias))
        return plain * weight + bias


class UniTokenNetwork(CausalNetwork):
    """Language model, head, vision tower and adapter, under the published names.

    Args:
        language: from :func:`~unictk.backbones.unitoken.configs.language_config`.
        vision: from :func:`~unictk.backbones.unitoken.configs.vision_config`.
        vocabulary: rows of the input and output tables.
    """

    def __init__(self, language: ChameleonConfig, vision: SiglipVisionConfig, vocabulary: int) -> None:
        super().__init__()
        language.vocab_size = vocabulary
        vision._attn_implementation = "sdpa"
        self.model = ChameleonModel(language)
        del self.model.vqmodel
        attend_within(self.model.config)
        self.lm_head = nn.Linear(language.hidden_size, vocabulary, bias=False)
        self.adapter = nn.Sequential(
            nn.Linear(vision.hidden_size, language.hidden_size),
            nn.GELU(),
            nn.Linear(language.hidden_size, language.hidden_size),
        )
        self.vit = SiglipVisionModel(vision)
        _share_norms(self.model, language)
        for layer in (self.lm_head, *self.adapter):
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=language.initializer_range)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.size = vocabulary
        self.hidden = language.hidden_size
        self.tokens_per_tile = features_to_side(vision) ** 2
        self.checkpoint_blocks = False

    @property
    def language(self) -> ChameleonModel:
        """The language model."""
        return self.model

    @property
    def tower(self) -> SiglipVisionModel:
        """The vision tower."""
        return self.vit

    def features(self, pixels: Tensor) -> Tensor:
        """Continuous image vectors in the language model's input space, (tiles, tokens, hidden)."""
        return self.adapter(self.vision_states(pixels))

    def trunk(
        self,
        vectors: Tensor,
        positions: Tensor,
        allowed: Tensor | None = None,
        cache: KeyValues | None = None,
        lengths: Lengths | None = None,
    ) -> Tensor:
        """Hidden states after the last norm, (batch, length, hidden).

        As every causal network's, and with ``lengths`` of the sequences that share rows: none sees another.
        """
        return self.run_layers(vectors, positions, allowed, cache, lengths)

    def logits(self, hidden: Tensor, rows: ConceptRows | None, blank: slice | None = None) -> Tensor:
        """Logits over the tables' classes and, behind them, the concept rows: (..., vocabulary + rows).

        ``blank``: ids that cannot come, image codes where only text is wanted.
        """
        base = self.lm_head(hidden)
        if blank is not None:
            base[..., blank] = torch.finfo(base.dtype).min
        return with_rows(base, hidden, rows)

    def code_logits(self, hidden: Tensor, codes: slice) -> Tensor:
        """Logits over a range of ids only: (..., count)."""
        return functional.linear(hidden, self.lm_head.weight[codes])


def _share_norms(model: nn.Module, config: ChameleonConfig) -> None:
    heads, shards = config.num_attention_heads, config.model_parallel_size or 1
    width = config.hidden_size // heads
    for layer in model.layers:  # type: ignore[union-attr]
        attention = layer.self_attn
        attention.q_norm = ShardNorm(shards, heads, width)
        attention.k_norm = ShardNorm(shards, config.num_key_value_heads or heads, width)
