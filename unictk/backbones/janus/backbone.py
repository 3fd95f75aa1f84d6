"""Janus-Pro behind the backbone protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn
from transformers import JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.base import RowShape
from unictk.backbones.concept_rows import claimed, joined
from unictk.backbones.fingerprint import fingerprint
from unictk.backbones.janus.answering import Reader
from unictk.backbones.janus.batch import JanusBatch
from unictk.backbones.janus.configs import joined_config
from unictk.backbones.janus.construction import build_network, check_sizes
from unictk.backbones.janus.encoding import codes_of, encode, pictures_of, squares_of
from unictk.backbones.janus.idle import idle_zero
from unictk.backbones.janus.keeping import read_weights, write_weights
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.sampling import draw
from unictk.backbones.janus.vocabulary import IGNORED
from unictk.backbones.losses import token_losses
from unictk.backbones.raster import begun
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError
from unictk.samples import Batch, GeneratedImage, Image, Loss, Request, Vectors


class Janus(nn.Module):
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
        super().__init__()
        check_sizes(layout, language, vision, image_tokenizer)
        self.layout = layout
        config = joined_config(language, vision, image_tokenizer, layout.vocabulary)
        self.network = build_network(config, weights, seed)
        self.network.cast(getattr(torch, dtype))
        self.row_shape = RowShape(language.hidden_size, head_bias=False)
        self.batch_size = batch_size
        self.autocast = autocast
        self.network.checkpoint_blocks = checkpoint_blocks
        self.concepts: tuple[ConceptTokens, ...] = ()  # no submodules: they belong to who trains them
        # One object for good, since adapters leave their settings on it; in a tuple, so that it is not
        # registered a second time.
        last = self.network.stock.model.language_model.norm
        self._language = (nn.ModuleList([*self.network.blocks, last]),)
        if compile_blocks:
            for layer in self.network.blocks:
                layer.compile()
        name = fingerprint(self.network.image_tokenizer)
        layout.keep_codes(name, Path(code_folder) if code_folder else None)
        self.requires_grad_(False).eval()

    # -- concepts and parts ----------------------------------------------------------------------------

    def attach(self, concepts: Sequence[ConceptTokens]) -> None:
        """Put the concepts' rows behind the tables, in order. Call again when one has grown.

        Raises:
            UserError: a hidden size that does not fit, or two concepts that share a token.
        """
        owner = claimed(concepts, self.row_shape)
        self.concepts = tuple(concept.to(self.network.input_table.device) for concept in concepts)
        self.layout.codec.attach(owner)

    def concept_rows(self) -> ConceptRows | None:
        """All attached rows in id order, or None."""
        return joined(self.concepts)

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

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers of the language model and of the tower."""
        return [*self.network.blocks, *self.network.stock.model.vision_model.encoder.layers]

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
        codes = codes_of(parts.drawn, self.network, self.layout, self.batch_size)
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

    # -- pictures --------------------------------------------------------------------------------------

    def encode(self, images: Sequence[Image]) -> Tensor:
        """Codes (images, cells); each distinct picture is encoded once."""
        return encode(images, self.network, self.layout, self.batch_size)

    @torch.no_grad()
    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        """The pictures through the image tokenizer and back."""
        return pictures_of(self.encode(images), self.network, self.batch_size)

    def prepare(self, images: Sequence[Image]) -> None:
        """Encode the pictures once; loader workers then send codes instead of squares."""
        for first in range(0, len(images), self.batch_size):
            self.encode(images[first : first + self.batch_size])

    @torch.no_grad()
    def vectors(self, images: Sequence[Image]) -> Vectors:
        """What tower and aligner make of the pictures, as they are read: each cell is a vector of its own."""
        shelf = self.layout.shelf()
        places = torch.tensor([shelf.place(image, drawn=False) for image in images])
        seen = shelf.seen().to(self.network.input_table.device)
        squares = squares_of(seen, self.network, self.batch_size)
        found = torch.cat([self.network.features(part) for part in squares.split(self.batch_size)])
        numbers = torch.arange(found.shape[0] * found.shape[1], device=found.device)
        return Vectors(found.flatten(0, 1).float(), numbers.view(found.shape[:2])[places])

    @torch.no_grad()
    def words(self, text: str) -> Tensor:
        """Input vectors of the text's pieces, (pieces, hidden)."""
        ids = torch.tensor(self.layout.codec.encode(text), device=self.network.input_table.device)
        return self.network.embed(ids.long(), self.concept_rows()).float()

    # -- sampling --------------------------------------------------------------------------------------

    @torch.no_grad()
    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        """Answers, batched."""
        with self._precision():
            answers: list[str] = []
            for first in range(0, len(requests), self.batch_size):
                answers += self._reader().answer(requests[first : first + self.batch_size])
        return answers

    @torch.no_grad()
    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option and end of answer), (requests, options), fp32 on the CPU."""
        most = max(1, self.batch_size // max(1, len(options)))
        with self._precision():
            scores = [
                self._reader().score(requests[first : first + most], options).cpu()
                for first in range(0, len(requests), most)
            ]
        return torch.cat([torch.zeros(0, len(options)), *scores])

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        """Images, batched; images of one prompt read it once."""
        return [drafts[-1] for drafts in self.drafts(requests, 1)]

    @torch.no_grad()
    def drafts(self, requests: Sequence[Request], n: int) -> list[list[GeneratedImage]]:
        """The picture when 1/n, 2/n, ... of its codes are there; what is not yet repeats what is above it.

        Raises:
            UserError: ``n`` is not between 1 and the number of codes.
        """
        cells, side = self.layout.cells, self.layout.side
        if not 1 <= n <= cells:
            raise UserError(f"drafts: {n} of a picture of {cells} codes; expected 1 to {cells}")
        drawn: list[list[GeneratedImage]] = [[] for _ in requests]
        with self._precision():
            for places, drawing in self._reader().drawings(requests, self.batch_size):
                codes = draw(self.network, self.layout.vocabulary, drawing)
                grid = codes.view(-1, side, side)
                stages = [begun(grid, round(number * cells / n)).flatten(1) for number in range(1, n + 1)]
                pictures = [pictures_of(stage, self.network, self.batch_size) for stage in stages]
                for item, place in enumerate(places):
                    sampling = requests[place].sampling
                    facts = {"guidance": sampling.guidance, "temperature": sampling.temperature}
                    settings = {"seed": requests[place].seed, **facts}
                    drawn[place] = [
                        GeneratedImage(stage[item].pixels, stage[item].codes, settings) for stage in pictures
                    ]
        return drawn

    def _reader(self) -> Reader:
        rows = self.concept_rows()
        return Reader(
            self.layout, self.network, rows, lambda parts: self._inputs(parts, rows, parts.drawn.codes)
        )

    def _precision(self) -> AbstractContextManager[None]:
        return torch.autocast(self.network.input_table.device.type, torch.bfloat16, enabled=self.autocast)
