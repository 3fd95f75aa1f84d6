"""A CLIP trained from nothing: the loss falls, a resumed training is the uninterrupted one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from lightning import Callback, Trainer
from PIL import Image as PILImage

from unictk.datamodules.scene_captions import SceneCaptions
from unictk.metrics.small_clip import make_clip
from unictk.modules.clip_pretraining import MOST_SCALE, ClipPretraining, warmed_cosine

pytest.importorskip("open_clip")


def parts(warmup: int = 5) -> tuple[ClipPretraining, SceneCaptions]:
    torch.manual_seed(0)
    clip = make_clip(dim=32, image_width=32, image_layers=1, text_width=32, text_layers=1)
    return ClipPretraining(clip, lr=4e-3, warmup=warmup), SceneCaptions(0, batch=24)


def trainer(tmp_path: Path, steps: int, *callbacks: Callback) -> Trainer:
    return Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, default_root_dir=tmp_path,
        callbacks=list(callbacks),
    )  # fmt: skip


def loss_of(module: ClipPretraining, data: SceneCaptions) -> float:
    with torch.no_grad():
        return float(module.training_step(data.step(999), 0))


def test_the_loss_falls_on_scenes_never_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = parts()
    data = SceneCaptions(0, batch=24, twins=0.0)
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    before = loss_of(module, data)
    assert before == pytest.approx(math.log(24), rel=0.2)
    trainer(tmp_path, 30).fit(module, data)
    assert loss_of(module, data) < before - 0.25


class Stop(Callback):
    """Ends a training early, on the schedule of the whole one."""

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == 3:
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "half.ckpt")
            trainer.should_stop = True


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole, data = parts()
    trainer(tmp_path, 6).fit(whole, data)
    first, data = parts()
    begun = trainer(tmp_path, 6, Stop())
    begun.fit(first, data)
    assert begun.global_step == 3
    second, data = parts()
    trainer(tmp_path, 6).fit(second, data, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert second.trainer.global_step == 6
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert not torch.equal(first.model.text_projection, second.model.text_projection)


@pytest.mark.parametrize(("start", "bound"), [(9.0, MOST_SCALE), (-3.0, 0.0)])
def test_the_scale_stays_in_its_bounds(tmp_path: Path, start: float, bound: float) -> None:
    module, data = parts()
    module.model.logit_scale.data.fill_(start)
    trainer(tmp_path, 1).fit(module, data)
    assert module.model.logit_scale.item() == pytest.approx(bound)


def test_training_sees_what_evaluation_sees() -> None:
    module, data = parts()
    pixels, _ = data.step(0)
    shown = [PILImage.fromarray(one.permute(1, 2, 0).numpy()) for one in pixels]
    ready = torch.stack([module.clip.preprocess(one) for one in shown])
    assert torch.allclose((pixels.float() / 255 - module.mean) / module.std, ready, atol=1e-5)
    assert -2 <= ready.min() < -1 < 1 < ready.max() <= 2


def test_every_parameter_is_in_exactly_one_group() -> None:
    module, _ = parts()
    groups = module.parameter_groups()
    ids = [id(p) for group in groups for p in group]
    assert sorted(ids) == sorted(id(p) for p in module.parameters())
    matrices, tables, rest = ({id(p) for p in group} for group in groups)
    model = module.model
    assert id(model.transformer.resblocks[0].mlp.c_fc.weight) in matrices
    assert id(model.visual.transformer.resblocks[0].attn.in_proj_weight) in matrices
    assert {id(model.token_embedding.weight), id(model.visual.positional_embedding)} <= tables
    assert {id(model.logit_scale), id(model.text_projection), id(model.visual.conv1.weight)} <= rest


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (9, 1.0), (10, 1.0), (55, 0.5), (100, 0.0)])
def test_the_rate_rises_and_falls(step: int, factor: float) -> None:
    assert warmed_cosine(step, 100, 10) == pytest.approx(factor)
    assert warmed_cosine(0, 100, 0) == 1.0
