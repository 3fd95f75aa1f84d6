"""Pictures of the world for people: ``python -m unictk.sprites.gallery FOLDER`` writes the README's."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from unictk.chance import seed_of
from unictk.sprites.album import concept_album
from unictk.sprites.render import render
from unictk.sprites.scenes import SETTINGS, Scene
from unictk.sprites.settings import SIDE
from unictk.sprites.splits import random_scene

ENLARGED = 3
GAP = 2
COLUMNS = 8


def sheet(scenes: Sequence[Scene], columns: int = COLUMNS) -> Image.Image:
    """The scenes in rows, each pixel enlarged to a square of 3 x 3, with white gaps."""
    step = SIDE * ENLARGED + GAP
    rows = -(-len(scenes) // columns)
    page = Image.new("RGB", (columns * step - GAP, rows * step - GAP), "white")
    for number, scene in enumerate(scenes):
        pixels = render(scene).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
        page.paste(
            Image.fromarray(np.ascontiguousarray(pixels)), (number % columns * step, number // columns * step)
        )
    return page


def sixteen_scenes(seed: int = 0) -> list[Scene]:
    """Every setting twice: with one character, and with two or three."""
    chance = random.Random(seed_of("gallery", seed))
    found = []
    for setting, count in [(s, 1) for s in SETTINGS] + [(s, 2 + i % 2) for i, s in enumerate(SETTINGS)]:
        scene = random_scene(chance, "concepts", count)
        while scene.setting != setting:
            scene = random_scene(chance, "concepts", count)
        found.append(scene)
    return found


def training_set(seed: int = 0) -> list[Scene]:
    """A concept's ten photos, three of its look-alikes and three strangers."""
    album = concept_album(seed)
    return [*album.photos, *album.look_alikes[:3], *album.strangers[:3]]


def main() -> int:
    """Write ``scenes.png`` and ``concept.png``."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: python -m unictk.sprites.gallery FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, scenes in (("scenes", sixteen_scenes()), ("concept", training_set())):
        sheet(scenes).save(folder / f"{name}.png", optimize=True)
        print(folder / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
