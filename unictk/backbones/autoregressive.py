"""What backbones share that read one causal sequence and draw pictures code after code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unictk.backbones.answering import Head
from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.base import RowShape
from unictk.backbones.codes import completed, pictures_of
from unictk.backbones.concept_rows import claimed, joined
from unictk.backbones.drawing import Drawing
from unictk.backbones.fingerprint import fingerprint
from unictk.backbones.prompts import Reader
from unictk.backbones.raster import begun
from unictk.backbones.sequences import SequenceLayout
from unictk.backbones.stock import CausalNetwork
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError
from unictk.samples import Batch, GeneratedImage, Image, Loss, Request, Vectors


class Autoregressive(nn.Module, ABC):
    """The protocol's part that does not depend on the model. Everything starts frozen; who trains says so.

    Args:
        layout: sequence building.
        network: language model with its head, tower and what else there is.
        tokenizer: pictures to codes and back, with its weights; names the codes that are kept.
        hidden: width of the language model.
        batch_size: most pictures or answers per forward pass.
        dtype: of the network; rows, losses and image codes stay fp32.
        autocast: bf16 matrix products when sampling (training follows the trainer's precision).
        code_folder: where image codes are kept between runs, or None.
        checkpoint_blocks: recompute layers in the backward pass.
    """

    layout: SequenceLayout[Any]
    network: Any

    def __init__(
        self,
        layout: SequenceLayout[Any],
        network: CausalNetwork,
        tokenizer: nn.Module,
        hidden: int,
        batch_size: int,
        dtype: str,
        autocast: bool,
        code_folder: str | None,
        checkpoint_blocks: bool,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.network = network
        network.cast(getattr(torch, dtype))
        network.checkpoint_blocks = checkpoint_blocks
        self.row_shape = RowShape(hidden, head_bias=False)
        self.batch_size = batch_size
        self.autocast = autocast
        self.top_codes: int | None = None
        self.concepts: tuple[ConceptTokens, ...] = ()  # no submodules: they belong to who trains them
        # One object for good, since adapters leave their settings on it; in a tuple, so that it is not
        # registered a second time.
        self._language = (nn.ModuleList([*network.blocks, network.language.norm]),)
        layout.keep_codes(fingerprint(tokenizer), Path(code_folder) if code_folder else None)
        self.requires_grad_(False).eval()

    # -- what a model has of its own -------------------------------------------------------------------

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """Summed cross entropies of text and image targets (fp32) with their counts."""

    @abstractmethod
    def parts(self) -> Mapping[str, nn.Module]:
        """Named parts."""

    @abstractmethod
    def vectors(self, images: Sequence[Image]) -> Vectors:
        """The pictures' cells in the language model's input space."""

    @abstractmethod
    def _prompt_vectors(self, parts: Any, rows: ConceptRows | None) -> Tensor:
        """Input vectors (B, L, hidden) of a batch of prompts."""

    @abstractmethod
    def _encode(self, squares: Tensor) -> Tensor:
        """Squares (B, 3, side, side) uint8 to codes (B, cells or rows, columns), in fp32."""

    @abstractmethod
    def _decode(self, codes: Tensor) -> Tensor:
        """Codes (B, cells) to pictures (B, 3, side, side) uint8, in fp32."""

    @abstractmethod
    def _draw(self, drawing: Drawing) -> Tensor:
        """Image codes (B, cells)."""

    def _speech(self, rows: ConceptRows | None) -> Head:
        """Logits where nothing but text may come."""
        return partial(self.network.logits, rows=rows)

    # -- concepts and parts ----------------------------------------------------------------------------

    def attach(self, concepts: Sequence[ConceptTokens]) -> None:
        """Put the concepts' rows behind the tables, in order. Call again when one has grown.

        Raises:
            UserError: a hidden size that does not fit, or two concepts that share a token.
        """
        owner = claimed(concepts, self.row_shape)
        self.concepts = tuple(concept.to(self.device) for concept in concepts)
        self.layout.codec.attach(owner)

    def concept_rows(self) -> ConceptRows | None:
        """All attached rows in id order, or None."""
        return joined(self.concepts)

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers of the language model and of the tower."""
        return [*self.network.blocks, *self.network.tower.encoder.layers]

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return self.network.input_table.device

    # -- pictures --------------------------------------------------------------------------------------

    def encode(self, images: Sequence[Image]) -> Tensor:
        """Codes (images, cells); each distinct picture is encoded once."""
        shelf = self.layout.code_shelf()
        places = [shelf.place(image) for image in images]
        coded = shelf.coded().to(self.device)
        return completed(coded, self._encode, self.layout.codes, self.batch_size)[places]

    @torch.no_grad()
    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        """The pictures through the image tokenizer and back."""
        return pictures_of(self.encode(images), self._decode, self.batch_size)

    def prepare(self, images: Sequence[Image]) -> None:
        """Encode the pictures once; loader workers then send codes instead of squares."""
        for first in range(0, len(images), self.batch_size):
            self.encode(images[first : first + self.batch_size])

    @torch.no_grad()
    def words(self, text: str) -> Tensor:
        """Input vectors of the text's pieces, (pieces, hidden)."""
        ids = torch.tensor(self.layout.codec.encode(text), device=self.device)
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
                grid = self._draw(drawing).view(-1, side, side)
                stages = [begun(grid, round(number * cells / n)).flatten(1) for number in range(1, n + 1)]
                pictures = [pictures_of(stage, self._decode, self.batch_size) for stage in stages]
                for item, place in enumerate(places):
                    settings = self._settings(requests[place])
                    drawn[place] = [
                        GeneratedImage(stage[item].pixels, stage[item].codes, settings) for stage in pictures
                    ]
        return drawn

    def _settings(self, request: Request) -> dict[str, Any]:
        """How a picture was drawn."""
        sampling = request.sampling
        top = {} if self.top_codes is None else {"top_codes": self.top_codes}
        facts = {"guidance": sampling.guidance, "temperature": sampling.temperature}
        return {"seed": request.seed, **top, **facts}

    def _reader(self) -> Reader:
        rows = self.concept_rows()
        return Reader(
            self.layout,
            self.network,
            rows,
            partial(self._prompt_vectors, rows=rows),
            partial(self.network.logits, rows=rows),
            self._speech(rows),
            self.top_codes,
        )

    def _precision(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)
