"""What a model in training draws itself, as the oracle reads it: the pictures it will have to judge.

Pictures that are spoilt on purpose look otherwise than those that a model fails at. Half of a judge's work is
to tell its own failures, so late lessons show it some.
"""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from unictk.backbones.base import Backbone
from unictk.chance import seed_of
from unictk.samples import Request, Sampling, Text
from unictk.sprites.coded import Album, Coded, read_apart
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.lessons.parts import any_of, detail

STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
"""Sampling steps, by turns: from what hardly holds together to the best the model can do."""

PAIRS = 0.5
"""Share of prompts with two characters."""


def draw_own(
    backbone: Backbone, album: Album, sampling: Sampling, seed: int, count: int
) -> tuple[tuple[Coded, Coded], ...]:
    """``count`` pairs (what a prompt meant, what the model drew of it as the oracle reads that).

    Equal for equal weights, album and seed. About a tenth of a second each on one core.
    """
    meant, requests = [], []
    for number in range(count):
        chance = random.Random(seed_of(seed, "own drawings", number))
        coded = any_of(chance, album, PAIRS)
        text, _ = prompt(chance, coded.scene, detail(chance, coded.scene), "training")
        how = replace(sampling, steps=STEPS[number % len(STEPS)])
        meant.append(coded)
        requests.append(Request(Text(text), seed=chance.getrandbits(62), sampling=how))
    drawn = backbone.generate_images(requests)
    codes = [torch.as_tensor(one.codes) for one in drawn]
    readings = read_apart([one.pixels.float().cpu().numpy() for one in drawn])
    first = album.count
    found = [
        Coded(seen.scene, code, first + at, seen.readable)
        for at, (seen, code) in enumerate(zip(readings, codes, strict=True))
    ]
    return tuple(zip(meant, found, strict=True))
