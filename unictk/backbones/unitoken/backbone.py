"""UniToken behind the backbone protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn
from transformers import ChameleonConfig, SiglipVisionConfig

from unictk.backbones.answering import Head
from unictk.backbones.autoregressive import Autoregressive
from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.codes import completed
from unictk.backbones.drawing import Drawing
from unictk.backbones.losses import token_losses
from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.anyres import Canvases, whole_half
from unictk.backbones.unitoken.batch import Pictures, UniTokenBatch
from unictk.backbones.unitoken.construction import build_network, check_sizes, fill_tokenizer
from unictk.backbones.unitoken.encoding import decode, encode, tiles_of
from unictk.backbones.unitoken.keeping import read_weights, write_image_tokenizer, write_weights
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.sampling import TOP, draw
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.errors import UserError
from unictk.samples import Batch, Image, Loss, Vectors


class UniToken(Autoregressive):
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

    layout: UniTokenLayout
    network: UniTokenNetwork

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
        if vision_weights is not None and layout.encoding == "discrete":
            raise UserError(
                f"backbone.vision_weights: {vision_weights!r}, but backbone.layout.encoding=discrete reads "
                "no tower; expected null"
            )
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
        fill_tokenizer(image_tokenizer, image_weights, seed)
        size = layout.vocabulary.size
        super().__init__(
            layout,
            build_network(language, vision, size, weights, vision_weights, seed),
            image_tokenizer,
            language.hidden_size,
            batch_size,
            dtype,
            autocast,
            code_folder,
            checkpoint_blocks,
        )
        self.vocabulary = layout.vocabulary
        self.image_tokenizer = image_tokenizer.requires_grad_(False).eval()
        self.z_weight = z_weight
        self.top_codes = top_codes

    # -- concepts and parts ----------------------------------------------------------------------------

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

    def unread(self) -> Mapping[str, str]:
        """Tower and adapter, where pictures are read as codes alone."""
        if self.layout.encoding != "discrete":
            return {}
        return dict.fromkeys(("vision", "connector"), "backbone.layout.encoding=discrete")

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
        sequences = parts.sequences
        hidden = self.network.trunk(vectors, sequences.positions, lengths=sequences.lengths)
        chosen = targets != IGNORED
        losses = token_losses(partial(self.network.logits, rows=rows), hidden[chosen], targets[chosen])
        each = losses.cross_entropy + self.z_weight * (losses.z - losses.z.detach())
        draws = sequences.draws[chosen]
        return Loss(
            each[~draws].sum(),
            batch.counts.text,
            each[draws].sum(),
            batch.counts.image,
            {"z_loss": losses.z.detach().sum()},
        )

    def _inputs(self, parts: UniTokenBatch, rows: ConceptRows | None) -> tuple[Tensor, Tensor]:
        """Input vectors (B, L, hidden) with codes and features in place, and targets (B, L)."""
        coded = parts.pictures.coded
        codes = completed(coded, self._encode, self.layout.codes, self.batch_size)
        ids, targets = parts.sequences.filled(codes, self.layout.side, self.vocabulary)
        vectors = self.network.embed(ids, rows)
        if not len(parts.pictures.tiles):
            return vectors, targets
        features = self._features(parts.pictures, codes, self.layout.used_canvases)
        return parts.sequences.spliced(vectors, features), targets

    def _features(self, pictures: Pictures, codes: Tensor, canvases: Canvases | None) -> Tensor:
        """Continuous vectors (tiles, tokens, hidden) of pictures with the codes (J, cells)."""
        tiles = tiles_of(pictures, codes, self._decode, self.layout.tile, canvases)
        return torch.cat([self.network.features(part) for part in tiles.split(self.batch_size)])

    def _prompt_vectors(self, parts: UniTokenBatch, rows: ConceptRows | None) -> Tensor:
        return self._inputs(parts, rows)[0]

    def _speech(self, rows: ConceptRows | None) -> Head:
        """Image codes cannot come in an answer."""
        return partial(self.network.logits, rows=rows, blank=self.vocabulary.codes)

    # -- pictures --------------------------------------------------------------------------------------

    def _encode(self, squares: Tensor) -> Tensor:
        return encode(squares, self.image_tokenizer)

    def _decode(self, codes: Tensor) -> Tensor:
        return decode(codes, self.layout.side, self.image_tokenizer)

    def _draw(self, drawing: Drawing) -> Tensor:
        return draw(self.network, self.vocabulary, drawing)

    @torch.no_grad()
    def vectors(self, images: Sequence[Image]) -> Vectors:
        """Input vectors of the pictures' codes; where none are read, those of the whole picture squeezed."""
        if self.layout.encoding != "continuous":
            distinct, index = self.encode(images).unique(return_inverse=True)
            return Vectors(self.network.input_table[self.vocabulary.to_ids(distinct)].float(), index)
        shelf, half = self.layout.shelf(canvases=None), whole_half(self.layout.tile_side**2)
        places = torch.tensor([shelf.tiles(image, half) for image in images])
        pictures = shelf.pictures().to(self.device)
        codes = completed(pictures.coded, self._encode, self.layout.codes, self.batch_size)
        found = self._features(pictures, codes, None)
        numbers = torch.arange(found.shape[0] * found.shape[1], device=found.device)
        return Vectors(found.flatten(0, 1).float(), numbers.view(found.shape[:2])[places])
