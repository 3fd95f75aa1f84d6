"""Draws the files of a layout in batches; each is written in one move, and those that are there stay."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from unictk.backbones.base import Backbone
from unictk.chance import seed_of
from unictk.drawing.layouts import Sheet
from unictk.samples import GeneratedImage, Request, Sampling, Text

Progress = Callable[[int, int], None]
"""Receives how many pictures are there, and how many there will be."""


def seeds_of(sheet: Sheet, seed: int) -> list[int]:
    """A seed per picture: of the run, the prompt and which of its pictures it is."""
    return [seed_of(seed, "generate", sheet.prompt, sheet.first + n) for n in range(sheet.count)]


def draw_sheets(
    backbone: Backbone,
    sheets: Sequence[Sheet],
    words: Mapping[str, str],
    sampling: Sampling,
    seed: int,
    folder: Path,
    batch_size: int,
    progress: Progress | None = None,
) -> int:
    """Draw what is not there below ``folder``; the number of files drawn.

    ``words`` is what the backbone reads for each prompt. A picture depends on its seed alone, not on its
    batch.
    """
    missing = [sheet for sheet in sheets if not (folder / sheet.path).exists()]
    total = sum(sheet.count for sheet in sheets)
    there = total - sum(sheet.count for sheet in missing)
    requests = [
        Request(Text(words[sheet.prompt]), key=sheet.path, seed=one, sampling=sampling)
        for sheet in missing
        for one in seeds_of(sheet, seed)
    ]
    waiting: list[GeneratedImage] = []
    left = list(missing)
    for first in range(0, len(requests), batch_size):
        waiting += backbone.generate_images(requests[first : first + batch_size])
        while left and len(waiting) >= left[0].count:
            sheet = left.pop(0)
            save(folder / sheet.path, waiting[: sheet.count])
            waiting = waiting[sheet.count :]
        if progress is not None:
            progress(there + min(first + batch_size, len(requests)), total)
    return len(missing)


def save(path: Path, images: Sequence[GeneratedImage]) -> None:
    """One file of the pictures, a grid where there are several, in one move; the ending says the format."""
    picture = GeneratedImage(grid([image.pixels for image in images]), torch.zeros(0), {}).as_pil()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    picture.save(draft, lossless=True) if path.suffix == ".webp" else picture.save(draft)
    os.replace(draft, path)


def grid(pictures: Sequence[Tensor]) -> Tensor:
    """(3, rows x H, columns x W) of pictures (3, H, W), row by row, nearly square; black where none."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    whole = [*pictures, *[torch.zeros_like(pictures[0])] * (rows * columns - len(pictures))]
    lines = [torch.cat(list(whole[n * columns : (n + 1) * columns]), dim=2) for n in range(rows)]
    return torch.cat(lines, dim=1)
