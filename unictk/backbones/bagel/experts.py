"""Mixture of transformers: two sets of weights per layer, chosen by what a token is, one shared attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP, Qwen2RMSNorm, apply_rotary_pos_emb

from unictk.backbones.keyvalues import KeyValues

Part = Callable[..., tuple[Tensor, ...]]
"""What one expert makes of its tokens: (..., a), ... -> (..., b), ..."""


class Routes(Protocol):
    """Which tokens of a batch go to which expert."""

    def run(self, understand: Part, generate: Part, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Each input's tokens (batch, length, ...) through the function of their expert; same order out."""
        ...


@dataclass(frozen=True, slots=True)
class Mixed:
    """Tokens of both kinds in any order.

    ``understanding`` and ``generation`` are places among the flattened (batch * length) tokens; ``back``
    puts the two parts, one behind the other, in order again.
    """

    understanding: Tensor
    generation: Tensor
    back: Tensor

    @classmethod
    def of(cls, drawn: Tensor) -> Mixed:
        """``drawn``: bool of any shape, true for tokens of a latent."""
        flat = drawn.flatten()
        order = [(~flat).nonzero()[:, 0], flat.nonzero()[:, 0]]
        return cls(order[0], order[1], torch.cat(order).argsort())

    def run(self, understand: Part, generate: Part, *inputs: Tensor) -> tuple[Tensor, ...]:
        """As :class:`Routes` says.

        With gradients both run, on no tokens where there are none: all processes of a group then have
        gradients for the same parameters.
        """
        if not torch.is_grad_enabled():
            if not len(self.generation):
                return understand(*inputs)
            if not len(self.understanding):
                return generate(*inputs)
        shape, flat = inputs[0].shape[:2], [tokens.flatten(0, 1) for tokens in inputs]
        one = understand(*(tokens[self.understanding] for tokens in flat))
        other = generate(*(tokens[self.generation] for tokens in flat))
        pairs = zip(one, other, strict=True)
        return tuple(torch.cat(pair)[self.back].unflatten(0, shape) for pair in pairs)


@dataclass(frozen=True, slots=True)
class Fronted:
    """Rows of one form: the first ``front`` tokens to the understanding expert, the rest to the other.

    Nothing is gathered: what goes to an expert is a slice.
    """

    front: int

    def run(self, understand: Part, generate: Part, *inputs: Tensor) -> tuple[Tensor, ...]:
        """As :class:`Routes` says."""
        one = understand(*(tokens[:, : self.front] for tokens in inputs))
        other = generate(*(tokens[:, self.front :] for tokens in inputs))
        return tuple(torch.cat(pair, dim=1) for pair in zip(one, other, strict=True))


class Expert(nn.Module):
    """One layer's weights of one expert: Qwen2's, with RMS norms over queries and keys."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.head_size = width // config.num_attention_heads
        keys = (config.num_key_value_heads or config.num_attention_heads) * self.head_size
        self.input_layernorm = Qwen2RMSNorm(width, eps)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, keys)
        self.v_proj = nn.Linear(width, keys)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.q_norm = Qwen2RMSNorm(self.head_size, eps)
        self.k_norm = Qwen2RMSNorm(self.head_size, eps)
        self.post_attention_layernorm = Qwen2RMSNorm(width, eps)
        self.mlp = Qwen2MLP(config)

    def project(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., width) -> queries (..., heads, d), keys and values (..., key heads, d), none turned."""
        hidden = self.input_layernorm(hidden)
        layers = (self.q_proj, self.k_proj, self.v_proj)
        queries, keys, values = (layer(hidden).unflatten(-1, (-1, self.head_size)) for layer in layers)
        return self.q_norm(queries), self.k_norm(keys), values

    def finish(self, hidden: Tensor, mixed: Tensor) -> tuple[Tensor]:
        """The layer's input and what attention mixed, (..., width) -> its output, as a 1-tuple."""
        hidden = hidden + self.o_proj(mixed)
        return (hidden + self.mlp(self.post_attention_layernorm(hidden)),)


class MixtureLayer(nn.Module):
    """A layer with two experts; attention sees all tokens alike."""

    def __init__(self, config: Qwen2Config, number: int) -> None:
        super().__init__()
        self.number = number
        self.understanding = Expert(config)
        self.generation = Expert(config)

    def forward(
        self,
        hidden: Tensor,
        routes: Routes,
        rotary: tuple[Tensor, Tensor] | None,
        mask: Tensor | BlockMask | None,
        cache: KeyValues | None = None,
    ) -> Tensor:
        """One layer.

        Args:
            hidden: (batch, length, width).
            routes: of the tokens.
            rotary: cosines and sines, (batch, length, d) each; None: all stand where none is turned.
            mask: (batch, length or 1, keys) bool, true where a query may see a key, or a block mask; None:
                all see all.
            cache: keys and values of earlier tokens.

        Returns:
            (batch, length, width).
        """
        found = routes.run(self.understanding.project, self.generation.project, hidden)
        queries, keys, values = (part.transpose(1, 2) for part in found)
        if rotary is not None:
            queries, keys = apply_rotary_pos_emb(queries, keys, *rotary)
        if cache is not None:
            keys, values = cache.update(keys, values, self.number)
        mixed = _attend(queries, keys, values, mask).transpose(1, 2).flatten(2)
        (hidden,) = routes.run(self.understanding.finish, self.generation.finish, hidden, mixed)
        return hidden


class MixtureNorm(nn.Module):
    """The norm after the last layer, of each expert its own."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.understanding = Qwen2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.generation = Qwen2RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden: Tensor, routes: Routes) -> Tensor:
        """(batch, length, width) -> same."""
        norms = (lambda rows: (self.understanding(rows),), lambda rows: (self.generation(rows),))
        (normed,) = routes.run(*norms, hidden)
        return normed


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | BlockMask | None) -> Tensor:
    """(batch, heads, length, d); keys and values have fewer heads, each for a group of queries."""
    if isinstance(mask, BlockMask):
        queries, keys = queries.to(values.dtype), keys.to(values.dtype)  # autocast does it for the other
        mixed = flex_attention(queries, keys, values, block_mask=mask, enable_gqa=True)
        assert isinstance(mixed, Tensor)  # a tuple only where log-sum-exps are asked for
        return mixed
    seen = None if mask is None else mask[:, None]
    return scaled_dot_product_attention(queries, keys, values, attn_mask=seen, enable_gqa=True)
