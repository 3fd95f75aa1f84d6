"""Janus-Pro behind the backbone protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn
from transformers import JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from unictk.backbones.autoregressive import Autoregressive
from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.codes import completed
from unictk.backbones.drawing import Drawing
from unictk.backbones.janus.batch import JanusBatch
from unictk.backbones.janus.configs import joined_config
from unictk.backbones.janus.construction import build_network, check_sizes
from unictk.backbones.janus.encoding import squares_of
from unictk.backbones.janus.idle import idle_zero
from unictk.backbones.janus.keeping import read_weights, write_weights
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.janus.sampling import draw
from unictk.backbones.losses import token_losses
from unictk.backbones.sequences import IGNORED
from unictk.samples import Batch, Image, Loss, Vectors


class Janus(Autoregressive):
    """Janus-Pro (arXiv 2501.17811) with concept rows outside its tables.

    Everything starts frozen; who trains says so. Without ``weights`` the network is drawn at random from
    ``seed``, for tests and for pretraining.

    Args:
        layout: sequence building; its sizes must match the network's.
        language: from :func:`~unictk.backbones.janus.configs.language_config`.
        vision: from :func:`~unictk.backbones.janus.configs.vision_config`.
        image_tokenizer: from :func:`~unictk.backbones.janus.configs.image_config`.
        weights: folder or hub id as converted for transformers (the image tokenizer is in it), or None.
        seed: of random weights.
        batch_size: most pictures or answers per forward pass.
        dtype: of the network; rows, losses and image codes stay fp32.
        autocast: bf16 matrix products when sampling (training follows the trainer's precision).
        code_folder: where image codes are kept between runs, or None.
        checkpoint_blocks: recompute layers in the backward pass.
        compile_blocks: compile the language model's layers.
    """

    layout: JanusLayout
    network: JanusNetwork

    def __init__(
        self,
        layout: JanusLayout,
        language: LlamaConfig,
        vision: JanusVisionConfig,
        image_tokenizer: JanusVQVAEConfig,
        weights: str | None = None,
        seed: int = 0,
        batch_size: Annotated[int, Ge(1)] = 8,
        dtype: Literal["float32", "bfloat16"] = "float32",
        autocast: bool = False,
        code_folder: str | None = None,
        checkpoint_blocks: bool = False,
        compile_blocks: bool = False,
    ) -> None:
        check_sizes(layout, language, vision, image_tokenizer)
        config = joined_config(language, vision, image_tokenizer, layout.vocabulary)
        network = build_network(config, weights, seed)
        super().__init__(
            layout,
            network,
            network.image_tokenizer,
            language.hidden_size,
            batch_size,
            dtype,
            autocast,
            code_folder,
            checkpoint_blocks,
        )
        if compile_blocks:
            for layer in self.network.blocks:
                layer.compile()

    # -- concepts and parts ----------------------------------------------------------------------------

    @torch.no_grad()
    def fresh_rows(self, count: int, first: int = 0, head: str = "text") -> ConceptRows:
        """Starting values for new rows: averages of the tokenizer's rows.

        Image codes have no rows in the tables. ``head="codes"`` takes what the language model is given for
        codes ``first``, first+1, ... as input rows; head rows are averages all the same.
        """
        entries = len(self.layout.codec.tokenizer)
        tables = (self.network.input_table, self.network.stock.lm_head.weight)
        rows, heads = (table[:entries].float().mean(0).expand(count, -1).clone() for table in tables)
        if head == "codes":
            codes = torch.arange(first, first + count, device=rows.device) % self.layout.codebook
            rows = self.network.code_vectors(codes).float()
        return ConceptRows(rows, heads, None)

    def parts(self) -> Mapping[str, nn.Module]:
        """Tables, language model layers, vision tower, aligner, what reads and writes codes, tokenizer."""
        model = self.network.stock.model
        return {
            "tables": nn.ModuleList([model.language_model.embed_tokens, self.network.stock.lm_head]),
            "language": self._language[0],
            "vision": model.vision_model,
            "connector": model.aligner,
            "generation head": nn.ModuleList(
                [model.generation_embeddings, model.generation_aligner, model.generation_head]
            ),
            "tokenizer": model.vqmodel,
        }

    def write_weights(self, folder: Path) -> Path:
        """The hub's folder (weights, tokenizer, processor), as ``janus`` below ``folder``."""
        return write_weights(self.network, self.layout, folder)

    def read_weights(self, folder: Path) -> None:
        """The network from below ``folder``; everything is frozen again."""
        read_weights(self.network, folder)
        self.requires_grad_(False).eval()

    # -- training --------------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Loss:
        """Summed cross entropies: of texts over tokens, of drawn pictures over codes, by a head each."""
        parts: JanusBatch = batch.parts
        if not batch.size:
            zero = torch.zeros((), device=self.network.input_table.device)
            return Loss(zero, 0, zero, 0)
        rows = self.concept_rows()
        codes = completed(parts.drawn, self._encode, self.layout.codes, self.batch_size)
        vectors = self._inputs(parts, rows, codes)
        positions = torch.arange(vectors.shape[1], device=vectors.device).expand(vectors.shape[:2])
        states = self.network.trunk(vectors, positions)
        sequences = parts.sequences
        chosen = sequences.targets != IGNORED
        head = partial(self.network.logits, rows=rows)
        texts = token_losses(head, states[chosen], sequences.targets[chosen])
        before = sequences.before_codes(states, self.layout.cells).flatten(0, 1)
        goals = codes[sequences.drawn_source].flatten()
        pictures = token_losses(self.network.code_logits, before, goals)
        idle = idle_zero(self.network, parts, states, rows) if torch.is_grad_enabled() else 0.0
        return Loss(
            texts.cross_entropy.sum() + idle,
            batch.counts.text,
            pictures.cross_entropy.sum(),
            batch.counts.image,
        )

    def _inputs(self, parts: JanusBatch, rows: ConceptRows | None, codes: Tensor) -> Tensor:
        """Input vectors (B, L, hidden) with features and codes (J, cells) in their places."""
        squares = squares_of(parts.seen, self.network, self.batch_size)
        seen = (
            [self.network.features(part) for part in squares.split(self.batch_size)] if len(squares) else []
        )
        drawn = self.network.code_vectors(codes) if len(codes) else None
        vectors = self.network.embed(parts.sequences.ids, rows)
        return parts.sequences.spliced(vectors, torch.cat(seen) if seen else None, drawn)

    def _prompt_vectors(self, parts: JanusBatch, rows: ConceptRows | None) -> Tensor:
        return self._inputs(parts, rows, parts.drawn.codes)

    # -- pictures --------------------------------------------------------------------------------------

    def _encode(self, squares: Tensor) -> Tensor:
        return self.network.encode(squares)

    def _decode(self, codes: Tensor) -> Tensor:
        return self.network.decode(codes)

    def _draw(self, drawing: Drawing) -> Tensor:
        return draw(self.network, self.layout.vocabulary, drawing)

    @torch.no_grad()
    def vectors(self, images: Sequence[Image]) -> Vectors:
        """What tower and aligner make of the pictures, as they are read: each cell is a vector of its own."""
        shelf = self.layout.read_shelf()
        places = torch.tensor([shelf.place(image) for image in images])
        seen = shelf.seen().to(self.device)
        squares = squares_of(seen, self.network, self.batch_size)
        found = torch.cat([self.network.features(part) for part in squares.split(self.batch_size)])
        numbers = torch.arange(found.shape[0] * found.shape[1], device=found.device)
        return Vectors(found.flatten(0, 1).float(), numbers.view(found.shape[:2])[places])
