"""Show-o behind the backbone protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn import functional
from transformers import PhiConfig

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.base import RowShape
from unictk.backbones.concept_rows import claimed, joined
from unictk.backbones.fingerprint import fingerprint
from unictk.backbones.keyvalues import Layers, Prefix
from unictk.backbones.showo.answering import Reader, text_batches
from unictk.backbones.showo.batch import Answers, Rows, ShowoBatch
from unictk.backbones.showo.construction import build_network, check_sizes, fill_tokenizer
from unictk.backbones.showo.crossentropy import frozen_table_cross_entropy
from unictk.backbones.showo.drawing import Job, jobs, milestones
from unictk.backbones.showo.encoding import codes_of, decode, encode, reconstruct
from unictk.backbones.showo.keeping import read_network, write_network
from unictk.backbones.showo.layout import ShowoLayout
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.prefixes import ImagePrefixes, prefix_ids
from unictk.backbones.showo.sampling import mask_predict
from unictk.backbones.showo.vocabulary import IGNORED, attention_allowed
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import Batch, GeneratedImage, Image, Loss, Request, Vectors


class Showo(nn.Module):
    """Show-o (arXiv 2408.12528) with concept rows outside its tables.

    Everything starts frozen; who trains says so. Without ``weights`` the network is drawn at random from
    ``seed``, for tests and for pretraining.

    Args:
        layout: sequence building; its sizes must match the network's.
        language: from :func:`~unictk.backbones.showo.network.phi_config`.
        image_tokenizer: an untrained tokenizer of the right sizes.
        weights: folder or hub id of the language model in the published layout, or None.
        image_weights: the same for the image tokenizer.
        seed: of random weights.
        batch_size: most images or answers per forward pass.
        dtype: of the frozen language model; bfloat16 halves its memory and what each token reads of it. Rows,
            losses and image codes stay fp32.
        autocast: bf16 matrix products when sampling (training follows the trainer's precision).
        prefix_cache_mb: memory for the keys and values of image prefixes kept between steps; 0 keeps none.
        code_folder: where image codes are kept between runs, or None.
        answer_separator: put ``<|endoftext|>`` before each question when answering, as the published
            evaluation does and the published training does not.
        checkpoint_blocks: recompute layers in the backward pass.
        compile_blocks: compile each layer.
    """

    def __init__(
        self,
        layout: ShowoLayout,
        language: PhiConfig,
        image_tokenizer: MagvitV2,
        weights: str | None = None,
        image_weights: str | None = None,
        seed: int = 0,
        batch_size: Annotated[int, Ge(1)] = 16,
        dtype: Literal["float32", "bfloat16"] = "float32",
        autocast: bool = False,
        prefix_cache_mb: Annotated[int, Ge(0)] = 0,
        code_folder: str | None = None,
        answer_separator: bool = False,
        checkpoint_blocks: bool = False,
        compile_blocks: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(layout, language, image_tokenizer)
        self.layout = layout
        self.vocabulary = layout.vocabulary
        self.image_tokenizer = image_tokenizer
        self.network = build_network(language, self.vocabulary.size, weights, seed)
        self.network.cast(getattr(torch, dtype))
        fill_tokenizer(image_tokenizer, image_weights, seed)
        self.row_shape = RowShape(language.hidden_size, head_bias=True)
        self.batch_size = batch_size
        self.autocast = autocast
        self.answer_separator = answer_separator
        self.prefixes = ImagePrefixes(prefix_cache_mb * 2**20)
        self.concepts: tuple[ConceptTokens, ...] = ()  # no submodules: they belong to who trains them
        model = self.network.phi.model
        # One object for good, since adapters leave their settings on it; in a tuple, so that it is not
        # registered a second time.
        self._language = (nn.ModuleList([*model.layers, model.final_layernorm]),)
        self.network.checkpoint_blocks = checkpoint_blocks
        if compile_blocks:
            self.network.compile_blocks()
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
        """Starting values for new rows: averages of the text rows, or the published copies of image codes."""
        table, output = self.network.input_table, self.network.phi.lm_head
        if head == "codes":
            start = self.vocabulary.first_code + first
            part = slice(start, start + count)
            values = (table[part], output.weight[part], output.bias[part])
        else:
            text = slice(0, self.vocabulary.text)
            mean = table[text].mean(0).expand(count, -1), output.weight[text].mean(0).expand(count, -1)
            values = (*mean, output.bias[text].min().expand(count))
        return ConceptRows(*(value.detach().float().clone() for value in values))

    def parts(self) -> Mapping[str, nn.Module]:
        """Tables, language model layers, image tokenizer."""
        model = self.network.phi.model
        return {
            "tables": nn.ModuleList([model.embed_tokens, self.network.phi.lm_head]),
            "language": self._language[0],
            "tokenizer": self.image_tokenizer,
        }

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        return list(self.network.blocks)

    def write_weights(self, folder: Path) -> Path:
        """The language model in the published layout, into ``showo`` below ``folder``."""
        return write_network(self.network, folder)

    def read_weights(self, folder: Path) -> None:
        """The language model from below ``folder``; everything is frozen again."""
        read_network(self.network, folder)
        self.requires_grad_(False).eval()

    # -- training --------------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Loss:
        """Summed cross entropies over all classes (Show-o eq. 4 and 5; UniCTokens section 3.4).

        Text targets are shifted; image targets are the masked cells and, as published, both ends of the
        block. While the trunk is frozen, answers read their image prefix without gradient.
        """
        parts: ShowoBatch = batch.parts
        rows = self.concept_rows()
        found = []
        if parts.rows.ids.numel() or parts.answers.ids.numel():
            codes = codes_of(parts.pictures, self.image_tokenizer, self.layout, self.batch_size)
            if parts.rows.ids.numel():
                found.append(self._row_states(parts.rows, codes, rows))
            if parts.answers.ids.numel():
                found.append(self._answer_states(parts, codes, rows))
        if not found:
            zero = torch.zeros((), device=self.network.input_table.device)
            return Loss(zero, 0, zero, 0)
        states, goals, draws = (torch.cat(column) for column in zip(*found, strict=True))
        losses = self._cross_entropy(states, goals, rows)
        image_sum = losses[draws].sum()
        counts = batch.counts
        return Loss(losses[~draws].sum(), counts.text, image_sum, counts.image)

    def _row_states(
        self, part: Rows, codes: Tensor, rows: ConceptRows | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        ids, targets = part.filled(codes, self.vocabulary.first_code)
        allowed = attention_allowed(ids, self.vocabulary)
        hidden = self.network.trunk(self.network.embed(ids, rows), part.positions, allowed)
        chosen = targets != IGNORED
        return hidden[chosen], targets[chosen], part.draws[chosen]

    def _answer_states(
        self, parts: ShowoBatch, codes: Tensor, rows: ConceptRows | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        answers = parts.answers
        if self.network.trunk_trains():
            hidden = self._whole_answers(answers, codes, rows)
        else:
            hidden = self._answers_behind_prefixes(answers, codes, parts.pictures.keys, rows)
        chosen = answers.targets != IGNORED
        goals = answers.targets[chosen]
        return hidden[chosen], goals, torch.zeros_like(goals, dtype=torch.bool)

    def _whole_answers(self, answers: Answers, codes: Tensor, rows: ConceptRows | None) -> Tensor:
        prefix = prefix_ids(codes[answers.picture], self.vocabulary)
        ids = torch.cat([prefix, answers.ids], dim=1)
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        allowed = attention_allowed(ids, self.vocabulary)
        return self.network.trunk(self.network.embed(ids, rows), positions, allowed)[:, prefix.shape[1] :]

    def _answers_behind_prefixes(
        self, answers: Answers, codes: Tensor, keys: Sequence[str], rows: ConceptRows | None
    ) -> Tensor:
        used, follows = answers.picture.unique(return_inverse=True)
        layers = self._prefix_layers(codes[used], [keys[number] for number in used.tolist()])
        prefix = Prefix(layers, follows)
        own = attention_allowed(answers.ids, self.vocabulary)
        allowed = torch.cat([own.new_ones(*own.shape[:2], prefix.length), own], dim=2)
        positions = torch.arange(answers.ids.shape[1], device=answers.ids.device) + prefix.length
        vectors = self.network.embed(answers.ids, rows)
        return self.network.trunk(vectors, positions.expand_as(answers.ids), allowed, prefix)

    def _cross_entropy(self, states: Tensor, goals: Tensor, rows: ConceptRows | None) -> Tensor:
        head = self.network.phi.lm_head
        if head.weight.requires_grad:
            return functional.cross_entropy(
                self.network.logits(states, rows).float(), goals, reduction="none"
            )
        own = rows or ConceptRows(
            states.new_zeros(0, states.shape[1]), states.new_zeros(0, states.shape[1]), None
        )
        bias = states.new_zeros(len(own)) if own.bias is None else own.bias
        return frozen_table_cross_entropy(states, head.weight, head.bias, own.head, bias, goals)

    # -- pictures --------------------------------------------------------------------------------------

    def encode(self, images: Sequence[Image]) -> tuple[Tensor, tuple[str, ...]]:
        """Codes (images, cells) and the pictures' names; each distinct picture is encoded once."""
        device = self.network.input_table.device
        return encode(images, self.image_tokenizer, self.layout, self.batch_size, device)

    @torch.no_grad()
    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        """The pictures through the image tokenizer and back."""
        device = self.network.input_table.device
        return reconstruct(images, self.image_tokenizer, self.layout, self.batch_size, device)

    def prepare(self, images: Sequence[Image]) -> None:
        """Encode the pictures once; loader workers then send codes instead of pixels."""
        for first in range(0, len(images), self.batch_size):
            self.encode(images[first : first + self.batch_size])

    def tokenizer_changed(self) -> None:
        """Forget the codes of the image tokenizer that was: to be called when its weights are others."""
        self.layout.keep_codes(fingerprint(self.image_tokenizer), self.layout.codes.folder)

    @torch.no_grad()
    def vectors(self, images: Sequence[Image]) -> Vectors:
        """The input vectors of the pictures' codes (UniCTokens' k-means initialisation reads these)."""
        codes, _ = self.encode(images)
        distinct, index = codes.unique(return_inverse=True)
        return Vectors(self.network.input_table[distinct + self.vocabulary.first_code].float(), index)

    @torch.no_grad()
    def words(self, text: str) -> Tensor:
        """Input vectors of the text's BPE pieces, (pieces, hidden)."""
        ids = torch.tensor(self.layout.codec.encode(text), device=self.network.input_table.device)
        return self.network.embed(ids, self.concept_rows()).float()

    # -- sampling --------------------------------------------------------------------------------------

    @torch.no_grad()
    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        """Answers, batched; questions about one image share its prefix."""
        answers = [""] * len(requests)
        with self._precision():
            for places in text_batches(requests, self.batch_size):
                found = self._reader().answer([requests[place] for place in places])
                for place, answer in zip(places, found, strict=True):
                    answers[place] = answer
        return answers

    @torch.no_grad()
    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option and end of answer), (requests, options), fp32 on the CPU."""
        scores = torch.zeros(len(requests), len(options))
        with self._precision():
            for places in text_batches(requests, max(1, self.batch_size // max(1, len(options)))):
                scores[places] = self._reader().score([requests[place] for place in places], options).cpu()
        return scores

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        """Images, batched; images of one prompt share its keys and values."""
        return [drafts[-1] for drafts in self._draw(requests, 1)]

    def drafts(self, requests: Sequence[Request], n: int) -> list[list[GeneratedImage]]:
        """Grids at n steps spread evenly over the schedule; the last is the image itself."""
        return self._draw(requests, n)

    @torch.no_grad()
    def _draw(self, requests: Sequence[Request], n: int) -> list[list[GeneratedImage]]:
        drawn: list[list[GeneratedImage]] = [[] for _ in requests]
        with self._precision():
            for job in jobs(requests, self._reader(), self.batch_size):
                for place, images in zip(job.places, self._run(job, n), strict=True):
                    drawn[place] = images
        return drawn

    def _run(self, job: Job, n: int) -> list[list[GeneratedImage]]:
        settings = job.sampling
        steps = milestones(settings.steps, n)
        rows = self.concept_rows()
        kept = mask_predict(self.network, rows, self.vocabulary, job.canvas, settings, steps)
        pixels = [decode(grid, self.image_tokenizer) for grid in kept]
        facts = {"steps": settings.steps, "guidance": settings.guidance, "temperature": settings.temperature}
        return [
            [
                GeneratedImage(picture[item], grid[item].cpu(), {"seed": seed, **facts})
                for picture, grid in zip(pixels, kept, strict=True)
            ]
            for item, seed in enumerate(job.canvas.seeds)
        ]

    def _reader(self) -> Reader:
        return Reader(
            self.layout,
            self.network,
            self.concept_rows(),
            self.encode,
            self._prefix_layers,
            self.answer_separator,
        )

    def _prefix_layers(self, codes: Tensor, keys: Sequence[str]) -> Layers:
        return self.prefixes.layers(self.network, self.vocabulary, codes, keys)

    def _precision(self) -> AbstractContextManager[None]:
        return torch.autocast(self.network.input_table.device.type, torch.bfloat16, enabled=self.autocast)
