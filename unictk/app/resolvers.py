"""The interpolations that conf/ uses beyond OmegaConf's own."""

from __future__ import annotations

import os
from typing import Any

from omegaconf import OmegaConf

from unictk.app.identity import run_name


def without_env(name: str) -> bool:
    """``${without_env:NAME}``: whether the environment variable is unset or empty."""
    return not os.environ.get(name)


def scaled(quick: object, full: object, *, _root_: Any) -> object:
    """``${scaled:2,20}``: the first of a study at ``study.scale=quick``, else the second."""
    return quick if OmegaConf.select(_root_, "study.scale") == "quick" else full


def register() -> None:
    """Makes the interpolations known; again is harmless."""
    OmegaConf.register_new_resolver("run_name", run_name, replace=True)
    OmegaConf.register_new_resolver("without_env", without_env, replace=True)
    OmegaConf.register_new_resolver("scaled", scaled, replace=True)
