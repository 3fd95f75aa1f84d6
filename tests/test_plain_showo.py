"""The yardstick of the speed comparisons computes what the published code computes.

Golden numbers are in ``tests/golden/showo``; hand-made cases are in ``test_plain_showo_cases.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.plain_showo import (
    PlainShape,
    PlainShowo,
    PlainTrainer,
    PublishedChance,
    mmu_mask,
    t2i_mask,
)

GOLDEN = Path(__file__).parent / "golden" / "showo"
T2I_ROWS = 3
META = json.loads((GOLDEN / "meta.json").read_text())
TOLERANCE = META["outputs"]


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(GOLDEN / "io.safetensors")


@pytest.fixture(params=["sdpa", "eager"])
def showo(request: pytest.FixtureRequest) -> PlainShowo:
    phi, special = META["phi"], META["special_tokens"]
    shape = PlainShape(
        hidden=phi["hidden_size"],
        layers=phi["num_hidden_layers"],
        heads=phi["num_attention_heads"],
        mlp=phi["intermediate_size"],
        first_image=META["image_token_offset"],
        codebook=META["codebook_size"],
        image_tokens=META["num_image_tokens"],
        max_text_len=META["max_text_len"],
        pad=special["<|pad|>"],
        soi=special["<|soi|>"],
        eoi=special["<|eoi|>"],
        t2i=special["<|t2i|>"],
        mmu=special["<|mmu|>"],
        eot=META["eos_id"],
    )
    state = {
        key.removeprefix("showo."): value.float()
        for key, value in load_file(GOLDEN / "model.safetensors").items()
    }
    return PlainShowo(shape, state, attention=request.param)


def worst(ours: Tensor, golden: Tensor) -> float:
    assert ours.shape == golden.shape
    return (ours.double() - golden.double()).abs().max().item()


def test_masks_are_the_golden_ones(showo: PlainShowo, golden: dict[str, Tensor]) -> None:
    ids = golden["t2i.input_ids"]
    real = ids != showo.shape.pad
    mask = t2i_mask(ids, showo.shape.pad, showo.shape.soi, showo.shape.eoi)
    assert torch.equal(mask[real], golden["t2i.allowed"].bool()[real])
    assert torch.equal(mmu_mask(golden["mmu.input_ids"], showo.shape.eoi), golden["mmu.allowed"].bool())


def test_logits(showo: PlainShowo, golden: dict[str, Tensor]) -> None:
    ids = golden["t2i.input_ids"]
    real = ids != showo.shape.pad
    t2i = showo.logits(ids, showo.t2i_attention(ids))
    assert worst(t2i[real], golden["t2i.logits"][real]) <= TOLERANCE["t2i.logits"]
    ids = golden["mmu.input_ids"]
    mmu = showo.logits(ids, showo.mmu_attention(ids))
    assert worst(mmu, golden["mmu.logits"]) <= TOLERANCE["mmu.logits"]


def test_losses(showo: PlainShowo, golden: dict[str, Tensor]) -> None:
    ids = torch.cat([golden["t2i.input_ids"], golden["mmu.input_ids"]])
    labels = torch.cat([golden["t2i.labels"], golden["mmu.labels"]])
    losses = showo.losses(ids, labels, t2i_rows=T2I_ROWS)
    assert worst(losses.t2i[None], golden["loss.t2i"]) <= TOLERANCE["loss.t2i"]
    assert worst(losses.mmu[None], golden["loss.mmu"]) <= TOLERANCE["loss.mmu"]


def test_three_training_steps(showo: PlainShowo, golden: dict[str, Tensor]) -> None:
    names = ("train.new_embed", "train.new_head_weight", "train.new_head_bias")
    old = [table.detach().clone() for table in showo.tables()]
    showo.grow(META["n_new_tokens"])
    showo.set_new_rows([golden[f"{name}.before"] for name in names])
    adamw = META["adamw"]
    trainer = PlainTrainer(showo, lr=adamw["lr"], weight_decay=adamw["weight_decay"], eps=adamw["eps"])
    steps = [trainer.step(golden["train.input_ids"], golden["train.labels"], T2I_ROWS) for _ in range(3)]
    losses = torch.stack([torch.stack([step.t2i, step.mmu, step.total]) for step in steps]).detach()
    assert worst(losses, golden["train.losses"]) <= TOLERANCE["train.losses"]
    for name, rows in zip(names, showo.get_new_rows(), strict=True):
        assert worst(rows, golden[f"{name}.after3"]) <= TOLERANCE[f"{name}.after3"]
    first, offset = showo.shape.first_image, showo.image_offset
    for before, table in zip(old, showo.tables(), strict=True):
        assert torch.equal(torch.cat([table[:first], table[offset:]]), before)


@pytest.mark.parametrize("guidance", [0.0, 1.75])
def test_sampled_images(showo: PlainShowo, golden: dict[str, Tensor], guidance: float) -> None:
    with torch.no_grad():
        for table in showo.tables()[1:]:
            table.mul_(400)
    tokens = showo.sample(
        golden["t2i_generate.prompt_ids"],
        golden["t2i_generate.uncond_ids"],
        steps=6,
        guidance=guidance,
        temperature=0.0,
        chance=PublishedChance(seed=5),
    )
    assert torch.equal(tokens, golden[f"t2i_generate.cfg{guidance:g}.tokens"])


def test_greedy_answer(showo: PlainShowo, golden: dict[str, Tensor]) -> None:
    answer = showo.answer(golden["mmu_generate.prompt_ids"], max_new_tokens=10)
    assert answer == golden["mmu_generate.greedy"].tolist()


def test_an_answer_ends_with_the_end_of_text(showo: PlainShowo, golden: dict[str, Tensor]) -> None:
    with torch.no_grad():
        showo.model.lm_head.bias[showo.shape.eot] += 1e3
    assert showo.answer(golden["mmu_generate.prompt_ids"], max_new_tokens=10) == [showo.shape.eot]


def test_growing_the_vocabulary_copies_image_rows(showo: PlainShowo) -> None:
    before = [table.detach().clone() for table in showo.tables()]
    first, size = showo.shape.first_image, len(before[0])
    showo.grow(2)
    source = [*range(first), first, first + 1, *range(first, size)]
    assert all(torch.equal(new, old[source]) for new, old in zip(showo.tables(), before, strict=True))
    assert (showo.image_offset, showo.mask_id) == (first + 2, size + 1)


def test_published_ids_after_growing() -> None:
    shape = PlainShape(hidden=8, layers=1, heads=2, mlp=8)
    showo = PlainShowo(shape)
    assert (showo.image_offset, showo.mask_id) == (50305, 58497)
    showo.grow(25)
    assert (showo.image_offset, showo.mask_id) == (50330, 58522)


def test_only_the_marked_rows_train(showo: PlainShowo, golden: dict[str, Tensor]) -> None:
    showo.grow(META["n_new_tokens"])
    before = showo.get_new_rows()
    trained = torch.zeros(META["n_new_tokens"], dtype=torch.bool)
    trained[[0, 8]] = True
    trainer = PlainTrainer(showo, lr=1e-3, weight_decay=1e-3, eps=1e-8, trained=trained)
    trainer.step(golden["train.input_ids"], golden["train.labels"], T2I_ROWS)
    for old, new in zip(before, showo.get_new_rows(), strict=True):
        assert torch.equal(old[~trained], new[~trained])
        assert not (old[trained] == new[trained]).flatten(1 if old.ndim > 1 else 0).all(dim=-1).any()
