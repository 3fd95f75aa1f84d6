"""The two arms of the Show-o benchmark: the published procedure, and our backbone through its protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from benchmarks.plain_showo import Chance, PlainShowo, PlainTrainer, PublishedChance
from benchmarks.showo_work import Work
from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.network import phi_config
from unictk.backbones.showo.sampling import CellNoise, draw_codes
from unictk.concepts.tokens import DEFAULT_SIZES, ConceptTokens
from unictk.samples import Batch, Image, Request, Sampling, Text

LR, WEIGHT_DECAY, EPS = 1e-3, 1e-3, 1e-8
"""AdamW in stage 2 as published."""


class SharedChance:
    """Our backbone's random numbers for one image, given to the plain sampler to compare equal draws."""

    def __init__(self, seed: int, cells: int, steps: int) -> None:
        noise = CellNoise(seed, cells, steps, torch.device("cpu"))
        self.uniform, self.noise = iter(noise.uniform), iter(noise.gumbel)

    def codes(self, probabilities: Tensor) -> Tensor:
        """The next step's draw."""
        return draw_codes(probabilities.log(), next(self.uniform)[None])[0]

    def gumbel(self, like: Tensor) -> Tensor:
        """The next step's noise."""
        return next(self.noise)[None]


class Arm(Protocol):
    """One way of doing the work."""

    def answer(self, questions: Sequence[str]) -> list[str]:
        """Greedy answers about the seen image."""
        ...

    def draw(self, seed: int) -> Tensor:
        """Codes of one guided image, (cells,)."""
        ...

    def train(self) -> tuple[float, float]:
        """One optimizer step; mean losses of the image and the text before it."""
        ...


class PlainArm:
    """The published procedure."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.showo = PlainShowo(work.shape, work.state())
        self.showo.grow(len(work.rows))
        bias = work.rows.bias
        assert bias is not None
        self.showo.set_new_rows([work.rows.input, work.rows.head, bias])
        self.trainer: PlainTrainer | None = None
        self.ids, self.labels = self._training_batch(work.batch())

    def _published(self, ids: Sequence[int]) -> list[int]:
        """Text ids as published: concept rows stand before the image codes, not behind the tables."""
        size, first = self.work.layout.vocabulary.size, self.work.shape.first_image
        return [token - size + first if token >= size else token for token in ids]

    def _ours(self, ids: Sequence[int]) -> list[int]:
        """Published ids as our tokenizer numbers them."""
        first, offset = self.work.shape.first_image, self.showo.image_offset
        size, n = self.work.layout.vocabulary.size, self.showo.new_rows
        moved = {row: row - first + size for row in range(first, offset)}
        return [moved.get(token, token - n if token >= offset else token) for token in ids]

    def _reading(self, text: Sequence[int]) -> list[int]:
        shape = self.work.shape
        codes = (self.work.seen + self.showo.image_offset).tolist()
        return [shape.mmu, shape.soi, *codes, shape.eoi, *text]

    def _drawing(self, caption: str | None, cells: Sequence[int]) -> list[int]:
        shape, limit = self.work.shape, self.work.shape.max_text_len + 1
        prompt = self._published(self.work.layout.codec.drawing_prompt(caption, limit))
        return [*[shape.pad] * (limit - len(prompt)), *prompt, shape.soi, *cells, shape.eoi]

    def _training_batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both samples as published ids and labels, masked as our layout masked them."""
        shape, codec = self.work.shape, self.work.layout.codec
        masked = batch.parts.rows.slot_masked[0]
        codes = self.work.drawn + self.showo.image_offset
        cells = torch.where(masked, self.showo.mask_id, codes).tolist()
        drawing = self._drawing(self.work.caption, cells)
        before = [-100] * (shape.max_text_len + 1)
        image_labels = [*before, shape.soi, *torch.where(masked, codes, -100).tolist(), shape.eoi]
        question, answer = self.work.lesson
        text, is_target = codec.conversation([Text(question), Text(answer, target=True)])
        reading = self._reading(self._published(text))
        labels = [-100] * (shape.image_tokens + 3)
        labels += [token if flag else -100 for token, flag in zip(text, is_target, strict=True)]
        missing = len(drawing) - len(reading)
        ids = [drawing, reading + [shape.pad] * missing]
        return torch.tensor(ids), torch.tensor([image_labels, labels + [-100] * missing])

    def answer(self, questions: Sequence[str]) -> list[str]:
        """One question at a time, without a cache."""
        codec, found = self.work.layout.codec, []
        for question in questions:
            text = self._published(codec.conversation([Text(question)])[0])
            tokens = self.showo.answer(torch.tensor([self._reading(text)]), self.work.size.tokens)
            found.append(codec.decode(self._ours(tokens)))
        return found

    def draw(self, seed: int) -> Tensor:
        """With published randomness."""
        return self.draw_with(PublishedChance(seed))

    def draw_with(self, chance: Chance) -> Tensor:
        """The caption and the empty prompt, rerun whole at each step."""
        size, cells = self.work.size, [self.showo.mask_id] * self.work.shape.image_tokens
        ids, empty = (torch.tensor([self._drawing(text, cells)]) for text in (self.work.caption, None))
        return self.showo.sample(
            ids, empty, steps=size.steps, guidance=size.guidance, temperature=1.0, chance=chance
        )[0]

    def train(self) -> tuple[float, float]:
        """Both tables in the optimizer, old rows copied back."""
        self.trainer = self.trainer or PlainTrainer(self.showo, lr=LR, weight_decay=WEIGHT_DECAY, eps=EPS)
        losses = self.trainer.step(self.ids, self.labels, t2i_rows=1)
        return losses.t2i.item(), losses.mmu.item()

    def trained_rows(self) -> Tensor:
        """The concept's input rows, head rows and head biases side by side."""
        embed, weight, bias = self.showo.get_new_rows()
        return torch.cat([embed, weight, bias[:, None]], dim=1)


class OurArm:
    """The backbone through its protocol."""

    def __init__(self, work: Work, prefix_cache_mb: int) -> None:
        self.work = work
        self.backbone = build_ours(work, prefix_cache_mb)
        self.concept = ConceptTokens.from_rows("bo", work.concept.shape, DEFAULT_SIZES, work.rows)
        self.backbone.attach([self.concept])
        self.batch = work.batch()
        self.optimizer = torch.optim.AdamW(
            self.concept.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, eps=EPS
        )

    def answer(self, questions: Sequence[str]) -> list[str]:
        """All questions as one list of requests."""
        sampling = Sampling(max_new_tokens=self.work.size.tokens)
        image = Image(None, codes=self.work.seen)
        return self.backbone.generate_text([Request(image, Text(q), sampling=sampling) for q in questions])

    def draw(self, seed: int) -> Tensor:
        """One request; its pixels are decoded too."""
        sampling = Sampling(steps=self.work.size.steps, guidance=self.work.size.guidance)
        request = Request(Text(self.work.caption), seed=seed, sampling=sampling)
        return self.backbone.generate_images([request])[0].codes

    def train(self) -> tuple[float, float]:
        """Concept rows alone in the optimizer."""
        loss = self.backbone.loss(self.batch)
        image, text = loss.image_sum / loss.image_count, loss.text_sum / loss.text_count
        self.optimizer.zero_grad()
        (0.8 * image + 0.2 * text).backward()
        self.optimizer.step()
        return image.item(), text.item()

    def trained_rows(self) -> Tensor:
        """The concept's input rows, head rows and head biases side by side."""
        rows = self.concept.rows()
        assert rows.bias is not None
        return torch.cat([rows.input, rows.head, rows.bias[:, None]], dim=1).detach()


def build_ours(work: Work, prefix_cache_mb: int) -> Showo:
    """Our backbone with the work's weights."""
    size = work.size
    language = phi_config(
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.mlp,
    )
    tokenizer = MagvitV2(32, (1, 1), (1, 1), (1, 1), (1, 1), z_channels=size.bits)
    backbone = Showo(work.layout, language, tokenizer, prefix_cache_mb=prefix_cache_mb)
    backbone.network.phi.load_state_dict(work.state())
    return backbone
