"""UniToken behind the backbone protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn
from transformers import ChameleonConfig, SiglipVisionConfig

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.base import RowShape
from unictk.backbones.concept_rows import claimed, joined
from unictk.backbones.fingerprint import fingerprint
from unictk.backbones.losses import token_losses
from unictk.backbones.raster import begun
from unictk.backbones.unitoken.answering import Reader
from unictk.backbones.unitoken.batch import UniTokenBatch
from unictk.backbones.unitoken.construction import build_network, check_sizes, fill_tokenizer
from unictk.backbones.unitoken.encoding import codes_of, encode, pictures_of, tiles_of
from unictk.backbones.unitoken.keeping import read_weights, write_image_tokenizer, write_weights
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.sampling import TOP, draw
from unictk.backbones.unitoken.vocabulary import IGNORED
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError
from unictk.samples import Batch, GeneratedImage, Image, Loss, Request, Vectors


class UniToken(nn.Module):
    """UniToken (arXiv 2504.04423) with concept rows outside its tables.

    Everything starts frozen; who trains says so. Without ``weights`` the network is drawn at random from
    ``seed``, for tests and for pretraining.

    Args:
        layout: sequence building; its sizes must match the network's.
        language: from :func:`~unictk.backbones.unitoken.configs.language_config`.
        vision: from :func:`~unictk.backbones.unitoken.configs.vision_config`.
        image_tokenizer: an untrained tokenizer of the right sizes.
        weights: folder or hub id of language model, adapter and tower in the published layout, or None.
        vision_weights: folder or hub id of SigLIP, whose tower then takes the place of that in ``weights``;
            an adapter that is not there either is drawn from ``seed``. Where the first stage begins.
        image_weights: Chameleon's ``vqgan.ckpt`` or its folder; the published checkpoints do not hold it.
        seed: of random weights.
        batch_size: most pictures or answers per forward pass.
        dtype: of the network; rows, losses and image codes stay fp32.
        autocast: bf16 matrix products when sampling (training follows the trainer's precision).
        code_folder: where image codes are kept between runs, or None.
        z_weight: weight of the z-loss in the gradient; it is reported apart from the cross entropy.
        top_codes: how many image codes may come at each step of drawing.
        checkpoint_blocks: recompute layers in the backward pass.
    """

    def __init__(
        self,
        layout: UniTokenLayout,
        language: ChameleonConfig,
        vision: SiglipVisionConfig,
        image_tokenizer: VQTokenizer,
        weights: str | None = None,
        vision_weights: str | None = None,
        image_weights: str | None = None,
        seed: int = 0,
        batch_size: Annotated[int, Ge(1)] = 8,
        dtype: Literal["float32", "bfloat16"] = "float32",
        autocast: bool = False,
        code_folder: str | None = None,
        z_weight: Annotated[float, Ge(0)] = 1e-5,
        top_codes: Annotated[int, Ge(1)] = TOP,
        checkpoint_blocks: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(layout, language, vision, image_tokenizer)
        if vision_weights is not None and weights is None:
            raise UserError(
                f"backbone.vision_weights: {vision_weights!r}, but backbone.weights is null; "
                "expected a language model beside the tower"
            )
        if weights is not None and image_weights is None:
            raise UserError(
                "backbone.image_weights: null, and UniToken's checkpoints hold no image tokenizer; "
                "expected Chameleon's vqgan.ckpt or its folder"
            )
        self.layout = layout
        self.vocabulary = layout.vocabulary
        self.image_tokenizer = image_tokenizer
        self.network = build_network(language, vision, self.vocabulary.size, weights, vision_weights, seed)
        self.network.cast(getattr(torch, dtype))
        fill_tokenizer(image_tokenizer, image_weights, seed)
        self.row_shape = RowShape(language.hidden_size, head_bias=False)
        self.batch_size = batch_size
        self.autocast = autocast
        self.z_weight = z_weight
        self.top_codes = top_codes
        self.network.checkpoint_blocks = checkpoint_blocks
        self.concepts: tuple[ConceptTokens, ...] = ()  # no submodules: they belong to who trains them
        # One object for good, since adapters leave their settings on it; in a tuple, so that it is not
        # registered a second time.
        self._language = (nn.ModuleList([*self.network.blocks, self.network.model.norm]),)
        layout.keep_codes(fingerprint(image_tokenizer), Path(code_folder) if code_folder else None)
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

    def fresh_rows(self, count: int, first: int = 0, head: str = "text") -> ConceptRows:
        """Starting values for new rows: averages of the text rows, or copies of image codes' rows."""
        table, output = self.network.input_table, self.network.lm_head.weight
        if head == "codes":
            start = self.vocabulary.first_code + first
            values = table[start : start + count], output[start : start + count]
        else:
            text = torch.ones(len(table), dtype=torch.bool, device=table.device)
            text[self.vocabulary.codes] = False
            values = table[text].mean(0).expand(count, -1), output[text].mean(0).expand(count, -1)
        rows, heads = (value.detach().float().clone() for value in values)
        return ConceptRows(rows, heads, None)

    def parts(self) -> Mapping[str, nn.Module]:
        """Tables, language model layers, vision tower, adapter, image tokenizer."""
        return {
            "tables": nn.ModuleList([self.network.model.embed_tokens, self.network.lm_head]),
            "language": self._language[0],
            "vision": self.network.vit,
            "connector": self.network.adapter,
            "tokenizer": self.image_tokenizer,
        }

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers of the language model and of the tower."""
        return [*self.network.blocks, *self.network.vit.encoder.layers]

    def write_weights(self, folder: Path) -> Path:
        """Language model, adapter and tower in the published layout, into ``unitoken`` below ``folder``."""
        return write_weights(self.network, self.layout, folder)

    def write_image_tokenizer(self, folder: Path) -> Path:
        """The image tokenizer, which the published layout keeps apart, into ``folder``."""
        return write_image_tokenizer(self.image_tokenizer, folder)

    def read_weights(self, folder: Path) -> None:
        """Language model, adapter and tower from below ``folder``; everything is frozen again."""
        read_weights(self.network, folder)
        self.requires_grad_(False).eval()

    # -- training --------------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Loss:
        """Summed cross entropies over all classes (UniToken section 3.2; specification 1.6).

        The z-loss adds its gradient to both sums and nothing to their values, which stay log-likelihoods;
        ``extras["z_loss"]`` is its sum over all targets, not weighted.
        """
        parts: UniTokenBatch = batch.parts
        rows = self.concept_rows()
        vectors, targets = self._inputs(parts, rows)
        positions = torch.arange(vectors.shape[1], device=vectors.device).expand(vectors.shape[:2])
        hidden = self.network.trunk(vectors, positions)
        chosen = targets != IGNORED
        losses = token_losses(partial(self.network.logits, rows=rows), hidden[chosen], targets[chosen])
        each = losses.cross_entropy + self.z_weight * (losses.z - losses.z.detach())
        draws = parts.sequences.draws[chosen]
        return Loss(
            each[~draws].sum(),
            batch.counts.text,
            each[draws].sum(),
            batch.counts.image,
            {"z_loss": losses.z.detach().sum()},
        )

    def _inputs(self, parts: UniTokenBatch, rows: ConceptRows | None) -> tuple[Tensor, Tensor]:
        """Input vectors (B, L, hidden) with codes and features in place, and targets (B, L)."""
        codes = codes_of(parts.pictures, self.image_tokenizer, self.layout, self.batch_size)
        ids, targets = parts.sequences.filled(codes, self.vocabulary)
        vectors = self.network.embed(ids, rows)
        if not len(parts.pictures.tiles):
            return vectors, targets
        tiles = tiles_of(parts.pictures, codes, self.image_tokenizer, self.layout)
        features = torch.cat([self.network.features(part) for part in tiles.split(self.batch_size)])
        return parts.sequences.spliced(vectors, features), targets

    # -- pictures --------------------------------------------------------------------------------------

    def encode(self, images: Sequence[Image]) -> Tensor:
        """Codes (images, rows, columns); each distinct picture is encoded once."""
        device = self.network.input_table.device
        return encode(images, self.image_tokenizer, self.layout, self.batch_size, device)

    @torch.no_grad()
    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        """The pictures through the image tokenizer and back."""
        return pictures_of(self.encode(images), self.image_tokenizer, self.batch_size)

    def prepare(self, images: Sequence[Image]) -> None:
        """Encode the pictures once; loader workers then send codes instead of squares."""
        for first in range(0, len(images), self.batch_size):
            self.encode(images[first : first + self.batch_size])

    @torch.no_grad()
    def vectors(self, images: Sequence[Image]) -> Vectors:
        """The input vectors of the pictures' codes."""
        distinct, index = self.encode(images).flatten(1).unique(return_inverse=True)
        return Vectors(self.network.input_table[self.vocabulary.to_ids(distinct)].float(), index)

    @torch.no_grad()
    def words(self, text: str) -> Tensor:
        """Input vectors of the text's pieces, (pieces, hidden)."""
        ids = torch.tensor(self.layout.codec.encode(text), device=self.network.input_table.device)
        return self.network.embed(ids, self.concept_rows()).float()

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
        cells = self.layout.side**2
        if not 1 <= n <= cells:
            raise UserError(f"drafts: {n} of a picture of {cells} codes; expected 1 to {cells}")
        drawn: list[list[GeneratedImage]] = [[] for _ in requests]
        with self._precision():
            for places, drawing in self._reader().drawings(requests, self.batch_size, self.top_codes):
                codes = draw(self.network, self.vocabulary, drawing)
                stages = [
                    pictures_of(
                        begun(codes, round(number * cells / n)), self.image_tokenizer, self.batch_size
                    )
                    for number in range(1, n + 1)
                ]
                for item, place in enumerate(places):
                    sampling = requests[place].sampling
                    facts = {"guidance": sampling.guidance, "temperature": sampling.temperature}
                    settings = {"seed": requests[place].seed, "top_codes": self.top_codes, **facts}
                    drawn[place] = [
                        GeneratedImage(stage[item].pixels, stage[item].codes, settings) for stage in stages
                    ]
        return drawn

    def _reader(self) -> Reader:
        rows = self.concept_rows()
        return Reader(self.layout, self.network, rows, lambda parts: self._inputs(parts, rows)[0])

    def _precision(self) -> AbstractContextManager[None]:
        return torch.autocast(self.network.input_table.device.type, torch.bfloat16, enabled=self.autocast)
