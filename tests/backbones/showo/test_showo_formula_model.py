"""Cases 17 to 19: a model whose weights are a formula, with the published implementation's numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from unictk.backbones.base import Rows
from unictk.backbones.showo.network import ShowoNetwork, phi_config
from unictk.backbones.showo.vocabulary import IGNORED, attention_allowed

CODES = list(range(20, 36))
MASKED = (0, 3, 4, 7, 9, 15)
WINDOW = 7


class Ids:
    """The case's own special ids."""

    pad, start_of_image, end_of_image, draw, answer, mask = 10, 11, 12, 13, 14, 36


@pytest.fixture(scope="module")
def network() -> ShowoNetwork:
    network = ShowoNetwork(phi_config(32, 2, 4, 64), 37)
    state = network.phi.state_dict()
    assert len(state) == 41
    for p, name in enumerate(sorted(state)):
        i = torch.arange(1, state[name].numel() + 1, dtype=torch.float64)
        values = 0.2 * torch.sin(0.7 * i + 1.3 * (p + 1))
        if "layernorm" in name and name.endswith("weight"):
            values = values + 1
        state[name] = values.float().reshape(state[name].shape)
    network.phi.load_state_dict(state)
    return network


def batch() -> tuple[Tensor, Tensor]:
    """One generation and one understanding row, (2, 26) ids and published labels."""
    cells = [36 if i in MASKED else code for i, code in enumerate(CODES)]
    t2i = [10, 10, 13, 9, 1, 2, 9, 11, *cells, 12]
    labels = [IGNORED, IGNORED, 13, 9, 1, 2, 9, 11]
    labels += [code if i in MASKED else IGNORED for i, code in enumerate(CODES)] + [12]
    mmu = [14, 11, *reversed(CODES), 12, 3, 4, 5, 6, 9, 10]
    goals = [IGNORED] * len(mmu)
    goals[-4:-1] = [5, 6, 9]
    return torch.tensor([t2i, mmu]), torch.tensor([labels, goals])


def forward(network: ShowoNetwork, rows: Rows | None = None, replaced: int | None = None) -> Tensor:
    """Logits (2, 25, 37); ``replaced``: this id is read from the rows instead of the table."""
    ids, _ = batch()
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    source = ids if replaced is None else torch.where(ids == replaced, network.size, ids)
    allowed = attention_allowed(ids, Ids())  # type: ignore[arg-type]
    return network.logits(network.trunk(network.embed(source, rows), positions, allowed), None)


def losses(logits: Tensor) -> tuple[Tensor, Tensor]:
    labels = batch()[1]
    t2i = functional.cross_entropy(logits[0, WINDOW:], labels[0, WINDOW:], ignore_index=IGNORED)
    mmu = functional.cross_entropy(logits[1, :-1], labels[1, 1:], ignore_index=IGNORED)
    return t2i, mmu


def close(found: Tensor | float, expected: list[float] | float, tolerance: float = 2e-6) -> None:
    torch.testing.assert_close(torch.as_tensor(found), torch.tensor(expected), atol=tolerance, rtol=1e-5)


def test_case_17_losses_and_logits(network: ShowoNetwork) -> None:
    logits = forward(network).detach()
    t2i, mmu = losses(logits)
    close(t2i, 4.2042766)
    close(mmu, 4.9994864)
    close(0.8 * t2i + 0.2 * mmu, 4.3633184)
    close(logits[0, 8, :4], [-2.123426, 2.205809, -1.636964, 0.626305])
    close(logits[1, 21, :4], [0.125550, 0.236456, -0.271870, 0.090498])


def gradients(network: ShowoNetwork) -> dict[str, Tensor]:
    t2i, mmu = losses(forward(network))
    head = network.phi.lm_head
    tensors = [network.input_table, head.weight, head.bias]
    found = torch.autograd.grad(0.8 * t2i + 0.2 * mmu, tensors)  # type: ignore[arg-type]
    return dict(zip(("input", "head", "bias"), found, strict=True))


def test_case_18_gradients(network: ShowoNetwork) -> None:
    found = gradients(network)
    touched = found["input"].abs().sum(1).nonzero()[:, 0].tolist()
    assert touched == [*range(1, 7), 9, *range(11, 15), *range(20, 37)]
    close(found["input"].norm(dim=1)[[1, 2, 3, 36]], [0.0340458, 0.0055920, 0.0003783, 0.8444780])
    assert (found["head"].norm(dim=1) > 0).all()
    close(found["head"].norm(dim=1)[[5, 20]], [0.322515, 0.501184])
    close(found["bias"].sum(), 0.0)
    close(found["bias"][[5, 20, 36]], [-0.0558596, -0.0829231, 0.0335448])


def test_case_19_a_step_on_rows_outside_the_table_equals_the_full_table_step(network: ShowoNetwork) -> None:
    settings = {"lr": 1e-3, "weight_decay": 1e-4, "eps": 1e-6}
    before = network.input_table.detach().clone()
    table = before.clone().requires_grad_()
    table.grad = gradients(network)["input"]
    torch.optim.AdamW([table], **settings).step()  # type: ignore[arg-type]
    close(table[1, :4].detach() - before[1, :4], [-0.0009997, -0.0009999, -0.0009998, -0.0009997], 2e-7)
    close(table[1].detach().sum(), -0.0938383)
    row = before[1:2].clone().requires_grad_()
    rows = Rows(row, torch.zeros(1, 32), None)
    t2i, mmu = losses(forward(network, rows, replaced=1))
    row.grad = torch.autograd.grad(0.8 * t2i + 0.2 * mmu, row)[0]
    torch.optim.AdamW([row], **settings).step()  # type: ignore[arg-type]
    torch.testing.assert_close(row[0], table[1], atol=1e-7, rtol=0)
    assert torch.equal(network.input_table, before), "nothing else moved"


def test_the_formula_is_the_published_one(network: ShowoNetwork) -> None:
    """The first tensor by name is the head's bias: 0.2 sin(0.7 i + 1.3)."""
    assert math.isclose(network.phi.lm_head.bias[0].item(), 0.2 * math.sin(2.0), rel_tol=1e-6)


def test_case_17_sums_over_all_logits_padding_included(network: ShowoNetwork) -> None:
    logits = forward(network).detach().double()
    close(logits.sum().float(), -8.714609, 2e-4)
    close(logits.abs().sum().float(), 2104.377176, 2e-3)
