"""Show-o's network: stock transformers Phi with QK layer norm, run over explicit attention masks.

The layers, norms and rotary embedding are those of ``transformers``; only the loop over them is here,
because masks, key-value reuse and checkpointing are ours to decide per call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Interval
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import PhiConfig, PhiForCausalLM

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.concept_rows import lookup, with_rows
from unictk.backbones.keyvalues import KeyValues
from unictk.errors import UserError


def phi_config(
    hidden_size: Annotated[int, Ge(8)] = 2048,
    num_hidden_layers: Annotated[int, Ge(1)] = 24,
    num_attention_heads: Annotated[int, Ge(1)] = 32,
    intermediate_size: Annotated[int, Ge(8)] = 8192,
    partial_rotary_factor: Annotated[float, Interval(gt=0, le=1)] = 0.5,
    layer_norm_eps: Annotated[float, Interval(gt=0)] = 1e-5,
    rope_theta: Annotated[float, Interval(gt=0)] = 10000.0,
    max_position_embeddings: Annotated[int, Ge(16)] = 2048,
    hidden_act: str = "gelu_new",
) -> PhiConfig:
    """Sizes of the language model; the defaults are phi-1.5's with QK layer norm on (Show-o section 3.2)."""
    if hidden_size % (2 * num_attention_heads):
        raise UserError(
            f"backbone.language: hidden_size {hidden_size} and num_attention_heads {num_attention_heads}; "
            "expected heads of an even, whole size"
        )
    return PhiConfig(
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        intermediate_size=intermediate_size,
        hidden_act=hidden_act,
        layer_norm_eps=layer_norm_eps,
        max_position_embeddings=max_position_embeddings,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": rope_theta,
            "partial_rotary_factor": partial_rotary_factor,
        },
        qk_layernorm=True,
        tie_word_embeddings=False,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attention_dropout=0.0,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
    )


class ShowoNetwork(nn.Module):
    """Tables, trunk and head. State-dict names are the published ones after the prefix ``showo.``.

    Args:
        config: from :func:`phi_config`.
        vocabulary: rows of the input and output tables.
    """

    def __init__(self, config: PhiConfig, vocabulary: int) -> None:
        super().__init__()
        config.vocab_size = vocabulary
        config._attn_implementation = "sdpa"
        self.phi = PhiForCausalLM(config)
        if config.hidden_act == "gelu_new":
            for layer in self.phi.model.layers:
                layer.mlp.activation_fn = nn.GELU(
                    approximate="tanh"
                )  # the same function in one kernel, not eight
        self.size = vocabulary
        self.hidden = config.hidden_size
        self.checkpoint_blocks = False

    @property
    def input_table(self) -> Tensor:
        """(vocabulary, hidden)."""
        return self.phi.model.embed_tokens.weight

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer layers."""
        return self.phi.model.layers

    def trunk_parameters(self) -> list[nn.Parameter]:
        """Every parameter but the two tables and the head's bias, adapters included."""
        return [*self.blocks.parameters(), *self.phi.model.final_layernorm.parameters()]

    def trunk_trains(self) -> bool:
        """Whether the hidden states of a prefix may need gradient (full or LoRA training)."""
        return any(p.requires_grad for p in self.trunk_parameters()) or self.input_table.requires_grad

    def embed(self, ids: Tensor, rows: ConceptRows | None) -> Tensor:
        """Input vectors of ids; ids behind the table are concept rows.

        Args:
            ids: (...,) int64.
            rows: the attached concepts' rows.

        Returns:
            (..., hidden).
        """
        return lookup(ids, self.input_table, rows)

    def trunk(
        self, vectors: Tensor, positions: Tensor, allowed: Tensor, cache: KeyValues | None = None
    ) -> Tensor:
        """Hidden states after the last layer norm.

        Args:
            vectors: (batch, length, hidden) input vectors.
            positions: (batch, length) rotary positions.
            allowed: (batch, length, keys) bool; keys are the cached ones followed by these.
            cache: keys and values of a prefix, or a recorder of them.

        Returns:
            (batch, length, hidden).
        """
        model = self.phi.model
        mask = allowed[:, None]
        rotary = model.rotary_emb(vectors, position_ids=positions)
        hidden = vectors
        for layer in self.blocks:
            if self.checkpoint_blocks and torch.is_grad_enabled():
                hidden = checkpoint(_run_layer, layer, hidden, mask, rotary, cache, use_reentrant=False)
            else:
                hidden = _run_layer(layer, hidden, mask, rotary, cache)
        return model.final_layernorm(hidden)

    def logits(self, hidden: Tensor, rows: ConceptRows | None) -> Tensor:
        """Logits over the tables' classes and, behind them, the concept rows: (..., vocabulary + rows)."""
        return with_rows(self.phi.lm_head(hidden), hidden, rows)

    def code_logits(self, hidden: Tensor, first: int, count: int) -> Tensor:
        """Logits over image codes only: (..., count)."""
        head = self.phi.lm_head
        return functional.linear(hidden, head.weight[first : first + count], head.bias[first : first + count])

    def cast(self, dtype: torch.dtype) -> None:
        """Change the weights' type; rotary frequencies stay fp32, or far positions turn by wrong angles."""
        self.to(dtype)
        rotary = self.phi.model.rotary_emb
        self.phi.model.rotary_emb = type(rotary)(self.phi.config).to(self.input_table.device)

    def compile_blocks(self) -> None:
        """Compile each layer on its own (one graph for all of them)."""
        for layer in self.blocks:
            layer.compile()

    def plain_blocks(self) -> None:
        """Run each layer as it is written again."""
        for layer in self.blocks:
            layer._compiled_call_impl = None  # what Module.compile sets; torch has no public way back


def _run_layer(
    layer: nn.Module, hidden: Tensor, mask: Tensor, rotary: Sequence[Tensor], cache: KeyValues | None
) -> Tensor:
    return layer(hidden, attention_mask=mask, position_embeddings=tuple(rotary), past_key_values=cache)
