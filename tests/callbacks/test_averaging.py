"""The running average of the weights: by hand, over accumulated batches, and through a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from unictk.callbacks.averaging import WeightAverage


class Falls(LightningModule):
    """One weight that falls by 1 a step, and one that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([8.0]))
        self.frozen = nn.Parameter(torch.tensor([1.0]), requires_grad=False)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.weight], lr=1.0)


def fit(
    average: WeightAverage, root: Path, steps: int, resume: str | None = None, accumulate: int = 1
) -> Falls:
    module = Falls()
    keep = ModelCheckpoint(dirpath=root, filename="last", every_n_train_steps=1, enable_version_counter=False)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accumulate_grad_batches=accumulate,
        callbacks=[average, keep],
        default_root_dir=root,
    )
    trainer.fit(module, DataLoader(torch.zeros(64, 1)), ckpt_path=resume, weights_only=True)
    return module


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_average_moves_once_a_step(tmp_path: Path, accumulate: int) -> None:
    average = WeightAverage(0.75)
    module = fit(average, tmp_path, 3, accumulate=accumulate)
    assert module.weight.item() == pytest.approx(5)
    expected = 8.0
    for weight in (7, 6, 5):
        expected = 0.75 * expected + 0.25 * weight
    average.apply(module)
    assert module.weight.item() == pytest.approx(expected)
    assert list(average.average) == ["weight"]


def test_a_resumed_run_ends_with_the_same_average(tmp_path: Path) -> None:
    whole = WeightAverage(0.5)
    fit(whole, tmp_path / "whole", 5)
    fit(WeightAverage(0.5), tmp_path / "cut", 2)
    resumed = WeightAverage(0.5)
    module = fit(resumed, tmp_path / "cut", 5, str(tmp_path / "cut" / "last.ckpt"))
    assert torch.equal(resumed.average["weight"], whole.average["weight"])
    assert module.weight.item() == pytest.approx(3)


def test_a_run_that_was_over_keeps_its_average(tmp_path: Path) -> None:
    whole = WeightAverage(0.5)
    fit(whole, tmp_path, 3)
    again = WeightAverage(0.5)
    module = fit(again, tmp_path, 3, str(tmp_path / "last.ckpt"))
    again.apply(module)
    assert torch.equal(module.weight.detach(), whole.average["weight"])
