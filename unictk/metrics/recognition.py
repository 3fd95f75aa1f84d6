"""Recognition of a concept: is it in this photo, yes or no."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from unictk.metrics.answers import yes_or_no

KINDS = ("positive", "random", "hard")
"""Photos of the concept, photos of anything else, and photos that look like it."""


def recognised(answer: str, kind: str) -> bool:
    """Whether the answer is a strict yes to a positive, or a strict no to a negative.

    Raises:
        ValueError: ``kind`` is none of :data:`KINDS`.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    return yes_or_no(answer) == ("yes" if kind == "positive" else "no")


class Recognition(Metric):
    """Recall of positives, random negatives and hard negatives, and their balance ``rec``.

    ``rec`` = (positive recall + mean recall of the negative kinds that were asked) / 2: an answer that is
    always yes, or always no, scores 0.5. ``sync_on_compute=False`` when only one rank evaluates.
    """

    higher_is_better = True
    full_state_update = False
    hits: Tensor
    count: Tensor

    def __init__(self, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.add_state("hits", torch.zeros(len(KINDS), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(len(KINDS), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, answers: Sequence[str], kinds: Sequence[str]) -> None:
        """Add answers and what each photo was, one of :data:`KINDS`."""
        for answer, kind in zip(answers, kinds, strict=True):
            hit = recognised(answer, kind)
            self.hits[KINDS.index(kind)] += hit
            self.count[KINDS.index(kind)] += 1

    def compute(self) -> dict[str, Tensor]:
        """``rec_positive``, ``rec_random``, ``rec_hard`` as far as asked; ``rec`` when both sides were."""
        asked = self.count > 0
        recall = self.hits.double() / self.count.clamp(min=1)
        scores = {f"rec_{kind}": recall[i] for i, kind in enumerate(KINDS) if asked[i]}
        if asked[0] and asked[1:].any():
            scores["rec"] = (recall[0] + recall[1:][asked[1:]].mean()) / 2
        return scores
