"""Text and image guidance of velocities, with the norm brought back, for every sample on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Interval, Len
from torch import Tensor

from unictk.backbones.bagel.training import shifted_time

Renormalisation = Literal["global", "channel", "text_channel"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When velocities are asked for.

    Attributes:
        timesteps: times from 1 to 0, so there are ``timesteps - 1`` steps.
        shift: moves the times towards noise.
        interval: guidance acts at times above the first and up to the second number.
    """

    timesteps: Annotated[int, Ge(2)] = 50
    shift: Annotated[float, Interval(gt=0)] = 3.0
    interval: Annotated[Sequence[float], Len(2, 2)] = (0.4, 1.0)

    def times(self) -> Tensor:
        """(timesteps,) float64 from 1 to 0.

        Not fp32: with 50 times and a shift of 4 one of them is 0.4, an end of the published interval, and on
        which side fp32 puts it depends on the processor. In this order of operations it is guided.
        """
        line = 1 - torch.arange(self.timesteps, dtype=torch.float64) / (self.timesteps - 1)
        return shifted_time(line, self.shift)

    def guided(self) -> Tensor:
        """(timesteps - 1,) bool: the steps with guidance."""
        times = self.times()[:-1]
        return (times > self.interval[0]) & (times <= self.interval[1])


@dataclass(frozen=True, slots=True)
class Guidance:
    """How strongly conditions are stressed; 1 is not at all.

    ``text`` and ``image`` are one number for all rows or one per row. ``renormalisation``: ``global`` brings
    the norm of a sample's velocity back to the unguided one's, ``channel`` that of each token,
    ``text_channel`` that of each token before image guidance. The factor lies between ``least`` and 1.
    """

    text: float | Sequence[float] = 4.0
    image: float | Sequence[float] = 1.0
    renormalisation: Renormalisation = "global"
    least: Annotated[float, Interval(ge=0, le=1)] = 0.0

    def scales(self, rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Text and image scales, (rows, 1, 1) each."""
        scales = (torch.as_tensor(scale, dtype=torch.float32) for scale in (self.text, self.image))
        text, image = (scale.to(device).expand(rows)[:, None, None] for scale in scales)
        return text, image

    def active(self) -> tuple[bool, bool]:
        """Whether any row needs the velocities without text, and those without images."""
        text, image = (torch.as_tensor(scale, dtype=torch.float32) for scale in (self.text, self.image))
        return bool((text > 1).any()), bool((image > 1).any())


def guided_velocity(
    full: Tensor, textless: Tensor | None, imageless: Tensor | None, present: Tensor, guidance: Guidance
) -> Tensor:
    """Velocities (rows, n, width) under guidance.

    Norms are taken over one row's present tokens, so that no row depends on the others of its batch.

    Args:
        full: velocities with all conditions.
        textless: without the text; None: no text guidance.
        imageless: without the images; None: no image guidance.
        present: (rows, n) bool, false for padding.
        guidance: scales and renormalisation.
    """
    text_scale, image_scale = guidance.scales(len(full), full.device)
    shown = present[..., None]
    full = torch.where(shown, full, 0)
    moved = full
    if textless is not None:
        moved = torch.where((text_scale > 1) & shown, textless + text_scale * (full - textless), full)
    if guidance.renormalisation == "text_channel":
        moved = _brought_back(moved, full, (2,), guidance.least)
    if imageless is not None:
        moved = torch.where((image_scale > 1) & shown, imageless + image_scale * (moved - imageless), moved)
    if guidance.renormalisation == "text_channel":
        return moved
    return _brought_back(
        moved, full, (1, 2) if guidance.renormalisation == "global" else (2,), guidance.least
    )


def _brought_back(moved: Tensor, full: Tensor, over: tuple[int, ...], least: float) -> Tensor:
    ratio = full.norm(dim=over, keepdim=True) / (moved.norm(dim=over, keepdim=True) + 1e-8)
    return moved * ratio.clamp(least, 1.0)
