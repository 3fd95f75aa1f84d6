"""Settings that do not fit: sizes that disagree, sampling that only some backbones have."""

from __future__ import annotations

from collections.abc import Sequence

from unictk.errors import UserError
from unictk.samples import Sampling

SizePair = tuple[str, object, str, object]
"""A setting, its value, another one, and its value."""


def check_equal(pairs: Sequence[SizePair]) -> None:
    """Refuse sizes of a backbone that disagree, naming both.

    Raises:
        UserError: the first pair of them.
    """
    for name, value, other, limit in pairs:
        if value != limit:
            raise UserError(f"backbone: {name} is {value}, {other} {limit}; they must be equal")


def refuse_masked_drawing(sampling: Sampling, draws: str) -> None:
    """Refuse what only drawing by masked cells has; ``draws`` says how this backbone draws instead.

    Raises:
        UserError: the guidance rises, or cells are kept in another order than the published one.
    """
    for key, found, expected in (
        ("guidance_schedule", sampling.guidance_schedule, "constant"),
        ("order", sampling.order, "confidence"),
    ):
        if found != expected:
            raise UserError(
                f"sampling.{key}: '{found}' is for drawing by masked cells, and this backbone draws {draws}; "
                f"expected {expected} (sampling=default has it)"
            )
