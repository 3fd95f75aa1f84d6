"""What a saved concept was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Origin:
    """What a concept was made from, in plain values.

    ``backbone``: the model's class and settings, its weights among them. ``data``: the concept's data set as
    the request describes it. ``start``: the concept directory that the first stage began with; None: none.
    """

    backbone: Mapping[str, Any]
    data: Mapping[str, Any]
    start: str | None = None
