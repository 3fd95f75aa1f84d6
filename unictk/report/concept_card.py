"""The concept a run is about, as a card: who it is, its rows, and its photos where the data are at hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unictk.datamodules.concept_files import ConceptFolder, pictures_in
from unictk.datamodules.problems import Problem
from unictk.datamodules.schemas import Info, JsonFile, read_info
from unictk.errors import DataError
from unictk.report.pictures import inline
from unictk.sprites.truth import FILE as TRUTH

PHOTOS = 12
"""Thumbnails in the card."""

SIDE = 144
"""Pixels of the longer side of a thumbnail."""

SPRITE_CONCEPT = "unictk.datamodules.sprite.sprite_concept"
BUNDLED_SPRITES = "bundled:sprites/"
_WITHOUT_CONCEPT = ("measure", "pretrain")


@dataclass(frozen=True, slots=True)
class Card:
    """What the page shows. ``groups`` are rows by group, ``photos`` data URIs of the first of ``count``."""

    name: str
    class_noun: str
    groups: dict[str, int]
    stage: int | None
    backbone: str
    weights: str
    tokens: list[str]
    photos: list[str]
    count: int
    description: str
    facts: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows that were trained, all groups together."""
        return sum(self.groups.values())


def concept_card(saved: Mapping[str, Any], config: Mapping[str, Any], data_root: Path | None) -> Card | None:
    """The card of a run: ``saved`` is its ``concept.json``, ``config`` its configuration; None without both.

    Facts and photos come from the data set where ``data_root`` has it. A data set that is gone or damaged
    since leaves them out: a report is no check of it.
    """
    name = str(saved.get("name") or concept_name(config) or "")
    if not name or (not saved and task_name(config) in _WITHOUT_CONCEPT):
        return None
    info, photos = _data(data_root, name)
    backbone = config.get("backbone") if isinstance(config.get("backbone"), Mapping) else {}
    assert isinstance(backbone, Mapping)
    target = str(saved.get("backbone") or backbone.get("_target_") or "")
    groups = saved.get("groups")
    tokens = saved.get("tokens")
    stage = saved.get("stage")
    return Card(
        name=name,
        class_noun=str(saved.get("class_noun") or (info.class_noun if info else "")),
        groups={str(k): v for k, v in groups.items() if isinstance(v, int)}
        if isinstance(groups, Mapping)
        else {},
        stage=stage if isinstance(stage, int) else None,
        backbone=target.rpartition(".")[2],
        weights=str(backbone.get("weights") or ("drawn at random" if backbone else "")),
        tokens=[str(token) for token in tokens] if isinstance(tokens, list) else [],
        photos=_thumbnails(photos[:PHOTOS]),
        count=len(photos),
        description=info.description if info else "",
        facts=info.facts if info else (),
        held_out=info.held_out if info else (),
    )


def find_data_root(
    config: Mapping[str, Any], paths: Mapping[str, str], name: str | None = None
) -> Path | None:
    """Where the run's concept data lie on this machine; None when they are not there.

    Args:
        config: the run's configuration, in which folders of a machine are interpolations of ``paths``.
        paths: this machine's folders.
        name: the concept's; None takes the configuration's.
    """
    section = config.get("concept")
    name = name or concept_name(config)
    if not isinstance(section, Mapping) or not isinstance(section.get("root"), str):
        return None
    if not name or Path(name).name != name:
        return None
    known = {key: value for key, value in paths.items() if isinstance(value, str)}
    written = re.sub(
        r"\$\{paths\.(\w+)\}", lambda found: known.get(found.group(1), found.group(0)), section["root"]
    )
    root = Path(written)
    if not root.is_dir():
        return None
    # A concept that we write lies in a folder named after its content; the newest is the run's most likely.
    written_ones = sorted(
        root.glob(f"{_literal(name)}-*"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    return next((place for place in (root, *written_ones) if ConceptFolder(place, name).train.is_dir()), None)


def foreign_to_backbone(config: Mapping[str, Any], data_root: Path | None) -> str | None:
    """The bundled weights' name if they were trained on sprites alone and the concept is none; else None."""
    backbone, concept = config.get("backbone"), config.get("concept")
    if not isinstance(backbone, Mapping) or not isinstance(concept, Mapping):
        return None
    weights = str(backbone.get("weights"))
    of_sprites = concept.get("_target_") == SPRITE_CONCEPT or (
        data_root is not None and (data_root / TRUTH).is_file()
    )
    if not weights.startswith(BUNDLED_SPRITES) or of_sprites or task_name(config) in _WITHOUT_CONCEPT:
        return None
    return weights


def _data(data_root: Path | None, name: str) -> tuple[Info | None, tuple[Path, ...]]:
    if data_root is None or Path(name).name != name:  # a name is data: it must not lead elsewhere
        return None, ()
    folder = ConceptFolder(data_root, name)
    problems: list[Problem] = []
    file = JsonFile(folder.train / "info.json", name, problems)
    return (read_info(file) if file.path.is_file() else None), pictures_in(folder.train)


def _thumbnails(photos: Sequence[Path]) -> list[str]:
    found = []
    for path in photos:
        try:
            found.append(inline(path, SIDE))
        except DataError:  # damaged since the run, which had read it: the card is no check of the data
            continue
    return found


def concept_name(config: Mapping[str, Any]) -> str | None:
    """The concept's name as the configuration tells it: given, or that of a sprite's number."""
    section = config.get("concept")
    if not isinstance(section, Mapping):
        return None
    if isinstance(section.get("name"), str):
        return str(section["name"])
    if section.get("_target_") == SPRITE_CONCEPT:
        return f"sprite{section.get('seed')}"
    return "chelsea" if str(section.get("_target_", "")).endswith(".chelsea_concept") else None


def task_name(config: Mapping[str, Any]) -> str:
    """The last part of the task's target; empty where the configuration has none."""
    task = config.get("task")
    return str(task.get("_target_", "")).rpartition(".")[2] if isinstance(task, Mapping) else ""


def _literal(name: str) -> str:
    """The name for a glob, in which brackets and stars mean themselves."""
    return re.sub(r"([*?\[])", r"[\1]", name)
