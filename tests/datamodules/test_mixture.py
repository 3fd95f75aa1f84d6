"""The epoch plan: exactly once per pass, independent of ranks, batches and workers, resumable anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from unictk.datamodules.mixture import Flow, Mixture, Share
from unictk.errors import DataError
from unictk.samples import Batch, Counts, Image, Sample, Text, View


class Keys:
    """A layout whose batches are the samples' keys and seeds."""

    image_size = 4

    def collate(self, samples: Sequence[Sample]) -> Batch:
        counts = sum((self.counts(s) for s in samples), Counts())
        return Batch(len(samples), counts, counts, Parts([(s.key, s.seed) for s in samples]))

    def counts(self, sample: Sample) -> Counts:
        assert sample.seed is not None
        return Counts(text=1 + sample.seed % 7, image=sample.seed % 5)

    def length(self, sample: Sample) -> int:
        return 1

    def supports(self, sample: Sample) -> str | None:
        return None


class Parts(list[tuple[str, int | None]]):
    def to(self, device: Any, non_blocking: bool = False) -> Parts:
        return self


def flow(name: str, count: int, batch: int, shuffle: bool = True) -> Flow:
    return Flow(name, [Sample(Text(f"{name}{i}"), key=f"{name}{i}") for i in range(count)], batch, shuffle)


def mixture(*flows: Flow, augmentations: int = 1, workers: int = 0) -> Mixture:
    return Mixture(Keys(), flows, 0, "s2", augmentations, workers)


def keys_of(plan: Any, epoch: int = 0) -> list[list[str]]:
    return [[key for key, _ in plan[epoch, i].parts] for i in range(len(plan))]


def test_every_sample_once_per_pass_and_the_longest_flow_makes_the_epoch() -> None:
    plan = mixture(flow("a", 10, 4), flow("b", 3, 1)).plan(Share())
    assert len(plan) == 3, "max(ceil(10 / 4), ceil(3 / 1))"
    keys = keys_of(plan)
    assert [len([k for k in batch if k[0] == "a"]) for batch in keys] == [4, 4, 2]
    assert sorted(k for batch in keys for k in batch if k[0] == "a") == sorted(f"a{i}" for i in range(10))
    assert sorted(k for batch in keys for k in batch if k[0] == "b") == ["b0", "b1", "b2"]


def test_a_shorter_flow_starts_again_in_another_order_with_other_seeds() -> None:
    plan = mixture(flow("a", 12, 1), flow("b", 4, 1)).plan(Share())
    drawn = [next((k, s) for k, s in plan[0, i].parts if k[0] == "b") for i in range(12)]
    passes = [drawn[i : i + 4] for i in (0, 4, 8)]
    for turn in passes:
        assert sorted(key for key, _ in turn) == ["b0", "b1", "b2", "b3"]
    assert len({tuple(key for key, _ in turn) for turn in passes}) > 1
    assert len({seed for _, seed in drawn}) == 12


def test_epochs_and_seeds_differ_and_repeat() -> None:
    plan = mixture(flow("a", 8, 2)).plan(Share())
    assert keys_of(plan, 0) != keys_of(plan, 1)
    again = mixture(flow("a", 8, 2)).plan(Share())
    assert [plan[3, i].parts for i in range(4)] == [again[3, i].parts for i in range(4)]
    fixed = mixture(flow("a", 4, 2, shuffle=False)).plan(Share())
    assert keys_of(fixed, 5) == [["a0", "a1"], ["a2", "a3"]]


@pytest.mark.parametrize(
    ("world", "accumulate", "batch"), [(1, 4, 1), (1, 1, 4), (2, 2, 1), (2, 1, 2), (4, 1, 1)]
)
def test_one_global_batch_however_it_is_cut(world: int, accumulate: int, batch: int) -> None:
    whole = mixture(flow("a", 10, 4), flow("b", 6, 4)).plan(Share())
    expected = [sorted(whole[1, i].parts) for i in range(len(whole))]
    counts = [whole[1, i].window for i in range(len(whole))]
    cut = mixture(flow("a", 10, batch), flow("b", 6, batch))
    plans = [cut.plan(Share(rank, world, accumulate)) for rank in range(world)]
    for step, (samples, window) in enumerate(zip(expected, counts, strict=True)):
        places = [(1, step * accumulate + micro) for micro in range(accumulate)]
        batches = [plan[place] for plan in plans for place in places]
        assert sorted(part for one in batches for part in one.parts) == samples
        assert all(one.window == window for one in batches)
        assert sum((one.counts for one in batches), Counts()) == window


def test_augmentations_bound_the_views_of_a_picture() -> None:
    photo = np.zeros((4, 4, 3), dtype=np.uint8)
    samples = [Sample(Text("x"), Image(photo, True, View(crop="random"), key="p"), key="p")]
    seen: dict[int, set[int]] = {}
    for augmentations in (1, 3):
        plan = mixture(Flow("a", samples, 1), augmentations=augmentations).plan(Share())
        drawn = [plan.window(epoch, 0)[0][0].images[0].view.draw for epoch in range(60)]
        seen[augmentations] = set(drawn)
        images = mixture(Flow("a", samples, 1), augmentations=augmentations).images()
        assert {image.view.draw for image in images} == seen[augmentations]
    assert seen == {1: {0}, 3: {0, 1, 2}}


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(DataError, match="s2: nothing to train on in flow 'a'"):
        mixture(flow("a", 0, 1)).plan(Share())
    with pytest.raises(DataError, match="all batch sizes are 0"):
        mixture().plan(Share())


class Recording(LightningModule):
    """Trains one number and writes down what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[str, int | None]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.seen += batch.parts
        return self.number * 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder: Path, steps: int, workers: int = 0, resume: Path | None = None) -> Recording:
    module = Recording()
    trainer = Trainer(
        max_steps=steps,
        max_epochs=100,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
        callbacks=[ModelCheckpoint(folder, filename="at-{step}", every_n_train_steps=1, save_top_k=-1)],
    )
    data = mixture(flow("a", 10, 2), flow("b", 3, 1), workers=workers)
    trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cut", [3, 5, 7])
def test_a_run_resumed_within_an_epoch_sees_what_an_uninterrupted_one_sees(tmp_path: Path, cut: int) -> None:
    whole = fit(tmp_path / "whole", 12).seen
    first = fit(tmp_path / "cut", cut).seen
    second = fit(tmp_path / "resumed", 12, resume=tmp_path / "cut" / f"at-step={cut}.ckpt").seen
    assert first + second == whole


@pytest.mark.filterwarnings("ignore")
def test_worker_processes_change_nothing(tmp_path: Path) -> None:
    assert fit(tmp_path / "two", 8, workers=2).seen == fit(tmp_path / "none", 8).seen
