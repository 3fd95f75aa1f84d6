"""Mask-predict sampling with classifier-free guidance (MaskGIT; Show-o section 3.4).

The text never sees the image, so its keys and values are computed once for all steps and shared by all
images of a prompt. Guidance is one batch, and is applied to hidden states: the head is linear, so guided
logits are the head of guided states. Only image positions and image classes reach the head.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.keyvalues import Layers, Prefix, Recorder, gather
from unictk.backbones.showo.masking import guidances, sampling_counts, temperatures
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.vocabulary import Vocabulary, attention_allowed
from unictk.chance import generator
from unictk.samples import Sampling


@dataclass(slots=True)
class Canvas:
    """What is drawn and where: prompts right-aligned at position ``start``.

    ``prompts`` (P, length) ids padded on the left, the last one the empty prompt when there is guidance;
    ``conditional`` (B,) which prompt each image follows; ``seeds`` one per image.
    """

    prompts: Tensor
    conditional: Tensor
    start: int
    cells: int
    seeds: Sequence[int]


def mask_predict(
    network: ShowoNetwork,
    rows: ConceptRows | None,
    vocabulary: Vocabulary,
    canvas: Canvas,
    sampling: Sampling,
    kept: Collection[int] | None = None,
) -> list[Tensor]:
    """Sample image codes; the full grids of the steps ``kept`` are returned (None: of all), in order.

    Guided logits are (1 + g) conditional - g unconditional. Each image draws from its own seed, so it
    does not depend on its batch. A step asks the head only about cells whose codes it needs: those still
    masked, or where a lot decides which of them stay (``order=random``), only those.

    Returns:
        Tensors (B, cells) of codes without offset; the grid of the last step is the image.
    """
    steps = sampling.steps
    kept = range(steps) if kept is None else kept
    guiding = guidances(steps, sampling.guidance, sampling.guidance_schedule)
    device = network.input_table.device
    prefix_layers = read_prompts(network, rows, vocabulary, canvas)
    guided = _attach_prompts(prefix_layers, canvas, vocabulary, guided=any(guiding))
    batch = len(canvas.seeds)
    plain = guided.first(batch)
    positions = torch.arange(canvas.start, canvas.start + canvas.cells + 2, device=device)
    noise = [CellNoise(seed, canvas.cells, steps, device) for seed in canvas.seeds]
    tokens = torch.full((batch, canvas.cells), vocabulary.mask, device=device)
    masked = torch.ones(batch, canvas.cells, dtype=torch.bool, device=device)
    heats = temperatures(steps, sampling.temperature)
    schedule = zip(sampling_counts(steps, canvas.cells), heats, guiding, strict=True)
    grids: list[Tensor] = []
    for step, (wanted, heat, guidance) in enumerate(schedule):
        block = _framed(tokens, vocabulary)
        read = guided if guidance else plain
        states = network.trunk(
            network.embed(block.repeat(2, 1) if guidance else block, None),
            positions.expand(len(read.allowed), -1),
            read.allowed,
            Prefix(read.layers),
        )[:, 1:-1]
        if guidance:
            states = (1 + guidance) * states[:batch] - guidance * states[batch:]
        gumbel = torch.stack([cell.gumbel[step] for cell in noise])
        count = (masked.sum(1) - 1).clamp(min=1, max=wanted)
        asked = left = masked
        if lot := sampling.order == "random" and step + 1 < steps:
            left = least_confident(torch.zeros_like(gumbel), masked, count, gumbel)
            asked = masked if step in kept else masked & ~left
        uniform = torch.stack([cell.uniform[step] for cell in noise])
        drawn, confidence = _draw(network, vocabulary, states, asked, uniform)
        codes = torch.where(asked, drawn, tokens - vocabulary.first_code)
        if step in kept:
            grids.append(codes)
        if step + 1 == steps:
            break
        masked = left if lot else least_confident(confidence, masked, count, heat * gumbel)
        tokens = torch.where(masked, vocabulary.mask, codes + vocabulary.first_code)
    return grids


def _draw(
    network: ShowoNetwork, vocabulary: Vocabulary, states: Tensor, asked: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor]:
    """Codes and their log probabilities, (B, cells), of the cells that are asked about; elsewhere 0."""
    first, count = vocabulary.first_code, vocabulary.codebook
    if bool(asked.all()):
        return draw_codes(network.code_logits(states, first, count).float(), uniform)
    found = draw_codes(network.code_logits(states[asked], first, count).float(), uniform[asked])
    codes, confidence = torch.zeros_like(asked, dtype=torch.long), torch.zeros_like(uniform)
    codes[asked], confidence[asked] = found
    return codes, confidence


def read_prompts(
    network: ShowoNetwork, rows: ConceptRows | None, vocabulary: Vocabulary, canvas: Canvas
) -> Layers:
    """Keys and values of each distinct prompt, (P, heads, length, dim) per layer."""
    length = canvas.prompts.shape[1]
    positions = torch.arange(canvas.start - length, canvas.start, device=canvas.prompts.device)
    recorder = Recorder()
    allowed = attention_allowed(canvas.prompts, vocabulary)
    network.trunk(
        network.embed(canvas.prompts, rows), positions.expand(len(canvas.prompts), -1), allowed, recorder
    )
    return recorder.layers


@dataclass(slots=True)
class _Read:
    """What each row of a sampling batch has read: keys and values, and (rows, 1, cells + 2, all) who sees
    what.
    """

    layers: Layers
    allowed: Tensor

    def first(self, rows: int) -> _Read:
        """The first rows; nothing is copied."""
        return _Read([(keys[:rows], values[:rows]) for keys, values in self.layers], self.allowed[:rows])


def _attach_prompts(layers: Layers, canvas: Canvas, vocabulary: Vocabulary, guided: bool) -> _Read:
    """The prompts behind each row of the sampling batch, conditional rows first."""
    follows = canvas.conditional
    if guided:
        follows = torch.cat([follows, torch.full_like(follows, len(canvas.prompts) - 1)])
    seen = canvas.prompts[follows] != vocabulary.pad
    block = seen.new_ones(len(follows), canvas.cells + 2)
    allowed = torch.cat([seen, block], dim=1)[:, None].expand(-1, canvas.cells + 2, -1)
    return _Read(gather(layers, follows), allowed)


def _framed(tokens: Tensor, vocabulary: Vocabulary) -> Tensor:
    ends = tokens.new_tensor([vocabulary.start_of_image, vocabulary.end_of_image]).expand(len(tokens), 2)
    return torch.cat([ends[:, :1], tokens, ends[:, 1:]], dim=1)


class CellNoise:
    """All noise of one image: a uniform and a Gumbel number per step and cell, from the image's own seed."""

    def __init__(self, seed: int, cells: int, steps: int, device: torch.device) -> None:
        uniform = torch.rand(2, steps, cells, generator=generator("mask-predict", seed), dtype=torch.float64)
        exponential = -torch.log(uniform[1].clamp(min=1e-20))
        gumbel = -torch.log(exponential.clamp(min=1e-20))
        self.uniform = uniform[0].float().to(device)
        self.gumbel = gumbel.float().to(device)


def draw_codes(logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """One code per cell by inverting the cumulative distribution at a given uniform number.

    Args:
        logits: (..., codes).
        uniform: (...) in [0, 1).

    Returns:
        Codes (...) and their log probabilities.
    """
    probabilities = logits.softmax(-1)
    cumulative = probabilities.cumsum(-1)
    level = (uniform * cumulative[..., -1])[..., None]
    codes = torch.searchsorted(cumulative, level, right=True).clamp(max=logits.shape[-1] - 1)
    chosen = probabilities.gather(-1, codes)[..., 0]
    return codes[..., 0], chosen.clamp(min=1e-20).log()


def least_confident(log_probability: Tensor, masked: Tensor, count: Tensor, noise: Tensor | float) -> Tensor:
    """Which cells to mask again: the ``count`` least confident, strictly below the cut-off.

    Known cells are never masked again. Cells as sure as the cut-off stay known, so ties mask fewer.

    Args:
        log_probability: (batch, cells) of the drawn codes.
        masked: (batch, cells) cells that were masked before this step.
        count: (batch,) how many to mask.
        noise: added to the log probability (temperature times Gumbel noise).
    """
    confidence = torch.where(masked, log_probability + noise, torch.finfo(log_probability.dtype).max)
    cut = confidence.sort(dim=1).values.gather(1, count[:, None])
    return confidence < cut
