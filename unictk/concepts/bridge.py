"""Between stages 2 and 3: what the model, drawing the concept, still changes late (UniCTokens, section 3.3).

Pictures of the concept are drawn once more. Of each, the draft at 70 % of the steps (published: step 35
of 50) is compared with the final grid; cells that still change carry no settled detail and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from unictk.backbones.base import Backbone
from unictk.chance import seed_of
from unictk.concepts.prompts import bridge_prompt
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import GeneratedImage, Image, Request, Sampling, Text, Vectors

DRAFTS = 10
"""Drafts per picture; the seventh stands at 70 % of the steps."""

DRAFT = 7


def late_cells(
    backbone: Backbone,
    concept: ConceptTokens,
    human: bool,
    count: int,
    form: Literal["codes", "pixels"],
    sampling: Sampling,
    seed: int,
) -> tuple[Vectors, Tensor]:
    """Vectors of the drafts and which cells to cluster.

    All pictures are drawn in one go. ``codes`` keeps the drafts' grids and leaves changed cells out.
    ``pixels`` is the published form: changed cells are painted white, the picture is encoded again, and
    all its cells count, white ones too.

    Returns:
        The vectors (index (count, cells)) and a mask of the same shape, true where a cell counts.
    """
    prompt = bridge_prompt(concept, human)
    requests = [
        Request(Text(prompt), key=f"bridge/{i}", seed=seed_of(seed, "bridge", i), sampling=sampling)
        for i in range(count)
    ]
    drafts = min(DRAFTS, sampling.steps)
    drawn = backbone.drafts(requests, drafts)
    middle = [images[max(0, round(drafts * DRAFT / DRAFTS) - 1)] for images in drawn]
    final = [images[-1] for images in drawn]
    both = backbone.vectors([image.as_segment() for image in (*middle, *final)])
    settled = both.index[:count] == both.index[count:]
    if form == "pixels":
        painted = backbone.vectors(_painted(middle, settled))
        return painted, torch.ones_like(painted.index, dtype=torch.bool)
    if not settled.any():
        settled = torch.ones_like(settled)
    return replace(both, index=both.index[:count]), settled


def _painted(images: Sequence[GeneratedImage], settled: Tensor) -> list[Image]:
    """The pictures with every cell that is not settled painted white."""
    found = []
    for image, keep in zip(images, settled.cpu(), strict=True):
        height, width = image.pixels.shape[1:]
        side = int(len(keep) ** 0.5)
        cells = keep.reshape(side, side)
        mask = cells.repeat_interleave(height // side, 0).repeat_interleave(width // side, 1)
        pixels = torch.where(mask, image.pixels, torch.ones_like(image.pixels))
        array = (pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        found.append(Image(array))
    return found
