"""UniToken's stages: losses by hand, learning rates, the same step however it is cut, resuming, learning."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from instruction_files import generation, pairs, talks, understanding, write_jsonl
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import LambdaCallback, ModelCheckpoint
from showo_makers import make_showo
from torch import Tensor
from torch.nn import functional
from unitoken_makers import make_unitoken, tiny_layout

from unictk.backbones.unitoken.backbone import UniToken
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.callbacks.held_loss import HeldLoss
from unictk.datamodules.instructions.files import InstructionFiles
from unictk.datamodules.instructions.stream import Instructions
from unictk.datamodules.mixture import Share
from unictk.errors import UserError
from unictk.modules.unitoken import Alignment, InstructionStage, JointTraining, learning_rate
from unictk.samples import Batch

SGD = partial(torch.optim.SGD, lr=0.1)


@pytest.fixture
def files(tmp_path: Path) -> InstructionFiles:
    """Six conversations and six pairs to draw."""
    write_jsonl(tmp_path / "talks.jsonl", talks(6))
    write_jsonl(tmp_path / "pairs.jsonl", pairs(6))
    sources = {"talks": understanding("talks.jsonl"), "pairs": generation("pairs.jsonl")}
    return InstructionFiles(str(tmp_path), sources)


def module_of(
    files: InstructionFiles,
    kind: type[InstructionStage] = JointTraining,
    z_weight: float = 1e-5,
    layout: UniTokenLayout | None = None,
    **more: Any,
) -> InstructionStage:
    options = {"optimizer": SGD, "batch_size": 4, **more}
    return kind(make_unitoken(layout, z_weight=z_weight), "s2", data=files, **options)


def data_of(module: InstructionStage) -> Instructions:
    layout = module.backbone.layout
    return Instructions(layout, module.data, module.generation, module.batch_size, 5, module.stage_name)


def fit(
    root: Path,
    module: InstructionStage,
    steps: int,
    *callbacks: Callback,
    start: Path | None = None,
    **more: Any,
) -> Trainer:
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
        use_distributed_sampler=False,
        callbacks=list(callbacks),
        default_root_dir=root,
        **more,
    )
    trainer.fit(module, datamodule=data_of(module), ckpt_path=start, weights_only=True)
    return trainer


def gradients(root: Path, module: InstructionStage, **more: Any) -> tuple[dict[str, Tensor], Trainer]:
    """Those of the first optimizer step."""
    found: dict[str, Tensor] = {}

    def keep(trainer: Any, stage: Any, optimizer: Any) -> None:
        found.update({n: p.grad.clone() for n, p in module.backbone.named_parameters() if p.grad is not None})

    return found, fit(root, module, 1, LambdaCallback(on_before_optimizer_step=keep), **more)


def by_hand(backbone: UniToken, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropies of words and of pictures, and squared normalisers, one number a target."""
    vectors, targets = backbone._inputs(batch.parts, None)
    positions = torch.arange(vectors.shape[1]).expand(vectors.shape[:2])
    logits = backbone.network.lm_head(backbone.network.trunk(vectors, positions))
    chosen, draws = targets != -100, batch.parts.sequences.draws
    each = functional.cross_entropy(logits[chosen], targets[chosen], reduction="none")
    z = logits[chosen].logsumexp(-1) ** 2
    return each[~draws[chosen]], each[draws[chosen]], z


def first_batch(module: InstructionStage) -> Batch:
    return data_of(module).plan(Share())[0, 0].batch


@pytest.mark.parametrize(
    ("mean", "text", "image"), [("token", 1.0, 1.0), ("token", 2.0, 0.5), ("task", 1.0, 3.0)]
)
def test_the_loss_is_the_mean_of_cross_entropy_and_z(
    tmp_path: Path, files: InstructionFiles, mean: Any, text: float, image: float
) -> None:
    module = module_of(files, z_weight=0.1, mean=mean, text_weight=text, image_weight=image)
    found, trainer = gradients(tmp_path, module)
    again = module_of(files, z_weight=0.1)
    words, codes, z = by_hand(again.backbone, first_batch(again))  # type: ignore[arg-type]
    z_words, z_codes = _split(again, z)
    assert len(words) > 10
    assert len(codes) > 30
    if mean == "token":  # as published: one mean over all targets
        whole = len(words) + len(codes)
        expected = (text * words.sum() + image * codes.sum()) / whole
        z_mean = (text * z_words.sum() + image * z_codes.sum()) / whole
    else:
        expected = text * words.mean() + image * codes.mean()
        z_mean = text * z_words.mean() + image * z_codes.mean()
    (expected + 0.1 * z_mean).backward()
    logged = trainer.callback_metrics
    assert logged["s2/train_loss_epoch"] == pytest.approx(expected.item(), rel=1e-4)
    assert logged["s2/train_text_loss_epoch"] == pytest.approx(words.mean().item(), rel=1e-4)
    assert logged["s2/train_image_loss_epoch"] == pytest.approx(codes.mean().item(), rel=1e-4)
    assert logged["s2/train_z_loss_epoch"] == pytest.approx(z.mean().item(), rel=1e-4)
    wanted = {n: p.grad for n, p in again.backbone.named_parameters() if p.grad is not None}  # type: ignore[attr-defined]
    assert set(wanted) <= set(found)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3, msg=name)


def _split(module: InstructionStage, z: Tensor) -> tuple[Tensor, Tensor]:
    batch = first_batch(module)
    _, targets = module.backbone._inputs(batch.parts, None)  # type: ignore[attr-defined]
    draws = batch.parts.sequences.draws[targets != -100]
    return z[~draws], z[draws]


def test_one_batch_of_four_is_two_of_two(tmp_path: Path, files: InstructionFiles) -> None:
    whole, _ = gradients(tmp_path, module_of(files))
    halves, _ = gradients(tmp_path, module_of(files, batch_size=2), accumulate_grad_batches=2)
    assert set(whole) == set(halves)
    for name, gradient in whole.items():
        torch.testing.assert_close(halves[name], gradient, atol=1e-5, rtol=1e-3, msg=name)


def test_a_step_on_packed_rows_is_that_on_padded_ones(tmp_path: Path, files: InstructionFiles) -> None:
    padded, _ = gradients(tmp_path, module_of(files))
    packed, _ = gradients(tmp_path, module_of(files, layout=tiny_layout(packing=400)))
    assert padded.keys() == packed.keys()
    for name, gradient in padded.items():
        torch.testing.assert_close(packed[name], gradient, atol=1e-5, rtol=1e-3, msg=name)
    assert max(gradient.abs().max().item() for gradient in padded.values()) > 1e-3


def test_alignment_moves_tower_and_adapter_only(tmp_path: Path, files: InstructionFiles) -> None:
    module = module_of(files, Alignment, generation=0.0)
    before = {name: p.clone() for name, p in module.backbone.named_parameters()}  # type: ignore[attr-defined]
    fit(tmp_path, module, 1)
    after = dict(module.backbone.named_parameters())  # type: ignore[attr-defined]
    moved = {name for name, p in after.items() if not torch.equal(p, before[name])}
    assert {name.split(".")[1] for name in moved} == {"vit", "adapter"}
    assert not any("embeddings" in name for name in moved)


def test_a_batch_without_pictures_gives_every_parameter_a_gradient(
    tmp_path: Path, files: InstructionFiles
) -> None:
    """Processes average gradients: a parameter that has none in one of them would make the others wait."""
    lines = [{"conversations": talks(1)[0]["conversations"][2:]} for _ in range(4)]
    write_jsonl(tmp_path / "words.jsonl", lines)
    words = InstructionFiles(str(tmp_path), {"words": understanding("words.jsonl")})
    found, _ = gradients(tmp_path, module_of(words, generation=0.0))
    zero = {name for name, gradient in found.items() if not gradient.any()}
    assert "network.adapter.0.weight" in zero
    assert "network.lm_head.weight" not in zero


def test_another_backbone_learns_from_the_same_data(tmp_path: Path, files: InstructionFiles) -> None:
    backbone = make_showo()
    module = JointTraining(
        backbone, "s2", SGD, files, trains=["tables", "language"], freezes=["tokenizer"], batch_size=2
    )
    before = backbone.parts()["tables"].state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    trainer = fit(tmp_path, module, 2)
    assert trainer.callback_metrics["s2/train_image_loss_epoch"] > 0
    after = backbone.parts()["tables"].state_dict()
    assert any(not torch.equal(after[name], tensor) for name, tensor in before.items())


# -- learning rates ----------------------------------------------------------------------------------------


def test_a_group_has_its_share_of_the_scheduled_rate(tmp_path: Path, files: InstructionFiles) -> None:
    rates: list[list[float]] = []
    seen = LambdaCallback(
        on_train_batch_start=lambda trainer, *_: rates.append(
            [group["lr"] for group in trainer.optimizers[0].param_groups]
        )
    )
    module = module_of(
        files, Alignment, generation=0.0, rates={"vision": 0.01}, warmup=0.5, undecayed=["*.bias"],
        optimizer=partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.1), batch_size=1,
    )  # fmt: skip
    trainer = fit(tmp_path, module, 6, seen)
    groups = trainer.optimizers[0].param_groups
    assert sorted(group["weight_decay"] for group in groups) == [0, 0, 0.1, 0.1]
    for at, (rate, *others) in enumerate(rates):
        low, high = sorted({rate, *others})
        assert low == pytest.approx(high * 0.01)
        assert high == pytest.approx(1e-3 * learning_rate((at + 0.5) / 6, 0.5, 1))
    assert max(max(pair) for pair in rates) == max(rates[3]), "it rises for three of six steps"


# -- checkpoints and learning ------------------------------------------------------------------------------


def test_resumed_within_an_epoch_it_ends_with_the_same_weights(
    tmp_path: Path, files: InstructionFiles
) -> None:
    def fresh() -> InstructionStage:
        return module_of(
            files, Alignment, generation=0.0, batch_size=1, optimizer=partial(torch.optim.AdamW, lr=1e-2)
        )

    save = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=3, save_top_k=-1)
    whole = fresh()
    fit(tmp_path, whole, 8, save, HeldLoss(1))
    point = tmp_path / "step=3.ckpt"
    state = torch.load(point, weights_only=True)["state_dict"]
    trained = {name for name, p in whole.named_parameters() if p.requires_grad}
    assert set(state) == trained, "what is frozen is not in the checkpoint"
    rest = fresh()
    fit(tmp_path, rest, 8, ModelCheckpoint(tmp_path / "rest"), HeldLoss(1), start=point)
    for (name, ours), (_, theirs) in zip(rest.named_parameters(), whole.named_parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    other = module_of(files, Alignment, generation=0.0, batch_size=1, trains=["connector"])
    with pytest.raises(UserError, match="the checkpoint is of a stage that trains something else"):
        fit(tmp_path, other, 8, ModelCheckpoint(tmp_path / "other"), HeldLoss(1), start=point)


def test_training_makes_the_loss_fall(tmp_path: Path, files: InstructionFiles) -> None:
    module = module_of(files, batch_size=6, optimizer=partial(torch.optim.AdamW, lr=1e-2), warmup=0.0)
    trainer = fit(tmp_path, module, 24, HeldLoss(2))
    found = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert found["s2/text_loss"] < 0.5 * found["s2/text_loss/base"]
    assert found["s2/image_loss"] < 0.8 * found["s2/image_loss/base"]
    batch = data_of(module).plan(Share())[-1, 0].batch
    loss = make_unitoken().loss(batch)
    second = make_unitoken().loss(data_of(module).plan(Share())[-1, 1].batch)
    words = (loss.text_sum + second.text_sum) / (loss.text_count + second.text_count)
    assert found["s2/text_loss/base"] == pytest.approx(float(words), rel=1e-4)
