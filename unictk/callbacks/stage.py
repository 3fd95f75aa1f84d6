"""What the callbacks read of a stage's LightningModule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import lightning.pytorch as pl

from unictk.backbones.base import Backbone

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData


class Stage(Protocol):
    """One stage of personalising a backbone: what it trains, what it is fed, its name, seed and place."""

    backbone: Backbone
    concept: ConceptTokens
    data: ConceptData
    stage_name: str
    seed: int
    is_last: bool


def stage_of(module: pl.LightningModule) -> Stage:
    """The module, known to be a stage.

    Raises:
        TypeError: the module lacks a member of :class:`Stage`; these callbacks are for stages only.
    """
    members = ("backbone", "concept", "data", "stage_name", "seed", "is_last")
    missing = [member for member in members if not hasattr(module, member)]
    if missing:
        raise TypeError(f"{type(module).__name__} is no stage: it has no {', '.join(missing)}")
    return cast("Stage", module)
