"""The interpolations that conf/ uses beyond OmegaConf's own."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from unictk.app.identity import run_name
from unictk.tracking.about import offline


def scaled(quick: object, full: object, *, _root_: Any) -> object:
    """``${scaled:2,20}``: the first of a study at ``study.scale=quick``, else the second."""
    return quick if OmegaConf.select(_root_, "study.scale") == "quick" else full


def register() -> None:
    """Makes the interpolations known; again is harmless."""
    OmegaConf.register_new_resolver("run_name", run_name, replace=True)
    OmegaConf.register_new_resolver("wandb_offline", offline, replace=True)
    OmegaConf.register_new_resolver("scaled", scaled, replace=True)
