"""BAGEL behind the backbone protocol."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import torch
from annotated_types import Ge, Interval
from torch import Tensor, nn
from transformers import Qwen2Config, SiglipVisionConfig

from unictk.backbones.bagel.answering import answer, score
from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.batch import BagelBatch, Latent, Look
from unictk.backbones.bagel.construction import build
from unictk.backbones.bagel.context import Context, read
from unictk.backbones.bagel.drawing import Canvas, Conditions, denoise
from unictk.backbones.bagel.guidance import Guidance, Renormalisation, Schedule
from unictk.backbones.bagel.keeping import read_weights, write_weights
from unictk.backbones.bagel.layout import BagelLayout
from unictk.backbones.bagel.packing import Packer, Part, TextPart
from unictk.backbones.bagel.patches import unpatchify
from unictk.backbones.bagel.pictures import PictureReader
from unictk.backbones.bagel.shelf import Shelf
from unictk.backbones.bagel.training import token_losses
from unictk.backbones.base import Rows, RowShape
from unictk.backbones.concept_rows import claimed, joined
from unictk.backbones.settings import refuse_masked_drawing
from unictk.chance import generator
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError
from unictk.samples import Batch, GeneratedImage, Image, Loss, Request, Sampling, Vectors

Item = TypeVar("Item")


class Bagel(nn.Module):
    """BAGEL (arXiv 2505.14683) with concept rows outside its tables.

    Everything starts frozen; who trains says so. ``sampling.steps`` are steps, one fewer than the published
    number of times; ``sampling.guidance`` g is the published scale 1 + g.

    Args:
        layout: sequence building; its sizes must match the network's.
        language: from :func:`~unictk.backbones.bagel.sizes.qwen2_config`; with ``weights`` the folder says.
        vision: from :func:`~unictk.backbones.bagel.sizes.siglip_config`; with ``weights`` the folder says.
        autoencoder: an untrained one of the right sizes; the published where None.
        weights: folder or hub id in the published layout, or None for random ones.
        seed: of random weights.
        batch_size: most images or answers per forward pass.
        dtype: of the frozen network; concept rows, losses and the autoencoder stay fp32.
        autocast: bf16 matrix products when sampling (training follows the trainer's precision).
        shift: moves the times of sampling towards noise.
        guided_from: guidance acts at times above this one.
        guided_to: and up to this one.
        image_guidance: scale of the prompt's pictures (published for editing: 2); 1 is not at all.
        renormalisation: see :class:`~unictk.backbones.bagel.guidance.Guidance`.
        flex: flex attention with block masks for training, instead of a dense mask; on a GPU only.
        checkpoint_blocks: recompute layers in the backward pass.
        compile_blocks: compile each layer.
    """

    def __init__(
        self,
        layout: BagelLayout,
        language: Qwen2Config | None = None,
        vision: SiglipVisionConfig | None = None,
        autoencoder: FluxAutoencoder | None = None,
        weights: str | None = None,
        seed: int = 0,
        batch_size: Annotated[int, Ge(1)] = 4,
        dtype: Literal["float32", "bfloat16"] = "float32",
        autocast: bool = False,
        shift: Annotated[float, Interval(gt=0)] = 3.0,
        guided_from: Annotated[float, Interval(ge=0, le=1)] = 0.4,
        guided_to: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        image_guidance: Annotated[float, Ge(1)] = 1.0,
        renormalisation: Renormalisation = "global",
        flex: bool = False,
        checkpoint_blocks: bool = False,
        compile_blocks: bool = False,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.autoencoder = autoencoder or FluxAutoencoder()
        kind = getattr(torch, dtype)
        self.network = build(layout, language, vision, self.autoencoder, weights, seed, kind)
        self.row_shape = RowShape(self.network.width, head_bias=False)
        self.packer = Packer(layout.codec.special, layout.sizes, layout.vision_patch)
        self.pictures = PictureReader(layout, self.autoencoder, batch_size)
        self.batch_size, self.autocast, self.flex = batch_size, autocast, flex
        self.shift, self.interval = shift, (guided_from, guided_to)
        self.image_guidance, self.renormalisation = image_guidance, renormalisation
        self.concepts: tuple[ConceptTokens, ...] = ()  # no submodules: they belong to who trains them
        # One object for good, since adapters leave their settings on it; in a tuple, so that it is not
        # registered a second time.
        self._language = (nn.ModuleList([*self.network.layers, self.network.norm]),)
        self.network.checkpoint_blocks = checkpoint_blocks
        if compile_blocks:
            for layer in self.network.layers:
                layer.compile()
        self.requires_grad_(False).eval()

    # -- concepts and parts ----------------------------------------------------------------------------

    def attach(self, concepts: Sequence[ConceptTokens]) -> None:
        """Put the concepts' rows behind the tables, in order. Call again when one has grown.

        Raises:
            UserError: a hidden size that does not fit, or two concepts that share a token.
        """
        owner = claimed(concepts, self.row_shape)
        self.concepts = tuple(concept.to(self.network.device) for concept in concepts)
        self.layout.codec.attach(owner)

    def concept_rows(self) -> Rows | None:
        """All attached rows in id order, or None."""
        return joined(self.concepts)

    def fresh_rows(self, count: int, first: int = 0, head: str = "text") -> Rows:
        """Starting values: averages of the tokenizer's rows. There are no image codes to copy."""
        entries = len(self.layout.codec.tokenizer)
        tables = (self.network.embed_tokens.weight, self.network.lm_head.weight)
        mean = [table[:entries].detach().float().mean(0).expand(count, -1).clone() for table in tables]
        return Rows(mean[0], mean[1], None)

    def parts(self) -> Mapping[str, nn.Module]:
        """Tables, both experts' layers, ViT, connector, what reads and writes latents, autoencoder."""
        network = self.network
        return {
            "tables": nn.ModuleList([network.embed_tokens, network.lm_head]),
            "language": self._language[0],
            "vision": network.vision,
            "connector": network.connector,
            "generation head": nn.ModuleList([network.time, network.latents_in, network.velocity_out]),
            "tokenizer": self.autoencoder,
        }

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        return list(self.network.layers)

    def write_weights(self, folder: Path) -> Path:
        """The published folder without a tokenizer, as ``bagel`` below ``folder``."""
        return write_weights(self.network, self.autoencoder, folder)

    def read_weights(self, folder: Path) -> None:
        """The network from below ``folder``; everything is frozen again."""
        read_weights(self.network, folder)
        self.requires_grad_(False).eval()

    # -- training --------------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Loss:
        """Summed cross entropies of texts, summed mean squared errors of latent tokens' velocities."""
        parts: BagelBatch = batch.parts
        if not parts.samples:
            zero = torch.zeros((), device=self.network.device)
            return Loss(zero, 0, zero, 0)
        pack = self.packer.pack(self.pictures.samples(parts)).to(self.network.device)
        return token_losses(self.network, pack, self.concept_rows(), self.flex).summed()

    # -- pictures --------------------------------------------------------------------------------------

    def _shelved(self, images: Sequence[Image], looked: bool) -> tuple[BagelBatch, list[int]]:
        shelf = Shelf(self.layout)
        numbers = [shelf.place(image) for image in images]
        batch = shelf.batch([[Look(number) if looked else Latent(number)] for number in numbers])
        return batch.to(self.network.device), numbers

    def prepare(self, images: Sequence[Image]) -> None:
        """Compute the pictures' distributions of latents; loader workers then send none of their pixels."""
        for first in range(0, len(images), self.batch_size):
            self.pictures.posteriors(self._shelved(images[first : first + self.batch_size], False)[0])

    @torch.no_grad()
    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        """The pictures through the autoencoder and back, by the means of their latents."""
        batch, numbers = self._shelved(images, False)
        known = self.pictures.posteriors(batch)
        exact = batch.exact
        latents = torch.stack([(exact[n].cpu() if n in exact else known[n][0]) for n in numbers])
        return self._finished(latents, [{} for _ in images])

    def _finished(self, latents: Tensor, settings: Sequence[dict[str, object]]) -> list[GeneratedImage]:
        pixels = ((self.pictures.decode(latents.to(self.network.device)) + 1) / 2).cpu()
        triples = zip(pixels, latents.cpu(), settings, strict=True)
        return [GeneratedImage(picture, latent, facts) for picture, latent, facts in triples]

    @torch.no_grad()
    def vectors(self, images: Sequence[Image]) -> Vectors:
        """What the ViT and the connector make of the pictures: each cell is a vector of its own."""
        found: list[Tensor] = []
        for first in range(0, len(images), self.batch_size):
            batch, _ = self._shelved(images[first : first + self.batch_size], True)
            samples = self.pictures.samples(batch)
            found += self.network.see([part.pixels for (part,) in samples])  # type: ignore[union-attr]
        table = torch.cat(found).float()
        return Vectors(table, torch.arange(len(table), device=table.device).reshape(len(images), -1))

    @torch.no_grad()
    def words(self, text: str) -> Tensor:
        """Input vectors of the text's BPE pieces, (pieces, hidden)."""
        ids = torch.tensor(self.layout.codec.encode(text), dtype=torch.long, device=self.network.device)
        return self.network.embed(ids, self.concept_rows()).float()

    # -- sampling --------------------------------------------------------------------------------------

    def _prompts(self, requests: Sequence[Request], draws: bool) -> list[list[Part]]:
        """Parts of the requests' prompts.

        Raises:
            UserError: a prompt that leaves no position for what is to come.
        """
        batch = self.layout.batch([request.segments for request in requests], draws)
        more = 2 + self.layout.cells**2 if draws else 2
        for parts in batch.samples:
            needed, limit = self.layout.tokens(parts) + more, self.layout.positions
            if needed > limit:
                raise UserError(f"prompt: it needs {needed} positions and the limit is {limit}")
        return self.pictures.samples(batch.to(self.network.device))

    def _read(self, samples: Sequence[Sequence[Part]]) -> Context:
        return read(self.network, self.packer, samples, rows=self.concept_rows())

    @torch.no_grad()
    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        """Answers, batched over prompts of different length."""
        answers: list[str] = []
        for chunk in _chunks(requests, self.batch_size):
            with self._precision():
                prompts = self._prompts(chunk, False)
                used = [sum(self.packer.split(part).present for part in parts) for parts in prompts]
                room = [self.layout.positions - length for length in used]
                found = answer(
                    self.network,
                    self.layout.codec.special,
                    self._read(prompts),
                    [min(r.sampling.max_new_tokens, most) for r, most in zip(chunk, room, strict=True)],
                    [request.sampling.text_temperature for request in chunk],
                    [request.seed for request in chunk],
                    self.concept_rows(),
                )
            answers += [self.layout.codec.decode(ids) for ids in found]
        return answers

    @torch.no_grad()
    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option and end of answer), (requests, options), fp32 on the CPU."""
        ids = [self.layout.codec.encode(option) for option in options]
        found = [torch.zeros(0, len(options))]
        for chunk in _chunks(requests, max(1, self.batch_size // max(1, len(options)))):
            with self._precision():
                context = self._read(self._prompts(chunk, False))
                special = self.layout.codec.special
                found.append(score(self.network, special, context, ids, self.concept_rows()).cpu())
        return torch.cat(found)

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        """Images, batched; prompts of different length and with different pictures run together."""
        return [drafts[-1] for drafts in self._draw(requests, 1)]

    def drafts(self, requests: Sequence[Request], n: int) -> list[list[GeneratedImage]]:
        """The images that n steps, spread evenly, are heading for; the last is the image itself."""
        return self._draw(requests, n)

    @torch.no_grad()
    def _draw(self, requests: Sequence[Request], n: int) -> list[list[GeneratedImage]]:
        drawn: list[list[GeneratedImage]] = [[] for _ in requests]
        groups: dict[Sampling, list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            groups[request.sampling].append(place)
        for sampling, places in groups.items():
            refuse_masked_drawing(sampling, "whole pictures from noise")
            for chunk in _chunks(places, self.batch_size):
                with self._precision():
                    found = self._run([requests[place] for place in chunk], sampling, n)
                for place, images in zip(chunk, found, strict=True):
                    drawn[place] = images
        return drawn

    def _run(self, requests: Sequence[Request], sampling: Sampling, n: int) -> list[list[GeneratedImage]]:
        steps = sampling.steps
        schedule = Schedule(steps + 1, self.shift, self.interval)
        if not 1 <= n <= steps:
            raise UserError(f"drafts: {n} of {steps} sampling steps; expected 1 to {steps}")
        kept = [max(0, round((i + 1) * steps / n) - 1) for i in range(n)]
        prompts = self._prompts(requests, True)
        # Without a picture in its prompt a row has nothing to stress: the third branch would be wasted.
        pictured = [self.image_guidance if any(request_images(parts)) else 1.0 for parts in prompts]
        guidance = Guidance(1 + sampling.guidance, pictured, self.renormalisation)
        text, image = guidance.active()
        conditions = Conditions(
            self._read(prompts),
            self._read([before_last_text(parts) for parts in prompts]) if text else None,
            self._read([texts_only(parts) for parts in prompts]) if image else None,
        )
        shape = self.layout.cells**2, self.layout.sizes.latent_width
        noise = [torch.randn(shape, generator=generator("noise", request.seed)) for request in requests]
        canvas = Canvas(noise, [self.layout.grid] * len(requests))
        special = self.layout.codec.special
        found = enumerate(denoise(self.network, special, conditions, canvas, schedule, guidance))
        facts = {"steps": sampling.steps, "guidance": sampling.guidance}
        images: list[list[GeneratedImage]] = [[] for _ in requests]
        for step, rows in found:
            if step in kept:
                tokens = [row[0] if step == steps - 1 else row[1] for row in rows]
                latents = torch.stack([self._latent(each) for each in tokens])
                finished = self._finished(latents, [{"seed": r.seed, **facts} for r in requests])
                for line, picture in zip(images, finished, strict=True):
                    line.append(picture)
        return images

    def _latent(self, tokens: Tensor) -> Tensor:
        return unpatchify(tokens, self.layout.grid, self.layout.sizes.latent_patch)

    def _precision(self) -> AbstractContextManager[None]:
        return torch.autocast(self.network.device.type, torch.bfloat16, enabled=self.autocast)


def before_last_text(parts: Sequence[Part]) -> list[Part]:
    """The prompt that text guidance compares with: everything before the last text."""
    last = max((place for place, part in enumerate(parts) if isinstance(part, TextPart)), default=0)
    return list(parts[:last])


def texts_only(parts: Sequence[Part]) -> list[Part]:
    """The prompt that image guidance compares with."""
    return [part for part in parts if isinstance(part, TextPart)]


def request_images(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts that are no text."""
    return (part for part in parts if not isinstance(part, TextPart))


def _chunks(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
