"""What a configuration may build. A YAML file names code to run, so one from elsewhere is not believed.

Allowed is what the shipped ``conf/`` names, and the classes of PyTorch's optimizers and of Lightning's
callbacks, loggers, profilers and strategies. Everything else needs ``trust=true``, typed on the command line:
a file cannot vouch for itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from unictk.app import schema
from unictk.app.conf_tree import conf_dir
from unictk.errors import UserError, nearest

_CLASSES = re.compile(
    r"(torch\.optim|torch\.optim\.lr_scheduler|lightning\.pytorch\.(callbacks|loggers|profilers|strategies))"
    r"\.[A-Z]\w*"
)
_HYDRAS = re.compile(r"hydra\._internal\.core_plugins\.\w+\.[A-Z]\w*|hydra_plugins\.hydra_\w+\.\w+\.[A-Z]\w*")
"""Sweepers and launchers, as Hydra and its plugins name them."""

TRUST = "trust"


def trusted(overrides: Sequence[str]) -> bool:
    """Whether ``trust=true`` was typed; the last one counts."""
    said = [line.lstrip("+").partition("=")[2] for line in overrides if line.lstrip("+").startswith("trust=")]
    return bool(said) and said[-1].strip().lower() in ("true", "yes", "on")


def check_targets(plain: Mapping[str, Any], hydra: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Refuse a configuration that would build what it may not.

    Args:
        plain: the resolved configuration.
        hydra: Hydra's own part of it, unresolved: it names a launcher and a sweeper. Empty: checked before.
        overrides: as they were typed.

    Raises:
        UserError: the first such node, or ``trust`` in a file.
    """
    if trusted(overrides):
        return
    if plain.get(TRUST):
        raise UserError(f"{TRUST}: true stands in a file, but it counts only where it is typed: {TRUST}=true")
    allowed: Collection[str] = schema.load((conf_dir(),))["targets"]
    for key, target in _targets("", plain):
        if target not in allowed and not _CLASSES.fullmatch(target):
            raise _refused(key, target, allowed)
    for key, target in _targets("hydra", hydra):
        if not _HYDRAS.fullmatch(target):
            raise _refused(key, target, ())


def _targets(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """(key, target) of every node that would be built, wherever it stands."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield f"{key}._target_".lstrip("."), str(value["_target_"])
        for name, item in value.items():
            yield from _targets(f"{key}.{name}".lstrip("."), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _targets(f"{key}.{index}", item)


def _refused(key: str, target: str, allowed: Collection[str]) -> UserError:
    best = nearest(target, allowed)
    hint = f"; nearest: {best}" if best else ""
    return UserError(
        f"{key}: {target!r} is not among what a configuration may build{hint}. If it is your own "
        f"code, or you have read it: {TRUST}=true"
    )
