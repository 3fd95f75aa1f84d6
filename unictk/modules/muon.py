"""Muon for the matrices inside transformer blocks, AdamW for everything else, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer


class MuonAndAdamW(Optimizer):
    """Two torch optimizers behind one interface, so that one schedule and one checkpoint serve both.

    Args:
        matrices: two-dimensional parameters of blocks; Muon orthogonalises their updates.
        others: tables, norms, biases, concept rows.
        lr: of both; Muon's is matched to AdamW's update size.
        table_lr: of the parameters in ``tables``.
        weight_decay: of both.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        tables: Iterable[nn.Parameter] = (),
        lr: float = 3e-3,
        table_lr: float = 6e-3,
        weight_decay: float = 0.01,
    ) -> None:
        muon = Muon(list(matrices), lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        groups: list[dict[str, Any]] = [{"params": list(others), "lr": lr}]
        if listed := list(tables):
            groups.append({"params": listed, "lr": table_lr, "weight_decay": 0.0})
        adamw = AdamW(groups, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay)
        self.parts: tuple[Optimizer, ...] = (muon, adamw)
        super().__init__([p for part in self.parts for g in part.param_groups for p in g["params"]], {})
        self._share()

    def _share(self) -> None:
        """Schedules change ``param_groups`` and checkpoints read ``state``: both are the parts' own."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both; the closure runs once, with gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The parts' states, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Read what :meth:`state_dict` gave."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share()
