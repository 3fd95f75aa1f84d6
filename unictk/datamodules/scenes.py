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
from unictk.sprites.render import render
from unictk.sprites.settings import SIDE, background
from unictk.sprites.splits import random_scene

DIFFERENCE = 12
"""A pixel belongs to a character when a channel differs from the empty setting by more than this (of 255)."""


class ScenePictures(LightningDataModule):
    """Batches of (pixels, characters): (B, 3, 48, 48) uint8 and (B, 48, 48) bool.

    Batch n is the same whatever came before, so a resumed training goes on with the next batch.

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
        self.characters = np.zeros((0, SIDE, SIDE), bool)

    def setup(self, stage: str) -> None:
        """Render the pool: about 2 ms a scene."""
        if len(self.pixels) == self.pool:
            return
        self.pixels = np.zeros((self.pool, SIDE, SIDE, 3), np.uint8)
        self.characters = np.zeros((self.pool, SIDE, SIDE), bool)
        chance = random.Random(seed_of(self.seed, "scene pictures"))
        for place in range(self.pool):
            (count,) = chance.choices(list(self.counts), list(self.counts.values()))
            scene = random_scene(chance, "pretraining", count)
            picture = render(scene)
            empty = background(scene.setting)
            self.pixels[place] = picture
            self.characters[place] = (np.abs(picture - empty) > DIFFERENCE).any(-1)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Endless batches, from the trainer's step on."""
        step = self.trainer.global_step if self.trainer else 0
        return DataLoader(_Stream(self, step), batch_size=None)

    def order(self, turn: int) -> np.ndarray:
        """The order of the pool's scenes in pass ``turn``."""
        chance = np.random.default_rng(seed_of(self.seed, "scene order", turn))
        return chance.permutation(self.pool)


class _Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self, data: ScenePictures, first: int) -> None:
        self.data, self.first = data, first

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        data = self.data
        per_turn = max(1, data.pool // data.batch)
        step, turn, order = self.first, -1, np.zeros(0, np.int64)
        while True:
            if step // per_turn != turn:
                turn = step // per_turn
                order = data.order(turn)
            begin = step % per_turn * data.batch
            chosen = order[begin : begin + data.batch]
            pixels = torch.from_numpy(data.pixels[chosen]).permute(0, 3, 1, 2)
            yield pixels, torch.from_numpy(data.characters[chosen])
            step += 1
