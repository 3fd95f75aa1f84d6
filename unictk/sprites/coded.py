"""Scenes with their pictures as image codes, made once and kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from unictk.chance import seed_of
from unictk.samples import Image
from unictk.sprites.known import known_characters
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import Part, random_scene

if TYPE_CHECKING:
    from torch import Tensor

Encode = Callable[["Tensor"], "Tensor"]
"""Pixels (B, 3, 48, 48) in [-1, 1] -> codes (B, cells)."""

BATCH = 64


@dataclass(frozen=True, slots=True)
class Coded:
    """A scene and its codes (cells,); ``known`` numbers the known character in it, -1 for none."""

    scene: Scene
    codes: Tensor
    known: int
    number: int

    def image(self, target: bool = False) -> Image:
        """The picture as a segment."""
        return Image(None, target=target, codes=self.codes, key=f"scene {self.number}")


@dataclass(frozen=True, slots=True)
class Album:
    """Scenes of one character, of two, and of each known character alone."""

    singles: tuple[Coded, ...]
    pairs: tuple[Coded, ...]
    known: tuple[tuple[Coded, ...], ...]


def make_album(
    encode: Encode, seed: int, singles: int, pairs: int, each_known: int, part: Part = "pretraining"
) -> Album:
    """Render and encode an album; about 3 ms a scene."""
    chance = random.Random(seed_of(seed, "album", part))
    scenes = [random_scene(chance, part) for _ in range(singles)]
    scenes += [random_scene(chance, part, 2) for _ in range(pairs)]
    owners = [-1] * len(scenes)
    for known in known_characters() if each_known else ():
        scenes += [random_scene(chance, part, 1, known.identity) for _ in range(each_known)]
        owners += [known.number] * each_known
    codes = _encoded(encode, scenes)
    coded = [Coded(*row, number) for number, row in enumerate(zip(scenes, codes, owners, strict=True))]
    first = singles + pairs
    groups = [tuple(coded[at : at + each_known]) for at in range(first, len(coded), each_known or 1)]
    return Album(tuple(coded[:singles]), tuple(coded[singles:first]), tuple(groups))


def _encoded(encode: Encode, scenes: Sequence[Scene]) -> Tensor:
    found = []
    for first in range(0, len(scenes), BATCH):
        pixels = np.stack([render(scene) for scene in scenes[first : first + BATCH]])
        found.append(encode(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1).cpu())
    return torch.cat(found)
