"""Mixture of transformers: two sets of weights per layer, chosen by what a token is, one shared attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP, Qwen2RMSNorm, apply_rotary_pos_emb

from unictk.backbones.keyvalues import KeyValues


@dataclass(frozen=True, slots=True)
class Routes:
    """Which tokens of a batch, flattened, go to which expert.

    ``understanding`` and ``generation`` are places; ``back`` puts the two parts, one behind the other, in
    order again.
    """

    understanding: Tensor
    generation: Tensor
    back: Tensor

    @classmethod
    def of(cls, drawn: Tensor) -> Routes:
        """``drawn``: bool of any shape, true for tokens of a latent."""
        flat = drawn.flatten()
        order = [(~flat).nonzero()[:, 0], flat.nonzero()[:, 0]]
        return cls(order[0], order[1], torch.cat(order).argsort())

    def run(
        self,
        understand: Callable[..., tuple[Tensor, ...]],
        generate: Callable[..., tuple[Tensor, ...]],
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        """Each input's rows (n, ...) through the function of their expert; outputs in the rows' order.

        With gradients both run, on no rows where there are none: all processes of a group then have
        gradients for the same parameters.
        """
        if not torch.is_grad_enabled():
            if not len(self.generation):
                return understand(*inputs)
            if not len(self.understanding):
                return generate(*inputs)
        one = understand(*(rows[self.understanding] for rows in inputs))
        other = generate(*(rows[self.generation] for rows in inputs))
        return tuple(torch.cat(pair)[self.back] for pair in zip(one, other, strict=True))


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
        """(n, width) -> queries (n, heads, d), keys and values (n, key heads, d); rotary not applied."""
        hidden = self.input_layernorm(hidden)
        layers = (self.q_proj, self.k_proj, self.v_proj)
        queries, keys, values = (layer(hidden).unflatten(-1, (-1, self.head_size)) for layer in layers)
        return self.q_norm(queries), self.k_norm(keys), values

    def finish(self, hidden: Tensor, mixed: Tensor) -> tuple[Tensor]:
        """The layer's input (n, width) and what attention mixed (n, width) -> its output, as a 1-tuple."""
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
        rotary: tuple[Tensor, Tensor],
        mask: Tensor | BlockMask,
        cache: KeyValues | None = None,
    ) -> Tensor:
        """One layer.

        Args:
            hidden: (batch, length, width).
            routes: of the flattened (batch * length) tokens.
            rotary: cosines and sines, (batch, length, d) each.
            mask: (batch, length, keys) bool, true where a query may see a key, or a block mask.
            cache: keys and values of earlier tokens.

        Returns:
            (batch, length, width).
        """
        shape, flat = hidden.shape[:2], hidden.flatten(0, 1)
        found = routes.run(self.understanding.project, self.generation.project, flat)
        queries, keys, values = (part.unflatten(0, shape).transpose(1, 2) for part in found)
        queries, keys = apply_rotary_pos_emb(queries, keys, *rotary)
        if cache is not None:
            keys, values = cache.update(keys, values, self.number)
        mixed = _attend(queries, keys, values, mask).transpose(1, 2).flatten(2).flatten(0, 1)
        (flat,) = routes.run(self.understanding.finish, self.generation.finish, flat, mixed)
        return flat.unflatten(0, shape)


class MixtureNorm(nn.Module):
    """The norm after the last layer, of each expert its own."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.understanding = Qwen2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.generation = Qwen2RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden: Tensor, routes: Routes) -> Tensor:
        """(batch, length, width) -> same."""
        norms = (lambda rows: (self.understanding(rows),), lambda rows: (self.generation(rows),))
        (flat,) = routes.run(*norms, hidden.flatten(0, 1))
        return flat.unflatten(0, hidden.shape[:2])


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | BlockMask) -> Tensor:
    """(batch, heads, length, d); keys and values have fewer heads, each for a group of queries."""
    if isinstance(mask, BlockMask):
        queries, keys = queries.to(values.dtype), keys.to(values.dtype)  # autocast does it for the other
        mixed = flex_attention(queries, keys, values, block_mask=mask, enable_gqa=True)
        assert isinstance(mixed, Tensor)  # a tuple only where log-sum-exps are asked for
        return mixed
    return scaled_dot_product_attention(queries, keys, values, attn_mask=mask[:, None], enable_gqa=True)
