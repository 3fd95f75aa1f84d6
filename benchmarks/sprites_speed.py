"""What the bundled small model costs on this machine: loading, drawing, answering.

    python -m benchmarks.sprites_speed

Loading is measured in fresh processes, after the imports; the rest in this one, by turns, with two threads.
Medians of five, with the least and the most.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from benchmarks.timing import ROOT, Measured
from unictk.backbones.base import Backbone
from unictk.samples import Image, Request, Sampling, Text
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.grammar.questions import attribute_question
from unictk.sprites.oracle import read
from unictk.sprites.render import render
from unictk.sprites.splits import random_scene

ROUNDS = 5
PICTURES = 8
STEPS = 8
GUIDANCE = 2.5


def request(*overrides: str) -> DictConfig:
    """The request ``experiment=sprites/evaluate``, as ``run.py`` composes it."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", overrides=["experiment=sprites/evaluate", *overrides])


def load(*overrides: str) -> Backbone:
    """The backbone of :func:`request`."""
    return instantiate(request(*overrides).backbone)


def loading() -> float:
    """Seconds to make the backbone in a fresh process that has imported everything."""
    code = (
        "import time; from benchmarks import sprites_speed as s; import unictk.backbones.showo.backbone\n"
        "begin = time.perf_counter(); s.load(); print(time.perf_counter() - begin)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(2)
    chance = random.Random(0)
    scenes = [random_scene(chance, "concepts") for _ in range(PICTURES)]
    settings = Sampling(steps=STEPS, guidance=GUIDANCE, max_new_tokens=8)
    drawings = [
        Request(Text(prompt(chance, scene, "dense", "evaluation")[0]), seed=at, sampling=settings)
        for at, scene in enumerate(scenes)
    ]
    questions = [
        Request(
            Image(render(scene), key=str(at)),
            Text(attribute_question(chance, scene, "evaluation").question),
            sampling=settings,
        )
        for at, scene in enumerate(scenes)
    ]
    plain, fast = load("backbone.autocast=false"), load("backbone.autocast=true")
    pictures = fast.generate_images(drawings)
    works = {
        f"an image, {STEPS} steps, guidance, batch of {PICTURES}, bf16": lambda: fast.generate_images(
            drawings
        ),
        "the same, fp32": lambda: plain.generate_images(drawings),
        f"an answer, batch of {PICTURES}, bf16": lambda: fast.generate_text(questions),
        "the oracle's reading of an image": lambda: [read(one.pixels) for one in pictures],
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS + 1):  # the first round warms up
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            taken[name].append((time.perf_counter() - begin) / PICTURES)
    table = Table("work", "seconds each (least..most)")
    table.add_row("loading the bundled weights", str(Measured(tuple(loading() for _ in range(ROUNDS)))))
    for name, seconds in taken.items():
        table.add_row(name, str(Measured(tuple(seconds[1:]))))
    Console().print(table)


if __name__ == "__main__":
    main()
