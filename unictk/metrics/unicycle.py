"""UniCycle's two scores (UniCorn, section 4.4): how much of a prompt survives a picture and the way back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


def soft_of(scores: Sequence[float]) -> float:
    """Mean score of a prompt's questions, each from 0 to 1.

    Raises:
        ValueError: there are none.
    """
    if not scores:
        raise ValueError("unicycle: a prompt without questions has no score")
    return sum(scores) / len(scores)


def hard_of(scores: Sequence[float], threshold: float = 1.0) -> bool:
    """Whether every question is right.

    ``threshold`` is the least score that counts as right. Only keywords have scores between 0 and 1, so for
    all other questions it changes nothing.

    Raises:
        ValueError: there are none.
    """
    if not scores:
        raise ValueError("unicycle: a prompt without questions has no score")
    return all(score >= threshold for score in scores)


class SoftHard(Metric):
    """``soft`` and ``hard``: means over prompts, however many questions each has.

    ``threshold``: see :func:`hard_of`. ``compute`` gives float64 scalars in [0, 1], NaN before any prompt.
    ``sync_on_compute=False`` when only one rank evaluates.
    """

    higher_is_better = True
    full_state_update = False
    soft: Tensor
    hard: Tensor
    count: Tensor

    def __init__(self, threshold: float = 1.0, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.threshold = threshold
        self.add_state("soft", torch.zeros((), dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("hard", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, prompts: Sequence[Sequence[float]]) -> None:
        """Add prompts, each with the scores of its questions."""
        for scores in prompts:
            self.soft += soft_of(scores)
            self.hard += hard_of(scores, self.threshold)
        self.count += len(prompts)

    def compute(self) -> dict[str, Tensor]:
        """Both means."""
        return {"soft": self.soft / self.count, "hard": self.hard.double() / self.count}
