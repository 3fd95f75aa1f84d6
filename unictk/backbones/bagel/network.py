"""BAGEL's network: tables, mixture of transformers, ViT and connector, latents in and velocities out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask
from torch.utils.checkpoint import checkpoint
from transformers import Qwen2Config, SiglipVisionConfig
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from unictk.backbones.bagel.experts import Mixed, MixtureLayer, MixtureNorm, Routes
from unictk.backbones.bagel.patches import grid_of, patchify, places
from unictk.backbones.bagel.positions import grid_table, time_features
from unictk.backbones.bagel.sizes import Sizes
from unictk.backbones.bagel.vision import Connector, VisionTower
from unictk.backbones.base import Rows
from unictk.backbones.concept_rows import lookup, with_rows
from unictk.backbones.keyvalues import KeyValues

TIME_FEATURES = 256


class BagelNetwork(nn.Module):
    """Everything but the autoencoder. Randomly drawn unless weights are read into it.

    Args:
        language: from :func:`~unictk.backbones.bagel.sizes.qwen2_config`.
        vision: from :func:`~unictk.backbones.bagel.sizes.siglip_config`.
        sizes: of tokens and position tables.
    """

    latent_table: Tensor
    vision_table: Tensor

    def __init__(self, language: Qwen2Config, vision: SiglipVisionConfig, sizes: Sizes) -> None:
        super().__init__()
        width = language.hidden_size
        self.language_config, self.vision_config, self.sizes = language, vision, sizes
        assert isinstance(vision.patch_size, int)
        self.patch = vision.patch_size
        self.embed_tokens = nn.Embedding(language.vocab_size, width)
        self.layers = nn.ModuleList(MixtureLayer(language, i) for i in range(language.num_hidden_layers))
        self.norm = MixtureNorm(language)
        self.lm_head = nn.Linear(width, language.vocab_size, bias=False)
        self.rotary = Qwen2RotaryEmbedding(language)
        self.vision = VisionTower(vision)
        self.connector = Connector(vision.hidden_size, width)
        self.time = nn.Sequential(nn.Linear(TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        self.latents_in = nn.Linear(sizes.latent_width, width)
        self.velocity_out = nn.Linear(width, sizes.latent_width)
        self.register_buffer("latent_table", torch.zeros(0), persistent=False)
        self.register_buffer("vision_table", torch.zeros(0), persistent=False)
        self.checkpoint_blocks = False
        self.make_tables()

    @property
    def width(self) -> int:
        """Numbers per token."""
        return self.language_config.hidden_size

    @property
    def key_shape(self) -> tuple[int, int]:
        """Heads of keys and values, and numbers per head."""
        config = self.language_config
        return (
            config.num_key_value_heads or config.num_attention_heads,
            self.width // config.num_attention_heads,
        )

    @property
    def device(self) -> torch.device:
        """Where the tables lie."""
        return self.embed_tokens.weight.device

    def make_tables(self) -> None:
        """Compute what follows from formulas, in fp32: position tables and rotary frequencies."""
        self.latent_table = grid_table(self.sizes.latent_side, self.width).to(self.device)
        self.vision_table = grid_table(self.sizes.vision_side, self.width).to(self.device)
        self.rotary = Qwen2RotaryEmbedding(self.language_config).to(self.device)

    def cast(self, dtype: torch.dtype) -> None:
        """Change the weights' type; what follows from formulas stays fp32, or far positions blur."""
        self.to(dtype)
        self.make_tables()

    def draw_weights(self, seed: int) -> None:
        """Random weights: normal of 0.02, biases zero, norms one.

        Velocities too, which published training starts at zero: a frozen model of them would teach nothing.
        """
        chance = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                nn.init.constant_(parameter, 1.0 if "norm" in name and name.endswith("weight") else 0.0)
            else:
                parameter.data.copy_(torch.randn(parameter.shape, generator=chance) * 0.02)

    def copy_understanding(self) -> None:
        """Start every generation expert from its understanding twin, as BAGEL's training does."""
        for layer in self.layers:
            assert isinstance(layer, MixtureLayer)
            layer.generation.load_state_dict(layer.understanding.state_dict())
        self.norm.generation.load_state_dict(self.norm.understanding.state_dict())

    # -- input vectors ---------------------------------------------------------------------------------

    def embed(self, ids: Tensor, rows: Rows | None = None) -> Tensor:
        """Ids (...,) -> (..., width); ids behind the table are concept rows."""
        return lookup(ids, self.embed_tokens.weight, rows)

    def see(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Pictures (3, H, W) in [-1, 1], made of whole ViT patches -> tokens (rows * columns, width).

        Raises:
            ValueError: a shape the ViT's position table has no room for.
        """
        if not pictures:
            return []
        side = self.sizes.vision_side
        grids = [grid_of(picture, self.patch, side) for picture in pictures]
        where = [places(grid, side).to(self.device) for grid in grids]
        dtype = self.connector.fc1.weight.dtype
        patches = [patchify(picture, self.patch).to(self.device, dtype) for picture in pictures]
        features = self.vision(patches, where)
        lengths = [len(part) for part in features]
        vectors = self.connector(torch.cat(features)) + self.vision_table[torch.cat(where)].to(dtype)
        return list(vectors.split(lengths))

    def latent_vectors(self, tokens: Tensor, times: Tensor, where: Tensor) -> Tensor:
        """Latent tokens as input vectors.

        Args:
            tokens: (..., latent width).
            times: (...,) of noise in [0, 1], or broadcast to it; 0 for a clean latent.
            where: (...,) places in the position table.

        Returns:
            (..., width).
        """
        weight = self.latents_in.weight
        features = time_features(times.flatten(), TIME_FEATURES).to(weight.dtype).unflatten(0, times.shape)
        moved = self.latents_in(tokens.to(weight.dtype)) + self.time(features)
        return moved + self.latent_table[where].to(weight.dtype)

    # -- layers and outputs ----------------------------------------------------------------------------

    def trunk(
        self,
        vectors: Tensor,
        drawn: Tensor | Routes,
        positions: Tensor | None,
        mask: Tensor | BlockMask | None,
        cache: KeyValues | None = None,
    ) -> Tensor:
        """Hidden states after the last norm.

        Args:
            vectors: (batch, length, width).
            drawn: (batch, length) bool, true for latent tokens: they go to the generation expert. Or routes.
            positions: (batch, length) rotary positions; None: all at position 0.
            mask: (batch, length or 1, keys) bool, or a block mask; keys are the cached ones followed by
                these. None: all see all.
            cache: keys and values of earlier tokens, or a recorder of them.

        Returns:
            (batch, length, width).
        """
        rotary = None if positions is None else self.rotary(vectors, position_ids=positions)
        routes = Mixed.of(drawn) if isinstance(drawn, Tensor) else drawn
        hidden = vectors
        for layer in self.layers:
            if self.checkpoint_blocks and torch.is_grad_enabled():
                hidden = checkpoint(layer, hidden, routes, rotary, mask, cache, use_reentrant=False)
            else:
                hidden = layer(hidden, routes, rotary, mask, cache)
        return self.norm(hidden, routes)

    def logits(self, states: Tensor, rows: Rows | None = None) -> Tensor:
        """States (..., width) -> (..., vocabulary + concept rows)."""
        return with_rows(self.lm_head(states), states, rows)

    def velocity(self, states: Tensor) -> Tensor:
        """States of latent tokens (..., width) -> velocities (..., latent width)."""
        return self.velocity_out(states)
