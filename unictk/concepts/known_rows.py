"""The rows of known characters in one file: what pretraining leaves of its table.

Only input rows are kept: nothing ever makes the model say such a token, so head rows stay fresh ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.files import check_row_shape
from unictk.concepts.tokens import GROUPS, ConceptTokens, checked_sizes
from unictk.errors import UserError, WeightsError

FORMAT = "unictk known rows 1"

BUNDLED = Path(__file__).parents[1] / "assets" / "sprites" / "known.safetensors"
"""Those of the bundled backbone."""

FreshRows = Callable[[int], Rows]
"""A backbone's ``fresh_rows``: starting values for so many rows."""


def save_known(path: str | Path, rows: Tensor, sizes: Mapping[str, int]) -> None:
    """Write input rows (count, rows, hidden) in bfloat16, all of the file or nothing.

    Args:
        path: the file; its folder is made.
        rows: of known character 0, 1, ..., each in row order.
        sizes: rows per group.

    Raises:
        ValueError: the sizes do not add up to the rows.
    """
    groups = checked_sizes(sizes)
    if rows.ndim != 3 or rows.shape[1] != sum(groups.values()):
        raise ValueError(f"rows of shape {tuple(rows.shape)} for groups of {sum(groups.values())}")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    values = rows.detach().to("cpu", torch.bfloat16).contiguous()
    save_file({"input": values}, draft, metadata={"format": FORMAT, "groups": json.dumps(groups)})
    os.replace(draft, target)


def load_known(path: str | Path, shape: RowShape, fresh: FreshRows) -> list[ConceptTokens]:
    """The known characters as concepts ``c0``, ``c1``, ...

    Args:
        path: what :func:`save_known` wrote.
        shape: the row shape of the backbone they are meant for.
        fresh: the backbone's ``fresh_rows``: head rows and biases, the same for everybody.

    Raises:
        WeightsError: a missing or damaged file, or rows of another hidden size than the backbone's.
    """
    file = Path(path)
    values, groups = _read(file)
    check_row_shape(file, RowShape(values.shape[2], shape.head_bias), shape)
    head = fresh(values.shape[1])
    return [
        ConceptTokens.from_rows(f"c{number}", shape, groups, Rows(rows, head.head, head.bias))
        for number, rows in enumerate(values.float())
    ]


def load_values(path: str | Path, sizes: Mapping[str, int]) -> Tensor:
    """(characters, rows, hidden) fp32: what :func:`save_known` wrote, of characters of these sizes.

    Raises:
        WeightsError: a missing or damaged file, or other sizes.
    """
    values, groups = _read(Path(path))
    if groups != checked_sizes(sizes):
        raise WeightsError(f"{path}: rows per group are {groups}; expected {checked_sizes(sizes)}")
    return values.float()


def usual_rows(path: str | Path, shape: RowShape, group: str, count: int) -> Tensor:
    """(count, hidden) fp32: the first rows of a group, each the mean over the known characters.

    What these have in common is how a model was used to be told of somebody; a new concept that starts here
    has only the difference to learn. Rows of one task of which more are wanted than there are (with a concept
    that has no shared rows, say) follow the shared ones, as they do in a prompt.

    Raises:
        WeightsError: as :func:`load_known`.
        UserError: the known characters have fewer rows of this group.
    """
    file = Path(path)
    values, groups = _read(file)
    check_row_shape(file, RowShape(values.shape[2], shape.head_bias), shape)
    usual = values.float().mean(0)
    starts = {name: sum(size for other, size in groups.items() if _before(other, name)) for name in GROUPS}
    pool = usual[starts[group] : starts[group] + groups.get(group, 0)]
    if group in ("generation", "understanding") and count > len(pool):
        pool = torch.cat([usual[starts["shared"] : starts["shared"] + groups.get("shared", 0)], pool])
    if count > len(pool):
        raise UserError(
            f"start: known characters have {len(pool)} rows for group {group}; {count} are wanted"
        )
    return pool[-count:] if len(pool) > groups.get(group, 0) else pool[:count]


def _before(group: str, other: str) -> bool:
    return GROUPS.index(group) < GROUPS.index(other)


def _read(path: Path) -> tuple[Tensor, dict[str, int]]:
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; expected rows of known characters")
    try:
        with safe_open(path, "pt") as opened:
            facts = opened.metadata() or {}
            values = opened.get_tensor("input") if "input" in opened.keys() else None  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({error})") from error
    if facts.get("format") != FORMAT:
        raise WeightsError(f"{path}: format {facts.get('format')!r}; expected {FORMAT!r}")
    groups = _groups(path, facts.get("groups", ""))
    total = sum(groups.values())
    if values is None or values.ndim != 3 or values.shape[1] != total or not len(values):
        found = None if values is None else tuple(values.shape)
        raise WeightsError(f"{path}: input rows are {found}; expected (characters, {total}, hidden)")
    return values, groups


def _groups(path: Path, text: str) -> dict[str, int]:
    """Rows per group as the file tells them."""
    try:
        found = json.loads(text)
        sizes = {str(name): int(size) for name, size in found.items()}
        return checked_sizes(sizes)
    except (ValueError, TypeError, AttributeError, UserError) as error:
        expected = ", ".join(GROUPS)
        raise WeightsError(f"{path}: groups {text!r} cannot be read; expected sizes of {expected}") from error
