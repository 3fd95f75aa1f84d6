"""The yardstick of the speed comparisons on hand-made cases: masks, schedules, sampling, a formula model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import plain_showo
from benchmarks.plain_showo import (
    PlainShape,
    PlainShowo,
    PlainTrainer,
    PublishedChance,
    additive,
    mmu_mask,
    remasked,
    remasked_counts,
    t2i_mask,
)

GOLDEN = Path(__file__).parent / "golden" / "showo"


def rows(text: str) -> Tensor:
    return torch.tensor([[mark == "1" for mark in row] for row in text.split()])


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (
            [0, 0, 5, 6, 7, 1, 20, 21, 22, 2],
            "1000000000 1100000000 0010000000 0011000000 0011100000" + " 0011111111" * 5,
        ),
        (
            [0, 0, 0, 0, 7, 1, 20, 21, 22, 2],
            "1000000000 1100000000 1110000000 1111000000 0000100000" + " 0000111111" * 5,
        ),
        (
            [3, 4, 5, 6, 7, 1, 20, 21, 22, 2],
            "1000000000 1100000000 1110000000 1111000000 1111100000" + " 1111111111" * 5,
        ),
        ([5, 1, 20, 2, 6, 7], "100000 111111 111111 111111 111110 111111"),
    ],
)
def test_generation_mask(ids: list[int], expected: str) -> None:
    assert torch.equal(t2i_mask(torch.tensor([ids]), pad=0, soi=1, eoi=2)[0], rows(expected))


def test_understanding_mask() -> None:
    ids = torch.tensor([[3, 1, 20, 21, 22, 2, 5, 6, 7, 0]])
    expected = "1111110000 " * 6 + "1111111000 1111111100 1111111110 1111111111"
    assert torch.equal(mmu_mask(ids, eoi=2)[0], rows(expected))


def test_additive_mask() -> None:
    mask = additive(torch.tensor([[[True, False], [True, True]]]))
    assert mask.shape == (1, 1, 2, 2)
    assert mask.dtype == torch.float32
    assert mask[0, 0].tolist() == [[0.0, -9.223372036854775808e18], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("cells", "steps", "first", "last"),
    [
        (256, 18, [255, 252, 247, 240, 232, 221, 209, 196, 181, 164, 146, 127, 108, 87, 66, 44, 22, 1], []),
        (1024, 50, [1023, 1021, 1019, 1015, 1011, 1005, 999, 991, 983, 973], [128, 96, 64, 32, 1]),
        (16, 8, [15, 14, 13, 11, 8, 6, 3, 1], []),
        (4, 8, [3, 2, 1, 1, 1, 1, 1, 1], []),
    ],
)
def test_remasking_schedule(cells: int, steps: int, first: list[int], last: list[int]) -> None:
    counts, unknown = [], cells
    for step in range(steps):
        known = torch.arange(cells)[None] < unknown
        unknown = int(remasked_counts(known, step, steps))
        counts.append(unknown)
    assert counts[: len(first)] == first
    assert counts[steps - len(last) :] == last


def test_the_least_confident_cells_are_masked_again() -> None:
    confidence = torch.tensor([[0.9, 0.1, 0.5, 0.3, 0.7, 0.2]]).log()
    assert remasked(confidence, torch.tensor([3])).nonzero()[:, 1].tolist() == [1, 3, 5]


def test_guided_sampling_reruns_two_whole_sequences_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in model sure of one code per cell: those codes come out, in exactly T passes of 2B rows.

    It would rather choose a text class or the mask token, which are no image classes.
    """
    shape = PlainShape(
        hidden=8, layers=1, heads=2, mlp=8, first_image=20, codebook=16, image_tokens=16, max_text_len=3,
        pad=10, soi=11, eoi=12, t2i=13, mmu=14, eot=9,
    )  # fmt: skip
    showo = PlainShowo(shape)
    wanted = torch.arange(16).flip(0)
    passes: list[tuple[int, ...]] = []

    def sure(ids: Tensor, attention: Tensor) -> Tensor:
        passes.append(tuple(ids.shape))
        assert attention.shape == (len(ids), 1, ids.shape[1], ids.shape[1])
        logits = torch.zeros(*ids.shape, 37)
        logits[:, :, [3, 36]] = 200.0
        logits[:, torch.arange(16) + 5, wanted + 20] = 100.0
        return logits

    monkeypatch.setattr(showo, "logits", sure)
    ids = torch.tensor([[10, 13, 9, 9, 11, *[36] * 16, 12]])
    for guidance, batch in ((5.0, 2), (0.0, 1)):
        passes.clear()
        for seed in (0, 1):
            chance = PublishedChance(seed)
            codes = showo.sample(ids, ids, steps=8, guidance=guidance, temperature=1.0, chance=chance)
            assert codes[0].tolist() == wanted.tolist()
        assert passes == [(batch, 22)] * 16


def test_the_noise_temperature_compounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every log probability 0 and noise 1, the confidence of a masked cell is the temperature."""
    showo = PlainShowo(
        PlainShape(hidden=8, layers=1, heads=2, mlp=8, first_image=20, codebook=1, image_tokens=64)
    )
    monkeypatch.setattr(showo, "logits", lambda ids, attention: torch.zeros(*ids.shape, 22))
    temperatures: list[float] = []

    class Ones:
        def codes(self, probabilities: Tensor) -> Tensor:
            return torch.zeros(probabilities.shape[:2], dtype=torch.long)

        def gumbel(self, like: Tensor) -> Tensor:
            return torch.ones_like(like)

    def record(confidence: Tensor, counts: Tensor) -> Tensor:
        temperatures.append(confidence.min().item())
        return torch.ones_like(confidence, dtype=torch.bool)

    monkeypatch.setattr(plain_showo, "remasked", record)
    ids = torch.tensor([[1, *[21] * 64, 2]])
    showo.sample(ids, ids, steps=18, guidance=0.0, temperature=1.0, chance=Ones())
    assert temperatures[:4] == pytest.approx([0.9444, 0.8395, 0.6996, 0.5441], abs=5e-5)


def test_guidance_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    showo = PlainShowo(PlainShape(hidden=8, layers=1, heads=2, mlp=8, first_image=20, codebook=16))
    both = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])
    monkeypatch.setattr(showo, "logits", lambda ids, attention: both)
    ids = torch.zeros(1, 1, dtype=torch.long)
    assert showo._guided_logits(ids, ids, slice(0, 0), torch.empty(0), 5.0).tolist() == [[[6.0, 0.0]]]


@pytest.fixture
def sine_case() -> tuple[PlainShowo, Tensor, Tensor]:
    """A two-layer Phi whose weights are a formula, one generation and one understanding sequence."""
    shape = PlainShape(
        hidden=32, layers=2, heads=4, mlp=64, first_image=20, codebook=16, image_tokens=16, max_text_len=6,
        pad=10, soi=11, eoi=12, t2i=13, mmu=14, eot=9,
    )  # fmt: skip
    showo = PlainShowo(shape)
    state = dict(sorted(showo.model.state_dict().items()))
    assert len(state) == 41
    for p, (name, tensor) in enumerate(state.items()):
        i = torch.arange(1, tensor.numel() + 1, dtype=torch.float64)
        values = (0.2 * torch.sin(0.7 * i + 1.3 * (p + 1))).float().view_as(tensor)
        state[name] = values + ("layernorm" in name and name.endswith("weight"))
    showo.model.load_state_dict(state)
    codes = list(range(20, 36))
    cells = [36 if cell in (0, 3, 4, 7, 9, 15) else code for cell, code in enumerate(codes)]
    targets = [code if cell == 36 else -100 for cell, code in zip(cells, codes, strict=True)]
    ids = [
        [10, 10, 13, 9, 1, 2, 9, 11, *cells, 12],
        [14, 11, *codes[::-1], 12, 3, 4, 5, 6, 9, 10],
    ]
    labels = [[-100, -100, 13, 9, 1, 2, 9, 11, *targets, 12], [-100] * 21 + [5, 6, 9, -100]]
    return showo, torch.tensor(ids), torch.tensor(labels)


def test_formula_model(sine_case: tuple[PlainShowo, Tensor, Tensor]) -> None:
    showo, ids, labels = sine_case
    losses = showo.losses(ids, labels, t2i_rows=1)
    found = [losses.t2i.item(), losses.mmu.item(), losses.total.item()]
    assert found == pytest.approx([4.2042766, 4.9994864, 4.3633184], abs=3e-6)
    masks = torch.cat([showo.t2i_attention(ids[:1]), showo.mmu_attention(ids[1:])])
    logits = showo.logits(ids, masks)
    assert logits.sum().item() == pytest.approx(-8.714609, abs=1e-3)
    assert logits.abs().sum().item() == pytest.approx(2104.377176, abs=2e-3)
    assert logits[0, 8, :4].tolist() == pytest.approx([-2.123426, 2.205809, -1.636964, 0.626305], abs=2e-5)
    assert logits[1, 21, :4].tolist() == pytest.approx([0.125550, 0.236456, -0.271870, 0.090498], abs=2e-5)


def test_formula_model_gradients(sine_case: tuple[PlainShowo, Tensor, Tensor]) -> None:
    showo, ids, labels = sine_case
    embed, weight, bias = showo.tables()
    showo.model.requires_grad_(True)
    showo.losses(ids, labels, t2i_rows=1).total.backward()
    assert embed.grad is not None
    assert weight.grad is not None
    assert bias.grad is not None
    moved = (embed.grad != 0).any(dim=1).nonzero()[:, 0].tolist()
    assert moved == [*range(1, 7), 9, *range(11, 15), *range(20, 37)]
    norms = embed.grad.norm(dim=1)[[1, 2, 3, 36]].tolist()
    assert norms == pytest.approx([0.0340458, 0.0055920, 0.0003783, 0.8444780], abs=2e-6)
    assert (weight.grad != 0).any(dim=1).all()
    assert weight.grad.norm(dim=1)[[5, 20]].tolist() == pytest.approx([0.322515, 0.501184], abs=3e-6)
    assert bias.grad.sum().item() == pytest.approx(0, abs=1e-6)
    assert bias.grad[[5, 20, 36]].tolist() == pytest.approx([-0.0558596, -0.0829231, 0.0335448], abs=1e-6)


def test_formula_model_step(sine_case: tuple[PlainShowo, Tensor, Tensor]) -> None:
    """One full-table step with every row but row 1 restored moves row 1 as published, and nothing else."""
    showo, ids, labels = sine_case
    before = [table.detach().clone() for table in showo.tables()]
    trainer = PlainTrainer(showo, lr=1e-3, weight_decay=1e-4, eps=1e-6)
    trainer.restored[1] = False
    trainer.step(ids, labels, t2i_rows=1)
    row = showo.tables()[0].detach()[1]
    change = (row - before[0][1])[:4].tolist()
    assert change == pytest.approx([-0.0009997, -0.0009999, -0.0009998, -0.0009997], abs=2e-7)
    assert row.sum().item() == pytest.approx(-0.0938383, abs=2e-6)
    for old, table in zip(before, showo.tables(), strict=True):
        others = torch.arange(37) != 1
        assert torch.equal(table[others], old[others])


def test_text_after_an_image_leaves_it_alone(sine_case: tuple[PlainShowo, Tensor, Tensor]) -> None:
    """What licenses a cached prefix: an image never sees the later text, a prompt never sees its image."""
    showo, ids, _ = sine_case
    for row, attention, kept, changed in (
        (ids[1:], showo.mmu_attention(ids[1:]), slice(0, 19), slice(19, 24)),
        (ids[:1], showo.t2i_attention(ids[:1]), slice(2, 7), slice(8, 24)),
    ):
        other = row.clone()
        other[:, changed] = (other[:, changed] * 5 + 3) % 9
        first, second = showo.logits(row, attention), showo.logits(other, attention)
        assert math.isclose((first[:, kept] - second[:, kept]).abs().max().item(), 0.0, abs_tol=1e-6)
        assert (first[:, changed] - second[:, changed]).abs().max() > 0.01
