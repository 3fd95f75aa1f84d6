"""Where the oracle's threshold lies: residuals of what the bundled tokenizer draws, whole and spoilt.

    python -m benchmarks.sprites_unreadable [--scenes 400] [overrides ...]

Held-out scenes of one and two characters by turns are encoded and decoded: as they are, with their codes
shuffled over the picture, and *half sampled*: a random half of the cells as they should be, the other half
still random codes. Reported are quantiles of the residual and the share that the oracle calls readable: its
bounds accept 99 of 100 whole ones and must refuse 99 of 100 of the others.
"""

from __future__ import annotations

import argparse
import random
from typing import cast

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.sprites_speed import load
from unictk.backbones.showo.backbone import Showo
from unictk.sprites.oracle import read
from unictk.sprites.render import render
from unictk.sprites.splits import random_scene

QUANTILES = (0.01, 0.5, 0.99)


def pictures(backbone: Showo, count: int) -> dict[str, torch.Tensor]:
    """(count, 3, H, W) decoded pictures of every kind, of the same scenes."""
    chance, noise = random.Random(0), torch.Generator().manual_seed(0)
    scenes = [random_scene(chance, "concepts", 1 + number % 2) for number in range(count)]
    pixels = torch.from_numpy(np.stack([render(scene) for scene in scenes])).permute(0, 3, 1, 2)
    tokenizer = backbone.image_tokenizer
    with torch.no_grad():
        codes = tokenizer.codes(pixels.float() / 127.5 - 1)
        shuffled = torch.stack([row[torch.randperm(len(row), generator=noise)] for row in codes])
        sampled = torch.rand(codes.shape, generator=noise) < 0.5
        others = torch.randint(tokenizer.codebook_size, codes.shape, generator=noise)
        kinds = {"whole": codes, "shuffled": shuffled, "half sampled": torch.where(sampled, codes, others)}
        return {name: tokenizer.decode(found) for name, found in kinds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scenes", type=int, default=400)
    asked, overrides = parser.parse_known_args()
    table = Table("pictures", "number", *(f"residual, {share:.0%}" for share in QUANTILES), "readable")
    for name, found in pictures(cast(Showo, load(*overrides)), asked.scenes).items():
        readings = [read(picture) for picture in found]
        quantiles = (f"{value:.3f}" for value in np.quantile([one.residual for one in readings], QUANTILES))
        share = sum(one.readable for one in readings) / len(readings)
        table.add_row(name, str(len(found)), *quantiles, f"{share:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
