"""How exactly and how fast the oracle of the sprites world reads renderings.

    python -m benchmarks.sprites_oracle [--renders 10000]

Clean and with Gaussian noise (sigma 0.05 on a 0 to 1 scale, clipped), one to three characters, in turn from
the scenes of concepts and of pretraining. Reported are the share of scenes read entirely right (setting and
every attribute of every character), the share of attributes right, milliseconds per picture on this
machine, the median residual, and how many pictures were called unreadable.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

import numpy as np
from rich.progress import track

from unictk.chance import seed_of
from unictk.sprites.asked import Asked
from unictk.sprites.oracle import read, score
from unictk.sprites.render import render
from unictk.sprites.scenes import MOST, Scene
from unictk.sprites.splits import Part, random_scene

PARTS: tuple[Part, ...] = ("concepts", "pretraining")
SIGMAS = (0.0, 0.05)


def noisy(scene: Scene, sigma: float, chance: np.random.Generator) -> np.ndarray:
    """The rendering with noise, (3, SIDE, SIDE) float32 in [0, 1]."""
    picture = render(scene).transpose(2, 0, 1).astype(np.float32) / 255
    if sigma:
        picture += chance.normal(0, sigma, picture.shape).astype(np.float32)
    return picture.clip(0, 1)


def everything(scene: Scene) -> Asked:
    """Every attribute of the scene, and the number of characters."""
    told = tuple(one.attributes() for one in scene.characters)
    return Asked(scene.setting, told, count=len(told))


def measure(renders: int, count: int, sigma: float) -> str:
    """Read ``renders`` scenes of ``count`` characters and say how that went."""
    scenes = random.Random(seed_of("oracle benchmark", count, sigma))
    chance = np.random.default_rng(seed_of("oracle benchmark noise", count))
    entire = right = asked = unreadable = 0
    seconds, residuals = [], []
    for number in track(range(renders), f"{count} characters, sigma {sigma}", transient=True):
        scene = random_scene(scenes, PARTS[number % 2], count)
        picture = noisy(scene, sigma, chance)
        start = time.perf_counter()
        reading = read(picture)
        seconds.append(time.perf_counter() - start)
        found = score(everything(scene), reading)
        entire += found.all_right
        right += found.right
        asked += found.asked
        residuals.append(reading.residual)
        unreadable += not reading.readable
    ms = [1000 * one for one in seconds]
    return (
        f"{count}  {sigma:<4}  {entire}/{renders} ({entire / renders:.2%})  {right / asked:.4%}  "
        f"{statistics.median(ms):5.1f} {statistics.fmean(ms):5.1f} {np.percentile(ms, 99):6.1f}  "
        f"{statistics.median(residuals):.4f} {max(residuals):.4f}  {unreadable}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--renders", type=int, default=1000, help="renders per line (default: 1000)")
    renders = parser.parse_args().renders
    start = time.perf_counter()
    read(render(random_scene(random.Random(0), "concepts")))
    print(f"tables: {time.perf_counter() - start:.1f} s")
    print("count, sigma, scenes, attributes, ms (median, mean, p99), residual (median, max), unreadable")
    for count in range(1, MOST + 1):
        for sigma in SIGMAS:
            print(measure(renders, count, sigma), flush=True)


if __name__ == "__main__":
    main()
