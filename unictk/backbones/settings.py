"""Settings of sampling that only some backbones have."""

from __future__ import annotations

from unictk.errors import UserError
from unictk.samples import Sampling


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
