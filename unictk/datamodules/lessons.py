"""Endless lessons: a batch per kind of lesson and step, the same whatever came before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset

from unictk.backbones.base import Layout
from unictk.chance import seed_of
from unictk.modules.pretraining import Step
from unictk.samples import Sample

Write = Callable[[random.Random, Any, tuple[int, ...]], Sample]
"""(chance, world, seated known concepts) -> a sample."""


@dataclass(frozen=True)
class Rung:
    """Some steps of their own, before the ordinary ones: how many, and per kind the samples in each."""

    steps: int
    shares: Mapping[str, int]


class Lessons(LightningDataModule):
    """Step n is made from (seed, n) alone, so a resumed training goes on with the next step.

    Args:
        layout: the backbone's.
        make_world: makes what the writers draw from, once, when the first step is wanted.
        writers: per kind, the function that writes a sample.
        shares: per kind, samples in a step; kinds that share a batch keep one loss and one padding.
        known: how many known concepts there are.
        slots: how many of them sit in slots at a time.
        seed: of everything.
        turns: groups of kinds; of each group a step has one, in turn.
        opening: the first steps, rung after rung, in place of shares and turns.
    """

    def __init__(
        self,
        layout: Layout,
        make_world: Callable[[], Any],
        writers: Mapping[str, Write],
        shares: Mapping[str, int],
        known: int,
        slots: int,
        seed: int,
        turns: Sequence[Sequence[str]] = (),
        opening: Sequence[Rung] = (),
    ) -> None:
        super().__init__()
        self.layout, self.make_world, self.writers = layout, make_world, dict(writers)
        self.shares = {kind: count for kind, count in shares.items() if count}
        self.known, self.slots, self.seed, self.turns = known, slots, seed, turns
        self.opening = opening

    @cached_property
    def world(self) -> Any:
        """What the writers draw from."""
        return self.make_world()

    def prepare_data(self) -> None:
        """Make the world in one process; the others find it made."""
        _ = self.world

    def step(self, number: int, rank: int = 0, ranks: int = 1) -> Step:
        """What process ``rank`` of ``ranks`` gets of step ``number``: samples are dealt like cards.

        All of them write all samples, so that the step is the same for any number of processes and each
        knows the target counts of the whole.
        """
        chance = random.Random(seed_of(self.seed, "lessons", number))
        seated = tuple(chance.sample(range(self.known), self.slots)) if self.slots else ()
        batches, dealt = {}, 0
        for kind, count in self._shares(number).items():
            samples = [self.writers[kind](chance, self.world, seated) for _ in range(count)]
            first, dealt = (rank - dealt) % ranks, dealt + count
            if mine := samples[first::ranks]:
                batch, whole = self.layout.collate(mine), None
                if ranks > 1:
                    whole = self.layout.collate(samples).counts
                images = sum(len(sample.images) for sample in mine)
                batches[kind] = replace(batch, window=whole or batch.counts, images=images)
        return Step(batches, seated)

    def _shares(self, number: int) -> Mapping[str, int]:
        end = 0
        for rung in self.opening:
            end += rung.steps
            if number < end:
                return rung.shares
        waiting = {kind for group in self.turns for kind in group if kind != group[number % len(group)]}
        return {kind: count for kind, count in self.shares.items() if kind not in waiting}

    def train_dataloader(self) -> DataLoader[Step]:
        """Endless steps, from the trainer's step on."""
        first, rank, ranks = 0, 0, 1
        if self.trainer:
            first, rank, ranks = self.trainer.global_step, self.trainer.global_rank, self.trainer.world_size
        return DataLoader(_Stream(self, first, rank, ranks), batch_size=None)


class _Stream(IterableDataset[Step]):
    def __init__(self, lessons: Lessons, first: int, rank: int = 0, ranks: int = 1) -> None:
        self.lessons, self.first, self.rank, self.ranks = lessons, first, rank, ranks

    def __iter__(self) -> Iterator[Step]:
        number = self.first
        while True:
            yield self.lessons.step(number, self.rank, self.ranks)
            number += 1
