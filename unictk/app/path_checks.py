"""Checks of folders that a request names, keyed on the ``_target_`` that will read them.

Each check gets the key of the node and its plain, resolved values; a value may be ``???``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unictk.errors import UserError, not_a_choice

MISSING = "???"


def concept_folder(key: str, node: Mapping[str, Any]) -> None:
    """``name`` must be a folder of ``<root>/concept/train``."""
    root = node.get("root", MISSING)
    train = Path(str(root)) / "concept" / "train"
    if not train.is_dir():
        raise UserError(
            f"paths.data: {str(root)!r} has no folder concept/train; expected the UniCTokens layout"
        )
    names = sorted(path.name for path in train.iterdir() if path.is_dir() and not path.name.startswith("."))
    name = node.get("name", MISSING)
    if name == MISSING:
        raise UserError(f"{key}.name: ??? is not given; give {key}.name=<name>. All: {', '.join(names[:24])}")
    if name not in names:
        raise not_a_choice(f"{key}.name", name, names, where="paths.data")


def saved_concept(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be a concept directory."""
    _needs(key, node, "saved", "concept.json", "a concept folder")


def saved_concepts(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be a concept directory, several, or null; ``image`` a file or null."""
    saved = node.get("saved")
    for folder in saved if isinstance(saved, list) else [saved]:
        _needs(key, {"saved": folder}, "saved", "concept.json", "a concept folder")
    image = node.get("image")
    if image is not None and not Path(str(image)).is_file():
        raise UserError(f"{key}.image: {str(image)!r} is not a file; expected a picture")


def what_to_draw(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be a concept directory or null, ``prompts`` a file or null."""
    saved_concept(key, node)
    prompts = node.get("prompts")
    if prompts is not None and not Path(str(prompts)).is_file():
        raise UserError(f"{key}.prompts: {str(prompts)!r} is not a file; expected a txt, csv or jsonl file")
    if node.get("saved") is None and prompts is None and "<sks>" in str(node.get("prompt")):
        raise UserError(
            f"{key}.saved: null, but {key}.prompt names <sks>; give {key}.saved=<concept folder>, "
            "or another prompt"
        )


def finished_run(key: str, node: Mapping[str, Any]) -> None:
    """``run`` must be a run folder."""
    _needs(key, node, "run", "status.json", "a run folder")


def output_folder(path: object) -> None:
    """``paths.output`` must be a folder, or one that can be made."""
    folder = Path(str(path)).absolute()
    for place in (folder, *folder.parents):
        if place.exists():
            break
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise UserError(
            f"paths.output: {str(path)!r} cannot be written; expected a folder, or one to be made"
        )


def starting_rows(path: object) -> None:
    """``rows`` must be a concept directory or null."""
    if path is not None and not (Path(str(path)) / "concept.json").is_file():
        raise UserError(f"rows: {str(path)!r} is not a concept folder: it has no concept.json")


def _needs(key: str, node: Mapping[str, Any], name: str, file: str, what: str) -> None:
    value = node.get(name, MISSING)
    if value not in (MISSING, None) and not (Path(str(value)) / file).is_file():
        raise UserError(f"{key}.{name}: {str(value)!r} is not {what}: it has no {file}")


PATH_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], None]] = {
    "unictk.datamodules.concept_data.read_concept": concept_folder,
    "unictk.tasks.evaluate": saved_concept,
    "unictk.tasks.generate": what_to_draw,
    "unictk.tasks.chat": saved_concepts,
    "unictk.tasks.export": saved_concept,
    "unictk.tasks.report": finished_run,
}
