"""A concept on disk: ``concept.safetensors`` (rows), ``concept.json`` (what they are), ``README.md``."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.card import card
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError, WeightsError, nearest

ROWS_FILE = "concept.safetensors"
DATA_FILE = "concept.json"
CARD_FILE = "README.md"
SCHEMA_VERSION = 1
DIGITS = 5
"""Metrics are rounded: the last digits of a float may differ between equal runs."""


@dataclass(frozen=True, slots=True)
class ConceptMetadata:
    """What ``concept.json`` says. ``tokens`` are in row order; ``groups`` are rows per group.

    ``base_model`` is the hub id of the weights that the rows were trained in; empty where they have none.
    """

    name: str
    class_noun: str
    backbone: str
    shape: RowShape
    spelling: str
    tokens: tuple[str, ...]
    groups: Mapping[str, int]
    stage: int
    seed: int
    config_hash: str
    metrics: Mapping[str, float]
    base_model: str = ""


def save_concept(
    directory: str | Path,
    concept: ConceptTokens,
    *,
    backbone: str,
    seed: int,
    config_hash: str,
    metrics: Mapping[str, float],
    class_noun: str,
    base_model: str = "",
) -> Path:
    """Write the concept directory, all of it or nothing; an earlier concept there is replaced.

    Sharded rows are gathered by :meth:`ConceptTokens.snapshot`, which every rank must call; give this
    function the snapshot, on one rank.

    Args:
        directory: the concept directory; made with its parents.
        concept: the rows.
        backbone: id of the model they belong to.
        seed: the run's seed.
        config_hash: hash of the request that made them.
        metrics: scores for the card, rounded to 5 decimals; a value that is not finite is kept as none.
        class_noun: what the concept is, such as "dog".
        base_model: hub id of the model's weights, if they have one.

    Raises:
        UserError: ``directory`` is a file, or holds files that are not a concept's.
    """
    target = Path(directory).absolute()
    _check_replaceable(target)
    metadata = ConceptMetadata(
        name=concept.name,
        class_noun=class_noun,
        backbone=backbone,
        shape=concept.shape,
        spelling=concept.spelling,
        tokens=tuple(concept.tokens()),
        groups=concept.groups,
        stage=concept.stage,
        seed=seed,
        config_hash=config_hash,
        metrics={key: round(float(value), DIGITS) for key, value in sorted(metrics.items())},
        base_model=base_model,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        fresh, former = Path(scratch, "fresh"), Path(scratch, "former")
        fresh.mkdir()
        save_file(_tensors(concept), fresh / ROWS_FILE)
        (fresh / DATA_FILE).write_text(_to_json(metadata), encoding="utf-8")
        (fresh / CARD_FILE).write_text(card(metadata), encoding="utf-8")
        _swap(target, fresh, former)
    return target


def read_metadata(directory: str | Path) -> ConceptMetadata:
    """What ``concept.json`` says, without reading the rows.

    Raises:
        WeightsError: the file is missing, is no JSON, has another schema version, or lacks a value.
    """
    path = Path(directory, DATA_FILE)
    _check_there(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path}: is not JSON ({error})") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise WeightsError(f"{path}: schema_version {version!r}; expected {SCHEMA_VERSION}")
    try:
        return _from_json(data)
    except KeyError as error:
        raise WeightsError(f"{path}: {error.args[0]} is missing") from error
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise WeightsError(f"{path}: a value has the wrong type ({error})") from error


def load_concept(directory: str | Path, shape: RowShape | None = None) -> ConceptTokens:
    """The concept saved in ``directory``; metadata by :func:`read_metadata`.

    Args:
        directory: what :func:`save_concept` wrote.
        shape: the row shape of the backbone it is meant for; checked when given.

    Raises:
        WeightsError: a missing or damaged file, rows that are not what the JSON says, or a row shape
            that is not the backbone's.
    """
    metadata = read_metadata(directory)
    path = Path(directory, ROWS_FILE)
    _check_there(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({error})") from error
    _check_rows(path, tensors, metadata)
    if shape is not None:
        check_row_shape(path, metadata.shape, shape)
    rows = Rows(tensors["input"], tensors["head"], tensors.get("bias"))
    concept = ConceptTokens.from_rows(metadata.name, metadata.shape, metadata.groups, rows, metadata.spelling)
    if tuple(concept.tokens()) != metadata.tokens or concept.stage != metadata.stage:
        raise WeightsError(
            f"{Path(directory, DATA_FILE)}: tokens and stage {metadata.stage} do not follow from its groups; "
            f"expected {concept.stage} and {', '.join(concept.tokens()[:3])}, ..."
        )
    return concept


def check_row_shape(path: Path, found: RowShape, expected: RowShape) -> None:
    """WeightsError with both values when rows in ``path`` do not fit the backbone."""
    if found.hidden != expected.hidden:
        raise WeightsError(
            f"{path}: rows have hidden size {found.hidden}, but the backbone's is {expected.hidden}"
        )
    if found.head_bias != expected.head_bias:
        words = {True: "a head bias", False: "no head bias"}
        raise WeightsError(
            f"{path}: rows have {words[found.head_bias]}, but the backbone has {words[expected.head_bias]}"
        )


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"{target}: is a file; expected a directory or nothing")
    other = sorted(
        entry.name for entry in target.iterdir() if entry.name not in (ROWS_FILE, DATA_FILE, CARD_FILE)
    )
    if other:
        raise UserError(
            f"{target}: holds {other[0]!r}, which is not a concept's; expected an empty directory"
        )


def _swap(target: Path, fresh: Path, former: Path) -> None:
    """Put ``fresh`` where ``target`` was; what was there goes to ``former``, and back if that fails."""
    replaced = target.exists()
    if replaced:
        target.rename(former)
    try:
        fresh.rename(target)
    except OSError:
        if replaced:
            former.rename(target)
        raise


def _check_there(path: Path) -> None:
    if path.is_file():
        return
    folder = path.parent
    if folder.is_dir() or not folder.parent.is_dir():
        raise WeightsError(
            f"{path}: is missing; expected a concept directory with {ROWS_FILE} and {DATA_FILE}"
        )
    best = nearest(folder.name, [entry.parent.name for entry in sorted(folder.parent.glob(f"*/{DATA_FILE}"))])
    hint = f"; nearest: {best}" if best else ""
    raise WeightsError(f"{folder}: there is no such concept directory{hint}")


def _tensors(concept: ConceptTokens) -> dict[str, Tensor]:
    rows = concept.snapshot().rows()
    tensors = {"input": rows.input.detach(), "head": rows.head.detach()}
    return tensors if rows.bias is None else {**tensors, "bias": rows.bias.detach()}


def _check_rows(path: Path, tensors: Mapping[str, Tensor], metadata: ConceptMetadata) -> None:
    n, hidden = sum(metadata.groups.values()), metadata.shape.hidden
    expected: dict[str, tuple[int, ...]] = {"input": (n, hidden), "head": (n, hidden)}
    if metadata.shape.head_bias:
        expected["bias"] = (n,)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        raise WeightsError(f"{path}: holds {found}, but {DATA_FILE} says {expected}")


def _to_json(metadata: ConceptMetadata) -> str:
    data = {
        "schema_version": SCHEMA_VERSION,
        "name": metadata.name,
        "class_noun": metadata.class_noun,
        "backbone": metadata.backbone,
        "row_shape": {"hidden": metadata.shape.hidden, "head_bias": metadata.shape.head_bias},
        "spelling": metadata.spelling,
        "tokens": list(metadata.tokens),
        "groups": dict(metadata.groups),
        "stage": metadata.stage,
        "seed": metadata.seed,
        "config_hash": metadata.config_hash,
        "base_model": metadata.base_model,
        "metrics": {key: value if math.isfinite(value) else None for key, value in metadata.metrics.items()},
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _from_json(data: Mapping[str, Any]) -> ConceptMetadata:
    shape = data["row_shape"]
    return ConceptMetadata(
        name=str(data["name"]),
        class_noun=str(data["class_noun"]),
        backbone=str(data["backbone"]),
        shape=RowShape(int(shape["hidden"]), bool(shape["head_bias"])),
        spelling=str(data["spelling"]),
        tokens=tuple(str(token) for token in data["tokens"]),
        groups={str(group): int(size) for group, size in data["groups"].items()},
        stage=int(data["stage"]),
        seed=int(data["seed"]),
        config_hash=str(data["config_hash"]),
        metrics={
            str(key): math.nan if value is None else float(value) for key, value in data["metrics"].items()
        },
        base_model=str(data.get("base_model", "")),  # earlier files do not have it
    )
