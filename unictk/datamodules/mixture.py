"""The plan of an epoch: which samples make which optimizer step, on which rank, in which batch.

The plan is a function of (seed, stage, epoch): not of ranks, workers or what came before. So a run can be
resumed anywhere, and the same global batch can be cut into one batch of four, four of one, or two on each
of two ranks, with the same samples and the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from annotated_types import Ge
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from unictk.backbones.base import Layout
from unictk.chance import generator, seed_of
from unictk.errors import DataError
from unictk.samples import Batch, Counts, Image, Sample

Place = tuple[int, int]
"""Epoch and number of the batch in it."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Samples of one kind and how many of them are in a batch, per device."""

    name: str
    samples: Sequence[Sample]
    batch_size: int
    shuffle: bool = True


@dataclass(frozen=True, slots=True)
class Share:
    """This process's part of an optimizer step: ``rank`` of ``world`` ranks, ``accumulate`` batches each."""

    rank: int = 0
    world: int = 1
    accumulate: int = 1


class EpochPlan(Dataset[Batch]):
    """Batches by place.

    A window is the samples of one optimizer step: ``batch_size * world * accumulate`` of each flow. The
    longest flow makes the epoch; a shorter one starts again, each pass in its own order and with its own
    partial last window (as the published ``max_size_cycle`` does).
    """

    def __init__(
        self, layout: Layout, flows: Sequence[Flow], seed: int, stage: str, augmentations: int, share: Share
    ) -> None:
        for flow in flows:
            if not flow.samples:
                raise DataError(f"{stage}: nothing to train on in flow {flow.name!r}; expected samples")
        if not flows:
            raise DataError(f"{stage}: all batch sizes are 0; expected text_batch or image_batch above 0")
        self.layout, self.flows = layout, flows
        self.seed, self.stage, self.augmentations, self.share = seed, stage, augmentations, share
        self.steps = max(self._windows(flow) for flow in flows)
        self._known_counts: tuple[Place, Counts] = ((-1, -1), Counts())
        self._known_orders: dict[tuple[int, str, int], list[int]] = {}

    def __len__(self) -> int:
        return self.steps * self.share.accumulate

    def __getitem__(self, place: Place) -> Batch:
        epoch, index = place
        step, micro = divmod(index, self.share.accumulate)
        window = self.window(epoch, step)
        chunk = micro * self.share.world + self.share.rank
        mine = [
            sample
            for flow, samples in zip(self.flows, window, strict=True)
            for sample in samples[chunk * flow.batch_size : (chunk + 1) * flow.batch_size]
        ]
        batch, images = self.layout.collate(mine), sum(len(sample.images) for sample in mine)
        return replace(batch, window=self._counts(epoch, step, window), images=images)

    def window(self, epoch: int, step: int) -> list[list[Sample]]:
        """Every rank's and every batch's samples of one optimizer step, per flow, with their seeds."""
        return [self._of_flow(flow, epoch, step) for flow in self.flows]

    def _of_flow(self, flow: Flow, epoch: int, step: int) -> list[Sample]:
        turn, number = divmod(step, self._windows(flow))
        order = self._order(flow, epoch, turn)
        size = self._window_size(flow)
        return [self._drawn(flow.samples[i], epoch, turn) for i in order[number * size : (number + 1) * size]]

    def _drawn(self, sample: Sample, epoch: int, turn: int) -> Sample:
        """The sample with its own seed, and each view with one of its ``augmentations`` draws."""
        seed = seed_of(self.seed, self.stage, epoch, sample.key, turn)
        segments = [
            replace(s, view=replace(s.view, draw=seed % self.augmentations)) if isinstance(s, Image) else s
            for s in sample
        ]
        return Sample(*segments, key=sample.key, seed=seed)

    def _order(self, flow: Flow, epoch: int, turn: int) -> list[int]:
        if not flow.shuffle:
            return list(range(len(flow.samples)))
        key = (epoch, flow.name, turn)
        if key not in self._known_orders:
            if len(self._known_orders) > 16:
                self._known_orders.clear()
            chance = generator(self.seed, self.stage, "order", *key)
            self._known_orders[key] = torch.randperm(len(flow.samples), generator=chance).tolist()
        return self._known_orders[key]

    def _counts(self, epoch: int, step: int, window: list[list[Sample]]) -> Counts:
        if self._known_counts[0] != (epoch, step):
            total = sum((self.layout.counts(s) for samples in window for s in samples), Counts())
            self._known_counts = ((epoch, step), total)
        return self._known_counts[1]

    def _window_size(self, flow: Flow) -> int:
        return flow.batch_size * self.share.world * self.share.accumulate

    def _windows(self, flow: Flow) -> int:
        return -(-len(flow.samples) // self._window_size(flow))


class PlanSampler(Sampler[Place]):
    """The places of one epoch in order; Lightning says which epoch it is."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Place]:
        return iter([(self.epoch, index) for index in range(self.start, self.length)])


class PlanLoader(DataLoader[Batch]):
    """A loader that remembers how far it is, so that a checkpoint within an epoch continues there."""

    sampler: PlanSampler

    def __iter__(self) -> Any:
        self._given = self.sampler.start
        batches = super().__iter__()
        self.sampler.start = 0  # the next epoch is a whole one
        for batch in batches:
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """How many of the epoch's batches were given out; 0 when the epoch is over."""
        return {"given": getattr(self, "_given", 0) % len(self.sampler)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next pass behind the batches that were given out."""
        self.sampler.start = state["given"]


class Mixture(LightningDataModule):
    """Feeds a stage its flows, planned.

    The trainer must be made with ``use_distributed_sampler=False``: the plan knows the ranks.

    Args:
        layout: collates samples, in loader workers.
        flows: what the stage is fed; one of each per batch.
        seed: the run's seed.
        stage: the stage's name, part of every draw's seed.
        augmentations: different crops and flips of each picture (1: one for good, as published).
        num_workers: loader processes.
    """

    def __init__(
        self,
        layout: Layout,
        flows: Sequence[Flow],
        seed: int,
        stage: str,
        augmentations: Annotated[int, Ge(1)] = 1,
        num_workers: Annotated[int, Ge(0)] = 0,
    ) -> None:
        super().__init__()
        self.layout, self.flows, self.seed, self.stage = layout, flows, seed, stage
        self.augmentations, self.num_workers = augmentations, num_workers

    def plan(self, share: Share) -> EpochPlan:
        """The batches of one process."""
        return EpochPlan(self.layout, self.flows, self.seed, self.stage, self.augmentations, share)

    def train_dataloader(self) -> PlanLoader:
        """This rank's batches."""
        trainer = self.trainer
        assert trainer is not None
        plan = self.plan(Share(trainer.global_rank, trainer.world_size, trainer.accumulate_grad_batches))
        return PlanLoader(plan, batch_size=None, sampler=PlanSampler(len(plan)), num_workers=self.num_workers)

    def images(self) -> list[Image]:
        """Every picture in every view that training will see, each once."""
        found: dict[tuple[object, ...], Image] = {}
        for flow in self.flows:
            for image in (image for sample in flow.samples for image in sample.images):
                for draw in range(self.augmentations):
                    seen = replace(image, target=False, view=replace(image.view, draw=draw))
                    found.setdefault((image.key or id(image.source), seen.view), seen)
        return list(found.values())
