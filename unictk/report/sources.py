"""Reading what lies in a run folder, whatever is there yet."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unictk.errors import DataError


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is no file.

    Raises:
        DataError: the file is no JSON object.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds {type(found).__name__}; expected a JSON object")
    return found


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a run's ``config.yaml``; empty when there is no file.

    Raises:
        DataError: the file is no YAML mapping.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(read_text(path), Loader=loader)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    if found is not None and not isinstance(found, dict):
        raise DataError(f"{path}: holds {type(found).__name__}; expected a YAML mapping")
    return found or {}


def read_text(path: Path) -> str:
    """The file's text; empty when there is no file."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts s2 before s10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def in_order(names: Iterable[str], first: Iterable[str] = ()) -> list[str]:
    """The names once each: those of ``first`` in its order, then the others in natural order."""
    found = set(names)
    known = [name for name in dict.fromkeys(first) if name in found]
    return [*known, *sorted(found.difference(known), key=natural)]


def stage_seconds(status: dict[str, Any]) -> dict[str, float | None]:
    """Seconds of each stage in ``status.json``, in order; None for one that has not finished.

    Raises:
        DataError: stages are not recorded as runs do.
    """
    stages = status.get("stages")
    if not isinstance(stages, dict):
        return {}
    try:
        return {
            str(name): float(stage["seconds"]) if stage.get("state") == "done" else None
            for name, stage in stages.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            'status.json: a stage is not recorded; expected {"state": "done", "seconds": 1.5}'
        ) from error


def command(status: dict[str, Any]) -> str | None:
    """The command line that makes the same request again; None when it was not recorded."""
    overrides = status.get("overrides")
    if not isinstance(overrides, list):
        return None
    return shlex.join(["python", "run.py", *map(str, overrides)])
