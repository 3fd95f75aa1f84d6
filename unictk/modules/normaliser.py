"""The one normaliser: sums divided by counts over ranks and over the accumulation window.

A batch knows the target counts of its whole optimizer step (``batch.window``), because every draw is made
in the loader. So no process asks another, and one batch of four equals four accumulated batches of one
equals two on each of two ranks, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from unictk.samples import Counts, Loss


@dataclass(frozen=True, slots=True)
class MeanLoss:
    """This batch's share of the window's mean losses per text token and per image position.

    Averaged over the ranks and the window's batches, as Lightning does with gradients, the shares give
    the means.
    """

    text: Tensor
    image: Tensor


def mean_over_window(loss: Loss, window: Counts, world_size: int, accumulate: int) -> MeanLoss:
    """Divide by the window's counts, and undo the averages that follow.

    Args:
        loss: sums of one batch on one rank.
        window: target counts of the optimizer step, over all ranks and accumulated batches.
        world_size: ranks, over which gradients are averaged.
        accumulate: batches per optimizer step, by which Lightning divides each loss.
    """
    scale = world_size * accumulate
    return MeanLoss(
        text=loss.text_sum * (scale / max(1, window.text)),
        image=loss.image_sum * (scale / max(1, window.image)),
    )
