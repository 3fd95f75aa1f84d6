"""What self-play feeds Lightning: streams of proposals, batches of rollouts, and its own lessons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset

from unictk.backbones.base import Layout
from unictk.datamodules.mixture import Flow
from unictk.samples import Sample
from unictk.selfplay.reconstruction import KINDS, sample_of
from unictk.selfplay.rows import LessonRow

T = TypeVar("T")


class Work(LightningDataModule, Generic[T]):
    """Steps of work for the predict loop, those of this process only and never padded.

    The trainer must be made with ``use_distributed_sampler=False``.

    Args:
        deal: gives the steps of process ``rank`` of ``world``, made one after the other.
    """

    def __init__(self, deal: Callable[[int, int], Iterable[T]]) -> None:
        super().__init__()
        self.deal = deal

    def predict_dataloader(self) -> DataLoader[T]:
        """One step an item, in this process: a step knows its place in the records."""
        trainer = self.trainer
        assert trainer is not None
        steps = self.deal(trainer.global_rank, trainer.world_size)
        return DataLoader(_Steps(steps), batch_size=None, collate_fn=_as_it_is)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """The step as it is: it holds no tensors."""
        return batch


class _Steps(IterableDataset[Any]):
    def __init__(self, steps: Iterable[Any]) -> None:
        self.steps = steps

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)


def _as_it_is(step: Any) -> Any:
    return step


class LessonSamples(Sequence[Sample]):
    """Lessons as samples, each made when it is asked for.

    Args:
        lessons: their records.
        root: the run folder, which pictures are relative to.
    """

    def __init__(self, lessons: Sequence[LessonRow], root: Path) -> None:
        self.lessons, self.root = lessons, root

    def __len__(self) -> int:
        return len(self.lessons)

    @overload
    def __getitem__(self, place: int) -> Sample: ...

    @overload
    def __getitem__(self, place: slice) -> LessonSamples: ...

    def __getitem__(self, place: int | slice) -> Sample | LessonSamples:
        if isinstance(place, slice):
            return LessonSamples(self.lessons[place], self.root)
        return sample_of(self.lessons[place], self.root)


def fitting(
    lessons: Iterable[LessonRow], root: Path, layout: Layout
) -> tuple[dict[str, list[LessonRow]], dict[str, tuple[int, str]]]:
    """Lessons by kind that the backbone can be taught, and how many of each kind it cannot, with a reason."""
    kept: dict[str, list[LessonRow]] = defaultdict(list)
    refused: dict[str, tuple[int, str]] = {}
    for lesson in lessons:
        reason = layout.supports(sample_of(lesson, root))
        if reason is None:
            kept[lesson.kind].append(lesson)
        else:
            refused[lesson.kind] = (refused.get(lesson.kind, (0, ""))[0] + 1, reason)
    return {kind: kept[kind] for kind in KINDS if kept[kind]}, refused


def lesson_flows(lessons: dict[str, list[LessonRow]], root: Path, batch_size: int) -> list[Flow]:
    """One flow a kind; a batch of about ``batch_size`` has as many of each as there are among the lessons.

    A kind that is there has at least one place, so a batch may be larger by the number of kinds.
    """
    total = sum(map(len, lessons.values()))
    return [
        Flow(kind, LessonSamples(rows, root), max(1, round(batch_size * len(rows) / total)))
        for kind, rows in lessons.items()
    ]
