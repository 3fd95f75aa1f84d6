"""Share of answers that match their reference."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from unictk.metrics.answers import exact_match, right_choice


class ExactMatch(Metric):
    """Share of answers equal to their reference after lower-casing and removal of final punctuation and name.

    ``name`` is the concept's. ``compute`` gives a float64 scalar in [0, 1], NaN before any answer.
    ``sync_on_compute=False`` when only one rank evaluates.
    """

    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, name: str = "", sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.name = name
        self.add_state("total", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, answers: Sequence[str], references: Sequence[str]) -> None:
        """Add answers and their references, one to one."""
        pairs = zip(answers, references, strict=True)
        self.total += sum(exact_match(answer, reference, self.name) for answer, reference in pairs)
        self.count += len(answers)

    def compute(self) -> Tensor:
        """The share that matches."""
        return self.total.double() / self.count


class Choice(Metric):
    """Share of closed questions whose answer picks the reference option, and no other one.

    ``compute`` gives a float64 scalar in [0, 1], NaN before any answer.
    ``sync_on_compute=False`` when only one rank evaluates.
    """

    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.add_state("total", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, answers: Sequence[str], references: Sequence[str]) -> None:
        """Add answers and the options that are right, one to one."""
        pairs = zip(answers, references, strict=True)
        self.total += sum(right_choice(answer, reference) for answer, reference in pairs)
        self.count += len(answers)

    def compute(self) -> Tensor:
        """The share of right choices."""
        return self.total.double() / self.count
