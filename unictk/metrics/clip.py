"""CLIP-I and CLIP-T: how much drawn pictures look like the references, and say what the prompts say.

Both are unscaled cosines, as UniCTokens reports them. Numbers of different CLIP models, or of different
preprocessing, are not comparable.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from unictk.concepts.prompts import PLACEHOLDER


def class_prompt(prompt: str, name: str, noun: str) -> str:
    """The prompt as CLIP-T compares it: ``<name>`` and ``<sks>`` replaced by the class noun, as published."""
    return prompt.replace(PLACEHOLDER, noun).replace(f"<{name}>", noun)


def image_scores(generated: Tensor, references: Tensor) -> Tensor:
    """(G,) float64: mean cosine of each generated picture with all references.

    Unit vectors (G, D) and (R, D). The mean of the cosines, not the cosine with the mean.
    """
    return (generated.double() @ references.double().T).mean(1)


def text_scores(images: Tensor, texts: Tensor) -> Tensor:
    """(N,) float64: cosine of each picture with its own prompt; unit vectors (N, D) both.

    Raises:
        ValueError: not as many pictures as prompts.
    """
    if images.shape != texts.shape:
        raise ValueError(
            f"images {tuple(images.shape)}, texts {tuple(texts.shape)}; expected one prompt each"
        )
    return (images.double() * texts.double()).sum(1)


class ClipImage(Metric):
    """CLIP-I: mean of :func:`image_scores` over generated pictures, NaN before any.

    With one set of references this is the mean over all pairs. ``sync_on_compute=False`` when only one rank
    evaluates.
    """

    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, generated: Tensor, references: Tensor) -> None:
        """Add generated pictures and the references they are compared with: unit vectors (G, D), (R, D)."""
        self.total += image_scores(generated, references).sum()
        self.count += len(generated)

    def compute(self) -> Tensor:
        """The mean."""
        return self.total / self.count


class ClipText(Metric):
    """CLIP-T: mean of :func:`text_scores`, NaN before any picture.

    ``sync_on_compute=False`` when only one rank evaluates.
    """

    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, images: Tensor, texts: Tensor) -> None:
        """Add pictures and their prompts, one to one: unit vectors (N, D)."""
        self.total += text_scores(images, texts).sum()
        self.count += len(images)

    def compute(self) -> Tensor:
        """The mean."""
        return self.total / self.count
