"""Endless batches of pictures and prompts for a small CLIP, the same whatever came before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Interval
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from unictk.chance import seed_of
from unictk.sprites.grammar.descriptions import Detail, canonical, prompt, relations
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import random_scene
from unictk.sprites.variants import variant

Pair = tuple[Tensor, list[str]]
"""Pixels (B, 3, 48, 48) uint8, and a text for each."""

SHARES: dict[Detail, float] = {
    "dense": 0.4,
    "medium": 0.25,
    "short": 0.15,
    "relation": 0.1,
    "negation": 0.05,
    "count": 0.05,
}
"""How often the prompt of a scene has each detail; vague ones are rare, since they fit other scenes too."""


class SceneCaptions(LightningDataModule):
    """Step n is made from (seed, n) alone, so a resumed training goes on with the next step.

    Twins are two scenes that differ in one value, told by the same words but for that value: each is the
    other's hard negative. All scenes are of the pretraining part. Each of several
    processes gets every n-th picture of a batch.

    Args:
        seed: of everything.
        batch: pictures per step.
        twins: share of the pictures that come in twos.
        couples: share of the scenes that have two characters.
        captions: share of the texts of all details that are the canonical caption, not a prompt.
    """

    def __init__(
        self,
        seed: int,
        batch: Annotated[int, Ge(2)] = 128,
        twins: Annotated[float, Interval(ge=0, le=1)] = 0.75,
        couples: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        captions: Annotated[float, Interval(ge=0, le=1)] = 0.25,
    ) -> None:
        super().__init__()
        self.seed, self.batch = seed, batch
        self.twins, self.couples, self.captions = twins, couples, captions

    def step(self, number: int) -> Pair:
        """The batch of step ``number``."""
        chance = random.Random(seed_of(self.seed, "scene captions", number))
        scenes: list[Scene] = []
        texts: list[str] = []
        for _ in range(round(self.batch * self.twins / 2)):
            one = self._scene(chance)
            both = [one, variant(chance, one, "pretraining", 1)]
            words = chance.getrandbits(60)
            scenes += both
            texts += [self._everything(random.Random(words), scene) for scene in both]
        while len(scenes) < self.batch:
            scenes.append(self._scene(chance))
            texts.append(self._something(chance, scenes[-1]))
        pixels = torch.from_numpy(np.stack([render(scene) for scene in scenes])).permute(0, 3, 1, 2)
        return pixels, texts

    def train_dataloader(self) -> DataLoader[Pair]:
        """Endless steps, from the trainer's step on."""
        first, rank, ranks = 0, 0, 1
        if self.trainer:
            first, rank, ranks = self.trainer.global_step, self.trainer.global_rank, self.trainer.world_size
        return DataLoader(_Stream(self, first, rank, ranks), batch_size=None)

    def _scene(self, chance: random.Random) -> Scene:
        return random_scene(chance, "pretraining", 2 if chance.random() < self.couples else 1)

    def _everything(self, chance: random.Random, scene: Scene) -> str:
        """A text that names every value."""
        if chance.random() < self.captions:
            return canonical(scene)
        return prompt(chance, scene, "dense", "training")[0]

    def _something(self, chance: random.Random, scene: Scene) -> str:
        """A prompt of any detail the scene allows, or the caption."""
        if chance.random() < self.captions:
            return canonical(scene)
        (detail,) = chance.choices(list(SHARES), list(SHARES.values()))
        if detail == "relation" and not relations(scene.characters):
            detail = "medium"
        return prompt(chance, scene, detail, "training")[0]


class _Stream(IterableDataset[Pair]):
    def __init__(self, data: SceneCaptions, first: int, rank: int = 0, ranks: int = 1) -> None:
        self.data, self.first, self.rank, self.ranks = data, first, rank, ranks

    def __iter__(self) -> Iterator[Pair]:
        number = self.first
        while True:
            pixels, texts = self.data.step(number)
            yield pixels[self.rank :: self.ranks], texts[self.rank :: self.ranks]
            number += 1
