"""The published UniCTokens procedure on Show-o, written plainly on a stock transformers Phi: the yardstick.

Every cost of the published code is kept: dense masks, whole sequences through the whole output head, no
key/value cache, a vocabulary grown by the new tokens, both whole tables in the optimizer and the old rows
copied back after each step. Nothing is slowed down beyond that. ``tests/test_plain_showo.py`` holds it to
the golden numbers, so a comparison with it compares equal results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PhiConfig, PhiForCausalLM

IGNORED = -100
BLOCKED = float(torch.iinfo(torch.int64).min)
"""What a blocked position adds to its attention score: the published value, about -9.22e18."""


@dataclass(frozen=True, slots=True)
class PlainShape:
    """Sizes and special ids of a Show-o; the defaults are the published 512-pixel model's.

    ``first_image`` counts the text and special-token rows that precede the image codes in the tables; the
    mask token's row is the last one.
    """

    hidden: int = 2048
    layers: int = 24
    heads: int = 32
    mlp: int = 8192
    first_image: int = 50305
    codebook: int = 8192
    image_tokens: int = 1024
    max_text_len: int = 128
    pad: int = 50295
    soi: int = 50296
    eoi: int = 50297
    t2i: int = 50300
    mmu: int = 50301
    eot: int = 50256


@dataclass(frozen=True, slots=True)
class PlainLosses:
    """Mean cross entropies of the two flows and their weighted sum."""

    t2i: Tensor
    mmu: Tensor
    total: Tensor


def t2i_mask(ids: Tensor, pad: int, soi: int, eoi: int) -> Tensor:
    """Omni-attention of generation sequences, (B, L, L) bool, true where row q may attend to column k.

    Text is causal; rows from ``soi`` to ``eoi`` see everything; pads are seen by pads alone, causally.
    """
    length = ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
    is_pad = ids == pad
    begun = (ids == soi).cumsum(dim=1) > 0
    ended = (ids == eoi).cumsum(dim=1) - (ids == eoi).long() > 0
    in_image = begun & ~ended
    allowed = causal | in_image[:, :, None]
    return allowed & (~is_pad[:, None, :] | is_pad[:, :, None])


def mmu_mask(ids: Tensor, eoi: int) -> Tensor:
    """Attention of understanding sequences, (B, L, L) bool: causal, and every row sees columns 0 to ``eoi``.

    As published, the place of ``eoi`` is read from the first sequence, and right pads are not masked.
    """
    batch, length = ids.shape
    end = int((ids[0] == eoi).nonzero()[0, 0])
    allowed = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
    allowed[:, : end + 1] = True
    return allowed.expand(batch, length, length)


def additive(allowed: Tensor) -> Tensor:
    """The dense mask added to attention scores: float32, (B, 1, L, L), 0 or :data:`BLOCKED`."""
    mask = torch.zeros(allowed.shape, dtype=torch.float32, device=allowed.device)
    return mask.masked_fill(~allowed, BLOCKED)[:, None]


def remasked_counts(unknown: Tensor, step: int, steps: int) -> Tensor:
    """Cells masked again after 0-based ``step``, (B,): floor(N cos(pi r / 2)) kept in [1, unknown - 1].

    ``unknown`` (B, N) marks the cells that were masked before the step; r = (step + 1) / steps. The cosine
    is taken in float32 as published: at r = 2/3, N = 256 that gives 127 and not 128.
    """
    ratio = torch.cos(torch.tensor((step + 1) / steps) * math.pi * 0.5)
    planned = int((unknown.shape[1] * ratio).floor())
    return (unknown.sum(dim=1) - 1).clamp(max=planned).clamp(min=1)


def remasked(confidence: Tensor, counts: Tensor) -> Tensor:
    """The cells strictly below their row's ``counts``-th smallest confidence, 0-based; (B, N) bool."""
    cut = confidence.sort(dim=1).values.gather(1, counts[:, None])
    return confidence < cut


class Chance(Protocol):
    """Where sampling gets its randomness, so that two implementations can be given the same."""

    def codes(self, probabilities: Tensor) -> Tensor:
        """One code per cell, (B, N), from probabilities (B, N, C)."""
        ...

    def gumbel(self, like: Tensor) -> Tensor:
        """Standard Gumbel noise of the shape (B, N)."""
        ...


class PublishedChance:
    """``multinomial`` for the codes and -log(-log u) for the noise, as published."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def codes(self, probabilities: Tensor) -> Tensor:
        """One multinomial draw per cell."""
        flat = probabilities.flatten(0, 1)
        return torch.multinomial(flat, 1, generator=self.generator).view(probabilities.shape[:2])

    def gumbel(self, like: Tensor) -> Tensor:
        """Noise from uniform numbers, both logarithms clamped at 1e-20."""
        uniform = torch.rand(like.shape, generator=self.generator)
        return -(-uniform.clamp(1e-20).log()).clamp(1e-20).log()


class PlainShowo:
    """A stock ``PhiForCausalLM`` with QK layer norm, used as the published code uses its own Phi.

    ``attention`` is transformers' implementation name. ``sdpa`` is the default because it is never slower
    than ``eager`` on a CPU at the benchmark's size (measured: equal to 10 % faster).
    """

    def __init__(
        self,
        shape: PlainShape,
        state: Mapping[str, Tensor] | None = None,
        attention: str = "sdpa",
    ) -> None:
        config = PhiConfig(
            vocab_size=shape.first_image + shape.codebook + 1,
            hidden_size=shape.hidden,
            intermediate_size=shape.mlp,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            hidden_act="gelu_new",
            layer_norm_eps=1e-5,
            qk_layernorm=True,
            tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5},
        )
        config._attn_implementation = attention
        self.shape = shape
        self.new_rows = 0
        self.model = PhiForCausalLM(config).float().eval()
        if state is not None:
            self.model.load_state_dict(state)
        self.model.requires_grad_(False)

    @property
    def image_offset(self) -> int:
        """Id of image code 0: the new rows stand between the special tokens and the codes."""
        return self.shape.first_image + self.new_rows

    @property
    def mask_id(self) -> int:
        """Id of the mask token: the last row."""
        return self.image_offset + self.shape.codebook

    def tables(self) -> tuple[torch.nn.Parameter, torch.nn.Parameter, torch.nn.Parameter]:
        """Input table, head weight and head bias."""
        head = self.model.lm_head
        return self.model.model.embed_tokens.weight, head.weight, head.bias

    @torch.no_grad()
    def grow(self, count: int) -> None:
        """Add ``count`` rows before the image codes; they start as copies of codes 0.., as published."""
        first = self.image_offset
        grown = []
        for table in self.tables():
            grown.append(torch.cat([table[: first + count], table[first:]]))
        hidden = self.shape.hidden
        self.model.config.vocab_size += count
        self.model.set_input_embeddings(torch.nn.Embedding(len(grown[0]), hidden, _weight=grown[0]))
        head = torch.nn.utils.skip_init(torch.nn.Linear, hidden, len(grown[1]))
        head.weight, head.bias = torch.nn.Parameter(grown[1]), torch.nn.Parameter(grown[2])
        self.model.set_output_embeddings(head)
        self.model.requires_grad_(False)
        self.new_rows += count

    @torch.no_grad()
    def set_new_rows(self, rows: Sequence[Tensor]) -> None:
        """Write the new rows: input (n, hidden), head weight (n, hidden), head bias (n,)."""
        for table, values in zip(self.tables(), rows, strict=True):
            table[self.shape.first_image : self.image_offset] = values

    def get_new_rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Copies of the new rows: input, head weight, head bias."""
        span = slice(self.shape.first_image, self.image_offset)
        embed, weight, bias = (table.detach()[span].clone() for table in self.tables())
        return embed, weight, bias

    def t2i_attention(self, ids: Tensor) -> Tensor:
        """The additive mask of generation sequences."""
        return additive(t2i_mask(ids, self.shape.pad, self.shape.soi, self.shape.eoi))

    def mmu_attention(self, ids: Tensor) -> Tensor:
        """The additive mask of understanding sequences."""
        return additive(mmu_mask(ids, self.shape.eoi))

    def logits(self, ids: Tensor, attention: Tensor) -> Tensor:
        """Whole sequences through the whole head, (B, L, vocabulary), without a cache."""
        return self.model(input_ids=ids, attention_mask=attention, use_cache=False).logits

    def losses(
        self, ids: Tensor, labels: Tensor, t2i_rows: int, t2i_weight: float = 0.8, mmu_weight: float = 0.2
    ) -> PlainLosses:
        """Published losses of a batch: ``t2i_rows`` generation sequences, then understanding ones.

        Generation reads positions from ``max_text_len + 1`` on, unshifted; understanding is shifted by one.
        """
        masks = [self.t2i_attention(ids[:t2i_rows]), self.mmu_attention(ids[t2i_rows:])]
        logits = self.logits(ids, torch.cat(masks))
        window = self.shape.max_text_len + 1
        t2i = F.cross_entropy(
            logits[:t2i_rows, window:].flatten(0, 1),
            labels[:t2i_rows, window:].flatten(),
            ignore_index=IGNORED,
        )
        mmu = F.cross_entropy(
            logits[t2i_rows:, :-1].flatten(0, 1), labels[t2i_rows:, 1:].flatten(), ignore_index=IGNORED
        )
        return PlainLosses(t2i, mmu, t2i_weight * t2i + mmu_weight * mmu)

    @torch.no_grad()
    def sample(
        self,
        ids: Tensor,
        uncond_ids: Tensor,
        *,
        steps: int,
        guidance: float,
        temperature: float,
        chance: Chance,
    ) -> Tensor:
        """Mask-predict sampling: code grids (B, image_tokens), without the offset.

        Every step reruns the conditional and the unconditional sequence whole through the whole head and
        slices afterwards. ``temperature`` scales the noise of re-masking and compounds: each step multiplies
        it by 1 - r.
        """
        cells = self.shape.image_tokens
        image = slice(ids.shape[1] - cells - 1, ids.shape[1] - 1)
        ids = ids.clone()
        guided = guidance > 0
        attention = self.t2i_attention(torch.cat([ids, uncond_ids]) if guided else ids)
        codes = torch.full((len(ids), cells), -1)
        for step in range(steps):
            logits = self._guided_logits(ids, uncond_ids, image, attention, guidance)
            probabilities = logits[:, image, self.image_offset : self.mask_id].softmax(dim=-1)
            unknown = ids[:, image] == self.mask_id
            codes = torch.where(unknown, chance.codes(probabilities), ids[:, image] - self.image_offset)
            chosen = probabilities.gather(-1, codes[..., None])[..., 0]
            chosen = chosen.masked_fill(~unknown, torch.finfo(chosen.dtype).max)
            temperature *= 1 - (step + 1) / steps
            confidence = chosen.clamp(1e-20).log() + temperature * chance.gumbel(chosen)
            again = remasked(confidence, remasked_counts(unknown, step, steps))
            ids[:, image] = torch.where(again, self.mask_id, codes + self.image_offset)
        return codes

    def _guided_logits(
        self, ids: Tensor, uncond_ids: Tensor, image: slice, attention: Tensor, guidance: float
    ) -> Tensor:
        """(1 + g) * conditional - g * unconditional over whole sequences; the conditional alone at g = 0."""
        if guidance <= 0:
            return self.logits(ids, attention)
        uncond_ids = uncond_ids.clone()
        uncond_ids[:, image] = ids[:, image]
        conditional, unconditional = self.logits(torch.cat([ids, uncond_ids]), attention).chunk(2)
        return (1 + guidance) * conditional - guidance * unconditional

    @torch.no_grad()
    def answer(self, ids: Tensor, max_new_tokens: int) -> list[int]:
        """Greedy answer to one prompt (1, L), the whole sequence rerun for every token.

        Ends after the end-of-text token, which is then the last id returned. The mask grows by one row and
        column per token, stacked anew as published.
        """
        attention = self.mmu_attention(ids)
        answer: list[int] = []
        for _ in range(max_new_tokens):
            token = int(self.logits(ids, attention)[0, -1].argmax())
            answer.append(token)
            if token == self.shape.eot:
                break
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
            attention = _grown(attention)
        return answer


def _grown(attention: Tensor) -> Tensor:
    """The mask with one further column that earlier rows do not see and one further row that sees all."""
    old = attention[0, 0]
    wider = torch.cat([old, torch.full((len(old), 1), BLOCKED)], dim=1)
    last = torch.cat([old[-1], torch.zeros(1)])
    return torch.cat([wider, last[None]])[None, None]


class PlainTrainer:
    """The published optimizer step: AdamW over both whole tables, old rows copied back afterwards.

    ``trained`` marks the new rows that may change, (new_rows,) bool; None means all of them.
    """

    def __init__(
        self, showo: PlainShowo, *, lr: float, weight_decay: float, eps: float, trained: Tensor | None = None
    ) -> None:
        self.showo = showo
        self.restored = torch.ones(showo.mask_id + 1, dtype=torch.bool)
        new = torch.ones(showo.new_rows, dtype=torch.bool) if trained is None else trained
        self.restored[showo.shape.first_image : showo.image_offset] = ~new
        self.originals = [table.detach().clone() for table in showo.tables()]
        for table in showo.tables():
            table.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(showo.tables(), lr=lr, weight_decay=weight_decay, eps=eps)

    def step(self, ids: Tensor, labels: Tensor, t2i_rows: int) -> PlainLosses:
        """One step on one batch; the losses before it."""
        losses = self.showo.losses(ids, labels, t2i_rows)
        self.optimizer.zero_grad()
        losses.total.backward()
        self.optimizer.step()
        with torch.no_grad():
            for table, original in zip(self.showo.tables(), self.originals, strict=True):
                table[self.restored] = original[self.restored]
        return losses
