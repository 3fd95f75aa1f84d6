"""Fine-tuning on lessons: what moves, what the loss is, and how the learning rate begins."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import LambdaCallback
from showo_makers import make_showo, picture

from unictk.datamodules.mixture import Flow, Mixture, Share
from unictk.modules.unicorn import SelfTraining
from unictk.samples import Image, Sample, Text

DRAWN = [Sample(Text(f"A cup {n}."), Image(picture(n), target=True), key=f"g{n}") for n in range(4)]
TOLD = [
    Sample(Image(picture(n)), Text("What is it?"), Text(f"A cup {n}.", target=True), key=f"c{n}")
    for n in range(2)
]


def fit(root: Path, steps: int, **weights: float) -> tuple[SelfTraining, Trainer, list[float]]:
    """Train on four drawings and two captions a step; the learning rates of the steps."""
    backbone = make_showo()
    optimizer = partial(torch.optim.SGD, lr=0.5)
    module = SelfTraining(backbone, "learn-00", optimizer, warmup=4, **weights)  # type: ignore[arg-type]
    rates: list[float] = []
    seen = LambdaCallback(
        on_train_batch_start=lambda trainer, *_: rates.append(trainer.optimizers[0].param_groups[0]["lr"])
    )
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        callbacks=[seen],
        default_root_dir=root,
    )
    flows = [Flow("generation", DRAWN, 4), Flow("caption", TOLD, 2)]
    trainer.fit(module, datamodule=Mixture(backbone.layout, flows, 5, "learn-00"))
    return module, trainer, rates


@pytest.mark.parametrize(("text_weight", "image_weight"), [(0.1, 1.0), (1.0, 0.0), (0.0, 2.0)])
def test_the_loss_is_the_two_weighted_means_of_the_step(
    tmp_path: Path, text_weight: float, image_weight: float
) -> None:
    _, trainer, _ = fit(tmp_path, 1, text_weight=text_weight, image_weight=image_weight)
    backbone = make_showo()
    flows = [Flow("generation", DRAWN, 4), Flow("caption", TOLD, 2)]
    batch = Mixture(backbone.layout, flows, 5, "learn-00").plan(Share())[0, 0]
    found = backbone.loss(batch)
    text, image = found.text_sum / found.text_count, found.image_sum / found.image_count
    logged = trainer.callback_metrics
    assert logged["learn-00/train_text_loss_epoch"] == pytest.approx(text.item(), rel=1e-4)
    assert logged["learn-00/train_image_loss_epoch"] == pytest.approx(image.item(), rel=1e-4)
    expected = text_weight * text + image_weight * image
    assert logged["learn-00/train_loss_epoch"] == pytest.approx(expected.item(), rel=1e-4)


def test_all_but_the_tokenizer_moves(tmp_path: Path) -> None:
    module, _, _ = fit(tmp_path, 2)
    before = dict(make_showo().named_parameters())
    after = dict(module.backbone.named_parameters())  # type: ignore[attr-defined]
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith("image_tokenizer") for name in moved)
    assert moved == {name for name in after if name.startswith("network")}


def test_the_learning_rate_rises_to_its_value(tmp_path: Path) -> None:
    assert fit(tmp_path, 6)[2] == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5])
