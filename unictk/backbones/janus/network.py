"""Janus's network: transformers' ``JanusForConditionalGeneration``, its parts called one by one.

The stock class holds all weights under the hub's names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import JanusConfig, JanusForConditionalGeneration

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.codes import exact_convolutions
from unictk.backbones.concept_rows import with_rows
from unictk.backbones.pictures import from_levels, to_levels
from unictk.backbones.stock import CausalNetwork


class JanusNetwork(CausalNetwork):
    """Language model, both heads, vision tower, aligners and image tokenizer.

    Args:
        config: from :func:`~unictk.backbones.janus.configs.joined_config`.
    """

    def __init__(self, config: JanusConfig) -> None:
        super().__init__()
        self.stock = JanusForConditionalGeneration(config)
        self.checkpoint_blocks = False

    @property
    def image_tokenizer(self) -> nn.Module:
        """Pictures to codes and back; always fp32."""
        return self.stock.model.vqmodel

    @property
    def language(self) -> nn.Module:
        """The language model."""
        return self.stock.model.language_model

    @property
    def tower(self) -> nn.Module:
        """The vision tower."""
        return self.stock.model.vision_model

    # -- into the language model and out ---------------------------------------------------------------

    def features(self, pixels: Tensor) -> Tensor:
        """Pictures that are read, (B, 3, side, side) in [-1, 1], as vectors (B, cells, hidden)."""
        return self.stock.model.aligner(self.vision_states(pixels))

    def code_vectors(self, codes: Tensor) -> Tensor:
        """Image codes (...,) as input vectors (..., hidden)."""
        return self.stock.prepare_embeddings_for_image_generation(codes)

    def logits(self, hidden: Tensor, rows: ConceptRows | None) -> Tensor:
        """Logits over the table's classes and, behind them, the concept rows: (..., vocabulary + rows)."""
        return with_rows(self.stock.lm_head(hidden), hidden, rows)

    def code_logits(self, hidden: Tensor) -> Tensor:
        """Logits over the image codes, by their own head: (..., codebook)."""
        return self.stock.model.generation_head(hidden)

    # -- pictures --------------------------------------------------------------------------------------

    @torch.no_grad()
    def encode(self, squares: Tensor) -> Tensor:
        """Pictures (B, 3, side, side) uint8 to codes (B, cells) int64: the nearest by direction.

        The decoder reads code vectors at length one, as the published encoder compares them. transformers'
        ``encode`` compares them at their own lengths, and gives other codes where those are not one.
        """
        vq = self.stock.model.vqmodel
        with torch.autocast(squares.device.type, enabled=False), exact_convolutions():
            found = vq.quant_conv(vq.encoder(from_levels(squares))).movedim(1, -1).flatten(1, 2)
            table = functional.normalize(vq.quantize.embedding.weight, dim=-1)
            return (found @ table.T).argmax(-1)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, cells) to pictures (B, 3, side, side) uint8."""
        with torch.autocast(codes.device.type, enabled=False), exact_convolutions():
            return to_levels(self.stock.model.vqmodel.decode(codes))

    # -- numbers ---------------------------------------------------------------------------------------

    def cast(self, dtype: torch.dtype) -> None:
        """Change the weights' type; the image tokenizer and rotary frequencies stay fp32."""
        super().cast(dtype)
        self.image_tokenizer.float()
