"""Sentence BLEU on characters, as UniCTokens scores free answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

WEIGHTS = (0.7, 0.3)
"""Weights of character 1-grams and 2-grams."""

_EPSILON = 0.1


def char_bleu(answer: str, reference: str) -> float:
    """BLEU of the answer's character 1- and 2-grams against one reference, in [0, 1].

    An order without any match counts 0.1 matches (NLTK's smoothing ``method1``), except that an answer
    sharing no character with the reference scores 0. Shorter answers pay exp(1 - reference / answer).
    """
    if not set(answer) & set(reference):
        return 0.0
    log_precision = 0.0
    for order, weight in enumerate(WEIGHTS, start=1):
        said, wanted = _ngrams(answer, order), _ngrams(reference, order)
        matches = (said & wanted).total()
        log_precision += weight * math.log((matches or _EPSILON) / max(1, said.total()))
    brevity = min(0.0, 1 - len(reference) / len(answer))
    return math.exp(brevity + log_precision)


def _ngrams(text: str, order: int) -> Counter[str]:
    return Counter(text[i : i + order] for i in range(len(text) - order + 1))


class CharBleu(Metric):
    """Mean of :func:`char_bleu` over answers: a float64 scalar in [0, 1], NaN before any answer.

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

    def update(self, answers: Sequence[str], references: Sequence[str]) -> None:
        """Add answers and their references, one to one."""
        scores = [char_bleu(*pair) for pair in zip(answers, references, strict=True)]
        self.total += math.fsum(scores)
        self.count += len(answers)

    def compute(self) -> Tensor:
        """The mean."""
        return self.total / self.count
