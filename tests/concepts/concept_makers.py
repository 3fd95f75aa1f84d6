"""Concepts with random rows, for the tests of this folder."""

import torch

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.tokens import DEFAULT_SIZES, ConceptTokens


def random_rows(n: int, hidden: int = 6, bias: bool = True, seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    return Rows(
        torch.randn(n, hidden, generator=generator),
        torch.randn(n, hidden, generator=generator),
        torch.randn(n, generator=generator) if bias else None,
    )


def make_concept(
    stage: int = 3, name: str = "bo", spelling: str = "<token_{index}>", hidden: int = 6, bias: bool = True
) -> ConceptTokens:
    sizes = dict(list(DEFAULT_SIZES.items())[: stage + 1])
    rows = random_rows(sum(sizes.values()), hidden, bias)
    return ConceptTokens.from_rows(name, RowShape(hidden, bias), sizes, rows, spelling)
