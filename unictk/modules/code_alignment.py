"""Readouts that align look-up-free codes with what a picture shows, simple enough for a transformer to find.

Without them a code may mean something only among its neighbours, which a language model learns too slowly.
The readouts serve training only and are thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

NOBODY = 1e-4
"""Weight of a cell that shows nothing of a character, beside one that shows nothing else."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pictures of a batch show.

    ``characters`` (B, C, H, W) bool: the visible pixels of each character, nothing where there is none.
    ``setting`` (B,) and ``attributes`` (B, C, names): numbers of classes, -1 for absent characters.
    """

    characters: Tensor
    setting: Tensor
    attributes: Tensor

    def to(self, device: torch.device | str) -> Shown:
        """The same on ``device``."""
        return Shown(self.characters.to(device), self.setting.to(device), self.attributes.to(device))

    @property
    def anybody(self) -> Tensor:
        """(B, H, W) bool: pixels of any character."""
        return self.characters.any(1)


class CodeAlignment(nn.Module):
    """Linear readouts of bits.

    * of each cell: the mean colour of its pixels, and how much of it is character;
    * of each character's cells, weighted by one attention per attribute: its attributes;
    * of the other cells, averaged: the setting.

    Args:
        bits: of a code.
        settings: number of settings.
        attributes: number of values of each attribute, by name.
    """

    def __init__(self, bits: int, settings: int, attributes: Mapping[str, int]) -> None:
        super().__init__()
        self.names = tuple(attributes)
        self.cell = nn.Linear(bits, 4)
        self.setting = nn.Linear(bits, settings)
        self.keys = nn.Linear(bits, len(attributes))
        self.values = nn.ModuleList(nn.Linear(bits, size) for size in attributes.values())
        nn.init.zeros_(self.keys.weight)  # every cell of a character alike, to begin with

    def forward(self, code: Tensor, pixels: Tensor, weight: Tensor, shown: Shown) -> dict[str, Tensor]:
        """Mean losses ``colour``, ``character``, ``setting``, ``attributes``; shares right ``read/<name>``.

        Args:
            code: (B, bits, h, w), -1 or 1, with gradients.
            pixels: (B, 3, H, W) in [-1, 1].
            weight: (B, 1, H, W) of the pixels.
            shown: what the pictures show.
        """
        side = pixels.shape[-1] // code.shape[-1]
        share = functional.avg_pool2d(shown.characters.float(), side).flatten(2)  # (B, C, cells)
        anybody = functional.avg_pool2d(shown.anybody[:, None].float(), side).flatten(1)
        cells = code.flatten(2).transpose(1, 2)  # (B, cells, bits)
        told = self.cell(cells)
        colour = functional.avg_pool2d(pixels, side).flatten(2).transpose(1, 2)
        heavy = functional.avg_pool2d(weight, side).flatten(2).transpose(1, 2)
        rest = (cells * (1 - anybody)[..., None]).sum(1) / (1 - anybody).sum(1, keepdim=True).clamp(min=1)
        losses = {
            "colour": (heavy * (told[..., :3] - colour).abs()).sum() / (3 * heavy.sum()),
            "character": functional.binary_cross_entropy_with_logits(told[..., 3], anybody),
            "setting": functional.cross_entropy(self.setting(rest), shown.setting),
        }
        return losses | self._attributes(cells, share, shown.attributes)

    def _attributes(self, cells: Tensor, share: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        there = wanted[..., 0] >= 0  # (B, C)
        picture, who = there.nonzero(as_tuple=True)
        goals, seen = wanted[there], cells[picture]  # (n, names), (n, cells, bits)
        keys = self.keys(seen) + (share[picture, who] + NOBODY).log()[..., None]
        pooled = keys.softmax(1).transpose(1, 2) @ seen  # (n, names, bits)
        losses, found = [], {}
        for at, (name, head) in enumerate(zip(self.names, self.values, strict=True)):
            logits = head(pooled[:, at])
            losses.append(functional.cross_entropy(logits, goals[:, at]))
            found[f"read/{name}"] = (logits.argmax(1) == goals[:, at]).float().mean().detach()
        return {"attributes": torch.stack(losses).mean(), **found}
