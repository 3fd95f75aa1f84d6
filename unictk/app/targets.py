"""Imports what a ``_target_`` names."""

from __future__ import annotations

import importlib
from typing import Any


def locate(path: str) -> Any:
    """The object at a dotted path: the longest importable module, then attributes.

    Raises:
        ImportError: no such module or attribute, or the module fails to import; says which.
    """
    parts = path.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:depth])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                continue
            raise ImportError(f"{path}: {error}") from error
        for part in parts[depth:]:
            if not hasattr(found, part):
                raise ImportError(f"{path}: {name} has no {part!r}")
            found = getattr(found, part)
        return found
    raise ImportError(f"{path}: no module named {parts[0]!r}")
