"""Import and export of the three files the UniCTokens release writes per epoch, and its id arithmetic.

``epoch_{E}_embed.pt`` (n, hidden), ``epoch_{E}_lm_head_weight.pt`` (n, hidden) and
``epoch_{E}_lm_head_bias.pt`` (n,): bare fp32 tensors, rows in our order. Nothing in them says which
concept, stage or model they belong to: the stage follows from the number of rows.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.files import check_row_shape
from unictk.concepts.tokens import DEFAULT_SIZES, ConceptTokens, checked_sizes, stage_of
from unictk.errors import UserError, WeightsError

SPELLING = "<token_{index}>"
"""The released spelling; it does not tell two concepts apart."""

KINDS = ("embed", "lm_head_weight", "lm_head_bias")


def import_published(
    folder: str | Path,
    name: str,
    epoch: int | None = None,
    groups: Mapping[str, int] = DEFAULT_SIZES,
    stage: int | None = None,
    shape: RowShape | None = None,
    spelling: str = SPELLING,
) -> ConceptTokens:
    """The concept in a folder of published files.

    Args:
        folder: where the files lie.
        name: the concept's name; the files do not hold it.
        epoch: which epoch's files; the latest without it.
        groups: rows per group of a finished concept; how many rows there are tells the stage.
        stage: the stage the rows are wanted for; checked when given.
        shape: the row shape of the backbone they are meant for; checked when given.
        spelling: of the soft tokens.

    Raises:
        WeightsError: a missing or damaged file, files that disagree, a row count that no stage has, rows
            of another stage than ``stage``, or a row shape that is not the backbone's.
    """
    place = Path(folder)
    chosen = _epoch(place, epoch)
    paths = [published_path(place, chosen, kind) for kind in KINDS]
    embed, head, bias = (_read(path) for path in paths)
    _check_agreement(dict(zip(paths, (embed, head, bias), strict=True)))
    sizes = _sizes_of(paths[0], len(embed), groups, stage)
    found = RowShape(embed.shape[1], head_bias=True)
    if shape is not None:
        check_row_shape(paths[0], found, shape)
    return ConceptTokens.from_rows(name, found, sizes, Rows(embed, head, bias), spelling)


def export_published(concept: ConceptTokens, folder: str | Path, epoch: int) -> list[Path]:
    """Write the three published files of ``epoch``; each appears whole or not at all.

    Raises:
        UserError: the published form cannot hold the concept: it has no head bias, or a group is
            missing before another one.
    """
    present = tuple(concept.groups)
    if not concept.shape.head_bias:
        raise UserError(f"{concept}: rows have no head bias; the published files need one (Show-o)")
    order = tuple(DEFAULT_SIZES)
    if len(present) < 2 or present != order[: len(present)]:
        raise UserError(
            f"{concept}: has the groups {', '.join(present)}; the published files expect, in this order and "
            f"without a gap, {', '.join(order)}"
        )
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    rows = concept.snapshot().rows()
    assert rows.bias is not None
    paths = [published_path(place, epoch, kind) for kind in KINDS]
    with tempfile.TemporaryDirectory(prefix=".epoch_", dir=place) as scratch:
        for path, tensor in zip(paths, (rows.input, rows.head, rows.bias), strict=True):
            # The archive inside carries the file's own name, hence a scratch folder and not a scratch name.
            torch.save(tensor.detach(), Path(scratch, path.name))
            os.replace(Path(scratch, path.name), path)
    return paths


def published_path(folder: Path, epoch: int, kind: str) -> Path:
    """Where the published code keeps one of ``KINDS``."""
    return folder / f"epoch_{epoch}_{kind}.pt"


def stages_by_count(groups: Mapping[str, int]) -> dict[int, dict[str, int]]:
    """Row count after each stage -> the groups it is made of: 17, 25 and 33 for the published sizes."""
    found: dict[int, dict[str, int]] = {}
    sizes = checked_sizes(groups)
    for last in ("shared", "generation", "understanding"):
        if last in sizes:
            upto = {group: sizes[group] for group in list(sizes)[: list(sizes).index(last) + 1]}
            found[sum(upto.values())] = upto
    return found


def _epoch(folder: Path, epoch: int | None) -> int:
    if not folder.is_dir():
        raise WeightsError(f"{folder}: there is no such folder; expected one with epoch_*_embed.pt")
    pattern = re.compile(r"epoch_(\d+)_(?:" + "|".join(KINDS) + r")\.pt")
    matches = (pattern.fullmatch(entry.name) for entry in folder.iterdir())
    epochs = sorted({int(match[1]) for match in matches if match})
    if not epochs:
        raise WeightsError(
            f"{folder}: holds no published rows; expected epoch_*_embed.pt and its two companions"
        )
    if epoch is None:
        return epochs[-1]
    if epoch not in epochs:
        closest = min(epochs, key=lambda other: abs(other - epoch))
        shown = ", ".join(str(other) for other in epochs)
        raise WeightsError(f"{folder}: has no rows of epoch {epoch}; nearest: {closest}. All: {shown}")
    return epoch


def _read(path: Path) -> Tensor:
    """A bare floating tensor as fp32 on the CPU. ``weights_only`` keeps a file from running code."""
    if not path.is_file():
        raise WeightsError(f"{path}: is missing; expected the three files of an epoch: {', '.join(KINDS)}")
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive can fail in any way; all of them mean the same here
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path}: cannot be read as a tensor ({reason[:120]})") from error
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise WeightsError(f"{path}: holds a {type(tensor).__name__}; expected one bare float tensor")
    return tensor.detach().float()


def _check_agreement(tensors: Mapping[Path, Tensor]) -> None:
    """The three files have the same number of rows; embedding and head have the same hidden size."""
    (embed_path, embed), *others = tensors.items()
    for path, tensor in tensors.items():
        dimensions = 1 if path.name.endswith("bias.pt") else 2
        if tensor.dim() != dimensions:
            raise WeightsError(f"{path}: has shape {tuple(tensor.shape)}; expected {dimensions} dimensions")
    for path, tensor in others:
        if len(tensor) != len(embed):
            raise WeightsError(
                f"{embed_path}: has {len(embed)} rows, but {path.name} has {len(tensor)}; expected as many"
            )
    head_path, head = others[0]
    if head.shape[1] != embed.shape[1]:
        raise WeightsError(
            f"{embed_path}: has hidden size {embed.shape[1]}, but {head_path.name} has {head.shape[1]}"
        )


def _sizes_of(path: Path, count: int, groups: Mapping[str, int], stage: int | None) -> dict[str, int]:
    by_count = stages_by_count(groups)
    shown = ", ".join(f"{n} (stage {stage_of(sizes)})" for n, sizes in by_count.items())
    if count not in by_count:
        raise WeightsError(f"{path}: has {count} rows, which no stage has; expected {shown}")
    found = stage_of(by_count[count])
    if stage is not None and stage != found:
        raise WeightsError(
            f"{path}: has {count} rows (stage {found}), not those of stage {stage}; all: {shown}"
        )
    return by_count[count]


def published_rows(base_rows: int, first_image_row: int, n: int) -> Tensor:
    """Which old row each row of a table holds after the published code has made room for n tokens.

    The new rows ``first_image_row .. first_image_row + n - 1`` keep what stood there before, the rows of
    image codes 0..n-1, because the image rows are copied upwards and not moved. Shape (base_rows + n,).
    """
    if not 0 <= n <= base_rows - first_image_row:
        raise ValueError(f"{n} new rows do not fit: there are {base_rows - first_image_row} image rows")
    return torch.cat([torch.arange(first_image_row + n), torch.arange(first_image_row, base_rows)])


def to_virtual(ids: Tensor, vocabulary: int, first_image: int, n: int) -> Tensor:
    """Published ids of a vocabulary grown by n concept rows -> ours, where nothing of the model moves.

    Published: concept row r has id ``first_image + r``; image codes and the mask id stand n higher than
    before. Ours: concept row r has the virtual id ``vocabulary + r``. Negative ids (labels to ignore) stay.

    Args:
        ids: any shape, integers below ``vocabulary + n``.
        vocabulary: size of the base vocabulary, mask id included (58498 for Show-o).
        first_image: id of image code 0 in the base vocabulary (50305 for Show-o).
        n: number of concept rows.
    """
    _check_ids(ids, vocabulary + n)
    concept = (ids >= first_image) & (ids < first_image + n)
    moved = torch.where(ids >= first_image + n, ids - n, ids)
    return torch.where(concept, ids - first_image + vocabulary, moved)


def to_published(ids: Tensor, vocabulary: int, first_image: int, n: int) -> Tensor:
    """The inverse of :func:`to_virtual`."""
    _check_ids(ids, vocabulary + n)
    moved = torch.where(ids >= first_image, ids + n, ids)
    return torch.where(ids >= vocabulary, ids - vocabulary + first_image, moved)


def _check_ids(ids: Tensor, size: int) -> None:
    if ids.numel() and int(ids.max()) >= size:
        raise ValueError(f"id {int(ids.max())} is outside a vocabulary of {size}")
