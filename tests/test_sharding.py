"""Cutting parameters up: what is refused, and that nothing happens where nobody shares.

That shared training is the same training is shown with two processes in integration/test_strategies.py.
"""

from __future__ import annotations

import pytest
import torch
from lightning import LightningModule
from torch import Tensor, nn

from unictk.errors import UserError
from unictk.sharding import cut_state, joined_state, joined_up, like, mend, shard, whole


class Scaled(LightningModule):
    """A layer and, if asked for, a single number."""

    def __init__(self, number: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        if number:
            self.scale = nn.Parameter(torch.ones(()))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.layer(batch).sum()


def test_a_single_number_cannot_be_cut() -> None:
    module = Scaled(number=True)
    module._device_mesh = object()  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"strategy: fsdp cannot cut up scale, a single number; nearest"):
        shard(module)


def test_without_others_everything_stays() -> None:
    module = Scaled(number=True)
    before = dict(module.named_parameters())
    shard(module)
    assert type(module) is Scaled
    assert "training_step" not in vars(module)
    with whole(module):
        assert module.layer.weight is before["layer.weight"]
    mend(module)
    assert all(parameter is before[name] for name, parameter in module.named_parameters())
    assert like(before["layer.bias"], before["layer.bias"]) is before["layer.bias"]


def test_an_optimizers_state_goes_to_the_disk_and_back() -> None:
    module = Scaled(number=False)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    module.training_step(torch.ones(1, 2), 0).backward()
    optimizer.step()
    kept = joined_state(optimizer.state_dict())
    copy = kept["state"][0]["exp_avg"]
    assert torch.equal(copy, optimizer.state[module.layer.weight]["exp_avg"])
    optimizer.state[module.layer.weight]["exp_avg"].zero_()
    assert copy.abs().sum() > 0, "a copy, which training does not change"
    optimizer.load_state_dict(cut_state(kept, optimizer))
    assert torch.equal(optimizer.state[module.layer.weight]["exp_avg"], copy)
    assert not joined_up(module.layer.weight).requires_grad
