"""What the bundled model draws of prompts of every detail, in phrasings of training and held-out ones.

    python -m benchmarks.sprites_drawing [--prompts 40] [overrides ...]

Held-out scenes of one character, as many prompts of each detail; the same scenes and noise in both
phrasings. Reported per row are the share of points the oracle finds right (none in an unreadable picture)
and the share of pictures it cannot read. ``sampling.steps=16`` and the like say how to draw.
"""

from __future__ import annotations

import argparse
import random
from typing import get_args

from hydra.utils import instantiate
from rich.console import Console
from rich.table import Table

from benchmarks.sprites_speed import request
from unictk.backbones.base import Backbone
from unictk.samples import Request, Sampling, Text
from unictk.sprites.grammar.descriptions import Detail, prompt
from unictk.sprites.grammar.phrases import Phrasing
from unictk.sprites.oracle import read, score
from unictk.sprites.splits import random_scene

DETAILS: tuple[Detail, ...] = ("dense", "medium", "short", "negation", "count")


def measure(
    backbone: Backbone, sampling: Sampling, detail: Detail, phrasing: Phrasing, count: int
) -> tuple[float, float]:
    """Share of points right, and of pictures unreadable."""
    chance = random.Random(0)
    scenes = [random_scene(chance, "concepts") for _ in range(count)]
    prompts = [prompt(random.Random(at), scene, detail, phrasing) for at, scene in enumerate(scenes)]
    drawn = backbone.generate_images(
        [Request(Text(text), seed=at, sampling=sampling) for at, (text, _) in enumerate(prompts)]
    )
    readings = [read(one.pixels) for one in drawn]
    found = [score(asked, seen) for (_, asked), seen in zip(prompts, readings, strict=True)]
    right = sum(one.right / one.asked for one in found) / count
    return right, sum(not seen.readable for seen in readings) / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--prompts", type=int, default=40)
    asked, overrides = parser.parse_known_args()
    cfg = request(*overrides)
    backbone, sampling = instantiate(cfg.backbone), instantiate(cfg.sampling)
    table = Table("prompt", "phrasing", "points right", "unreadable")
    for detail in DETAILS:
        for phrasing in get_args(Phrasing):
            right, unreadable = measure(backbone, sampling, detail, phrasing, asked.prompts)
            table.add_row(detail, phrasing, f"{right:.2f}", f"{unreadable:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
