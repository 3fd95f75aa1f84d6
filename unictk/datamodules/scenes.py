"""Pictures of the sprites world for training an image tokenizer: a pool of scenes, met in a fixed order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from unictk.chance import seed_of
from unictk.modules.code_alignment import Shown
from unictk.sprites.grammar.predicates import VALUES
from unictk.sprites.render import render
from unictk.sprites.scenes import IDENTITY, MOST, SETTINGS, Scene
from unictk.sprites.settings import SIDE, background
from unictk.sprites.splits import random_scene

DIFFERENCE = 12
"""A pixel belongs to a character when a channel differs from the empty setting by more than this (of 255)."""


READ = {
    name: VALUES[name] if name != "item" else ("none", *VALUES[name])
    for name in (*IDENTITY, "accessory", "item", "column", "row", "size")
}
"""Attributes that are read from codes, with their values."""

Pictures = tuple[Tensor, Shown]


def visible(scene: Scene, index: int, picture: np.ndarray) -> np.ndarray:
    """(48, 48) bool: the pixels that would differ without this character."""
    others = scene.characters[:index] + scene.characters[index + 1 :]
    without = render(Scene(scene.setting, others)) if others else background(scene.setting)
    return (np.abs(picture.astype(np.int16) - without) > DIFFERENCE).any(-1)


class ScenePictures(LightningDataModule):
    """Batches of (pixels (B, 3, 48, 48) uint8, what they show).

    Batch n is the same whatever came before, so a resumed training goes on with the next batch. Each of
    several processes gets every n-th picture of it.

    Args:
        seed: of the scenes and of their order.
        pool: how many scenes are rendered; they are met again and again, in a new order each time.
        counts: share of scenes with one, two, three characters.
        batch: pictures per step.
    """

    def __init__(
        self,
        seed: int,
        pool: Annotated[int, Ge(1)] = 24_000,
        counts: Mapping[int, float] | None = None,
        batch: Annotated[int, Ge(1)] = 32,
    ) -> None:
        super().__init__()
        self.seed, self.pool, self.batch = seed, pool, batch
        self.counts = dict(counts or {1: 0.4, 2: 0.45, 3: 0.15})
        self.pixels = np.zeros((0, SIDE, SIDE, 3), np.uint8)
        self.characters = np.zeros((0, MOST, SIDE, SIDE), bool)
        self.settings = np.zeros(0, np.int64)
        self.attributes = np.zeros((0, MOST, len(READ)), np.int64)

    def setup(self, stage: str) -> None:
        """Render the pool: about 4 ms a scene."""
        if len(self.pixels) == self.pool:
            return
        self.pixels = np.zeros((self.pool, SIDE, SIDE, 3), np.uint8)
        self.characters = np.zeros((self.pool, MOST, SIDE, SIDE), bool)
        self.settings = np.zeros(self.pool, np.int64)
        self.attributes = np.full((self.pool, MOST, len(READ)), -1)
        chance = random.Random(seed_of(self.seed, "scene pictures"))
        for place in range(self.pool):
            (count,) = chance.choices(list(self.counts), list(self.counts.values()))
            scene = random_scene(chance, "pretraining", count)
            self.pixels[place] = render(scene)
            self.settings[place] = SETTINGS.index(scene.setting)
            for at, one in enumerate(scene.characters):
                self.characters[place, at] = visible(scene, at, self.pixels[place])
                values = one.attributes()
                self.attributes[place, at] = [READ[name].index(values[name]) for name in READ]

    def train_dataloader(self) -> DataLoader[Pictures]:
        """Endless batches, from the trainer's step on."""
        first, rank, ranks = 0, 0, 1
        if self.trainer:
            first, rank, ranks = self.trainer.global_step, self.trainer.global_rank, self.trainer.world_size
        return DataLoader(_Stream(self, first, rank, ranks), batch_size=None)

    def shown(self, chosen: np.ndarray) -> Shown:
        """What the pictures of these places show."""
        return Shown(
            torch.from_numpy(self.characters[chosen]),
            torch.from_numpy(self.settings[chosen]),
            torch.from_numpy(self.attributes[chosen]),
        )

    def order(self, turn: int) -> np.ndarray:
        """The order of the pool's scenes in pass ``turn``."""
        chance = np.random.default_rng(seed_of(self.seed, "scene order", turn))
        return chance.permutation(self.pool)


class _Stream(IterableDataset[Pictures]):
    def __init__(self, data: ScenePictures, first: int, rank: int = 0, ranks: int = 1) -> None:
        self.data, self.first, self.rank, self.ranks = data, first, rank, ranks

    def __iter__(self) -> Iterator[Pictures]:
        data = self.data
        per_turn = max(1, data.pool // data.batch)
        step, turn, order = self.first, -1, np.zeros(0, np.int64)
        while True:
            if step // per_turn != turn:
                turn = step // per_turn
                order = data.order(turn)
            begin = step % per_turn * data.batch
            chosen = order[begin : begin + data.batch][self.rank :: self.ranks]
            pixels = torch.from_numpy(data.pixels[chosen]).permute(0, 3, 1, 2)
            yield pixels, data.shown(chosen)
            step += 1
