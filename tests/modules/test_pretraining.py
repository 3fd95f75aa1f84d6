"""A model trained from nothing: losses fall, a resumed training is the uninterrupted one."""

import random
from functools import partial

import pytest
import torch
from lightning import Trainer
from showo_makers import make_showo, picture
from torch import nn
from torch.optim import AdamW, Muon

from unictk.backbones.showo.factored import factor_codes
from unictk.concepts.slots import KnownConcepts
from unictk.datamodules.lessons import Lessons, Rung
from unictk.modules.muon import MuonAndAdamW
from unictk.modules.pretraining import LanguagePretraining
from unictk.modules.tokenizer_pretraining import decayed
from unictk.samples import Image, Sample, Text


def answer(chance: random.Random, world: None, seated: tuple[int, ...]) -> Sample:
    """Whom a slot shows: even concepts are yes, odd ones no."""
    slot = chance.randrange(len(seated))
    said = "Yes." if seated[slot] % 2 == 0 else "No."
    return Sample(Text(f"<c{slot}:0> even?"), Text(said, target=True), seed=chance.getrandbits(60))


def draw(chance: random.Random, world: None, seated: tuple[int, ...]) -> Sample:
    """One of two pictures."""
    number = chance.randrange(2)
    shown = Image(picture(number), target=True, key=str(number))
    return Sample(Text(("one", "two")[number]), shown, seed=chance.getrandbits(60))


def parts(steps: int):
    torch.manual_seed(0)
    backbone = make_showo()
    factor_codes(backbone)
    known = KnownConcepts(6, 2, {"identifier": 1, "shared": 1}, backbone.row_shape, backbone.fresh_rows(2))
    module = LanguagePretraining(backbone, known, weights={"answer": 2.0}, lr=3e-3, warmup=2)
    lessons = Lessons(
        backbone.layout, lambda: None, {"answer": answer, "draw": draw}, {"answer": 8, "draw": 8}, 6, 2, 0
    )
    return module, lessons


def trainer(tmp_path, steps: int) -> Trainer:
    return Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip


def loss_of(module, lessons) -> float:
    with torch.no_grad():
        step = lessons.step(999)
        module.known.seat(step.seated)
        return sum(
            float((f := module.backbone.loss(b)).text_sum + f.image_sum) for b in step.batches.values()
        )


def test_losses_fall_and_only_language_and_rows_train(tmp_path):
    module, lessons = parts(30)
    frozen = {k: v.clone() for k, v in module.backbone.image_tokenizer.state_dict().items()}
    rows = module.known.table.detach().clone()
    before = loss_of(module, lessons)
    trainer(tmp_path, 30).fit(module, lessons)
    assert loss_of(module, lessons) < 0.5 * before
    assert all(torch.equal(v, frozen[k]) for k, v in module.backbone.image_tokenizer.state_dict().items())
    assert not torch.equal(rows, module.known.table)


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    whole, lessons = parts(8)
    trainer(tmp_path, 8).fit(whole, lessons)
    first, lessons = parts(8)
    begun = trainer(tmp_path, 8)
    begun.fit_loop.epoch_loop.max_steps = 4  # killed half way; the schedule is that of 8 steps
    first.configure_optimizers = partial(_for_steps, first, 8)
    begun.fit(first, lessons)
    begun.save_checkpoint(tmp_path / "half.ckpt")
    second, lessons = parts(8)
    trainer(tmp_path, 8).fit(second, lessons, ckpt_path=tmp_path / "half.ckpt", weights_only=False)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def _for_steps(module: LanguagePretraining, steps: int):
    from torch.optim.lr_scheduler import LambdaLR

    optimizer = MuonAndAdamW(*_ordered(module), module.lr, module.table_lr, module.weight_decay)
    schedule = LambdaLR(optimizer, lambda step: decayed(step, steps, module.warmup, module.decay))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _ordered(module: LanguagePretraining):
    matrices, tables, rest = module.parameter_groups()
    return matrices, rest, tables


def test_every_trainable_parameter_is_in_exactly_one_group():
    module, _ = parts(1)
    grouped = [id(p) for group in module.parameter_groups() for p in group]
    wanted = {id(p) for p in module.parameters() if p.requires_grad}
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == wanted


def test_muon_and_adamw_step_as_they_do_alone():
    torch.manual_seed(0)
    pairs = [(nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(5))) for _ in range(2)]
    for one, other in zip(*pairs, strict=True):
        other.data.copy_(one.data)
    both = MuonAndAdamW([pairs[0][0]], [pairs[0][1]], lr=0.01)
    alone = [
        Muon([pairs[1][0]], lr=0.01, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        AdamW([pairs[1][1]], lr=0.01, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    for _ in range(3):
        for pair in pairs:
            for p in pair:
                p.grad = p.detach() * 2
        both.step()
        for optimizer in alone:
            optimizer.step()
    for one, other in zip(*pairs, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (9, 1.0), (69, 1.0), (85, 0.51), (100, 0.02)])
def test_the_rate_rises_stays_and_falls(step, factor):
    assert decayed(step, 100, 10, 0.3) == pytest.approx(factor, abs=1e-6)


class Running:
    """As much of a trainer as a step asks for."""

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size


def gradients(rank: int, ranks: int) -> list[torch.Tensor]:
    module, lessons = parts(1)
    module._trainer = Running(ranks)
    module.log = lambda *_, **__: None
    module.training_step(lessons.step(3, rank, ranks), 0).backward()
    return [p.grad for p in module.parameters() if p.grad is not None]


@pytest.mark.parametrize("ranks", [2, 3])
def test_shares_of_a_step_have_the_gradient_of_the_whole(ranks):
    shares = [gradients(rank, ranks) for rank in range(ranks)]
    for whole, *mine in zip(gradients(0, 1), *shares, strict=True):
        assert torch.allclose(sum(mine) / ranks, whole, atol=1e-5)


def test_the_opening_and_the_turns_decide_what_a_step_has(layout_lessons):
    kinds = ["".join(layout_lessons.step(number).batches) for number in range(6)]
    assert kinds == ["one", "twoa", "twoa", "onetwoa", "onetwob", "onetwoa"]


@pytest.fixture
def layout_lessons():
    return Lessons(
        make_showo().layout,
        lambda: None,
        dict.fromkeys(("one", "two", "a", "b"), answer),
        dict.fromkeys(("one", "two", "a", "b"), 1),
        known=2,
        slots=1,
        seed=0,
        turns=[("b", "a")],
        opening=[Rung(1, {"one": 2}), Rung(2, {"two": 1, "a": 1})],
    )
