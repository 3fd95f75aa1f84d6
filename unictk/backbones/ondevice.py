"""Dataclasses of tensors that move to a device as one: the parts of every backbone's batch."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Self

import torch
from torch import Tensor


class OnDevice:
    """A dataclass of tensors (and of such dataclasses) that moves as one."""

    __slots__ = ()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The same with every tensor on ``device``."""
        moved: dict[str, Any] = {}
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if isinstance(value, Tensor | OnDevice):
                moved[item.name] = value.to(device, non_blocking=non_blocking)
        return replace(self, **moved)  # type: ignore[type-var]
