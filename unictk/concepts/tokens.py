"""The personal tokens of one concept: a few rows that live outside the frozen tables of the model.

UniCTokens (arXiv 2505.14671, section 3): an identifier ``<bo>`` and soft tokens in three groups, added
stage by stage. Each group is a small module of its own, so a stage trains a group by ``requires_grad``
and no table is resized, masked or copied back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Self

import torch
from torch import Tensor, nn

from unictk.backbones.base import Rows, RowShape
from unictk.errors import UserError, not_a_choice

GROUPS = ("identifier", "shared", "generation", "understanding")
"""The groups in row order."""

DEFAULT_SIZES: Mapping[str, int] = {"identifier": 1, "shared": 16, "generation": 8, "understanding": 8}
"""Rows per group as published: 17 after stage 1, 25 after stage 2, 33 after stage 3."""

SPELLING = "<{name}:{index}>"
"""How a soft token is written unless told otherwise: two concepts never share a string."""

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_SPELLING = re.compile(r"<[^\s<>{}]*\{index\}[^\s<>{}]*>")


def checked_name(name: str) -> str:
    """``name`` if it can stand in a token and in a path, else a UserError with the nearest name that can.

    Letters, digits, ``_``, ``-`` and ``.`` (ASCII); not starting with ``.``.
    """
    if NAME.fullmatch(name):
        return name
    better = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).lstrip(".")
    hint = f"; nearest: {better}" if better else ""
    raise UserError(
        f"concept.name: {name!r} is not a name; expected letters, digits, '_', '-' or '.', "
        f"not starting with '.'{hint}"
    )


def checked_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
    """``sizes`` in row order without empty groups.

    Raises:
        UserError: an unknown group, a negative size, or an identifier of other than one row.
    """
    for group, size in sizes.items():
        if group not in GROUPS:
            raise not_a_choice("concept group", group, GROUPS)
        if size < 0 or (group == "identifier" and size != 1):
            expected = "1" if group == "identifier" else "0 or more"
            raise UserError(f"concept group {group}: {size} rows; expected {expected}")
    return {group: sizes[group] for group in GROUPS if sizes.get(group)}


def stage_of(groups: Iterable[str]) -> int:
    """The last UniCTokens stage these groups have been through: 0 (no rows), 1, 2 or 3."""
    present = set(groups)
    if "understanding" in present:
        return 3
    return 2 if "generation" in present else int(bool(present))


def gathered(tensor: Tensor) -> Tensor:
    """A detached CPU copy, whole even when the tensor is sharded (then every rank must call this)."""
    full = getattr(tensor, "full_tensor", None)
    return (tensor if full is None else full()).detach().to("cpu", copy=True).contiguous()


class RowGroup(nn.Module):
    """The rows of one group: ``input`` (n, hidden), ``head`` (n, hidden) and ``bias`` (n,) or None.

    Always fp32, whatever the module around it is cast to: a bf16 row of size 1 cannot follow a step of
    1e-3. Casting keeps the exact values and only follows the device.
    """

    def __init__(self, rows: Rows, device: torch.device) -> None:
        super().__init__()
        self.input = self._parameter(rows.input, device)
        self.head = self._parameter(rows.head, device)
        self.bias = None if rows.bias is None else self._parameter(rows.bias, device)

    @staticmethod
    def _parameter(values: Tensor, device: torch.device) -> nn.Parameter:
        return nn.Parameter(values.detach().to(device, torch.float32, copy=True))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def move(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            # A cast there and back would round the values: take only the device from the result.
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, recurse)

    def __len__(self) -> int:
        return len(self.input)


class ConceptTokens(nn.Module):
    """Identifier and soft tokens of one concept, as fp32 parameters grouped by what they serve.

    Rows stand in the order identifier, shared, generation, understanding. The identifier is written
    ``<name>``; soft row i (counted over the groups present, from 0) is ``spelling`` with ``{name}`` and
    ``{index}`` replaced. The published spelling is ``<token_{index}>``.

    Raises:
        UserError: a name that cannot stand in a path, or a spelling that is not ``<...{index}...>``.
    """

    def __init__(self, name: str, shape: RowShape, spelling: str = SPELLING) -> None:
        super().__init__()
        self.name = checked_name(name)
        self.shape = shape
        self.spelling = spelling
        if not _SPELLING.fullmatch(spelling.replace("{name}", "")):
            raise UserError(
                f"concept spelling: {spelling!r} cannot be used; expected '<...{{index}}...>' without "
                f"spaces, such as {SPELLING}"
            )

    @classmethod
    def from_rows(
        cls, name: str, shape: RowShape, sizes: Mapping[str, int], rows: Rows, spelling: str = SPELLING
    ) -> ConceptTokens:
        """A concept whose ``rows``, in row order, are divided into groups of ``sizes``."""
        concept = cls(name, shape, spelling)
        checked = checked_sizes(sizes)
        if sum(checked.values()) != len(rows):
            raise ValueError(f"{len(rows)} rows for groups of {sum(checked.values())}")
        start = 0
        for group, size in checked.items():
            cut = slice(start, start + size)
            bias = None if rows.bias is None else rows.bias[cut]
            concept.grow(group, Rows(rows.input[cut], rows.head[cut], bias))
            start += size
        return concept

    def grow(self, group: str, rows: Rows) -> None:
        """Add a group, once. Its parameters start trainable, on the device of the rows already there.

        Raises:
            UserError: an unknown group, or spellings that would collide with the identifier.
            ValueError: the group exists, a later group exists (its tokens would be renamed), the
                identifier is not one row, or the rows do not have this concept's shape.
        """
        if group not in GROUPS:
            raise not_a_choice("concept group", group, GROUPS)
        later = [other for other in GROUPS[GROUPS.index(group) :] if other in self.groups]
        if later:
            raise ValueError(f"{self}: cannot add group {group!r}, {later[0]!r} is there already")
        if group == "identifier" and len(rows) != 1:
            raise ValueError(f"{self}: the identifier is one row, not {len(rows)}")
        self._check_shape(rows)
        soft = range(len(self) + len(rows))
        if str(self) in (self._spell(index) for index in soft):
            raise UserError(f"concept.name: {str(self)!r} is also a soft token ({self.spelling}); rename it")
        device = next(self.parameters(), rows.input).device
        self.add_module(group, RowGroup(rows, device))

    def _check_shape(self, rows: Rows) -> None:
        n, hidden = len(rows), self.shape.hidden
        found = (tuple(rows.input.shape), tuple(rows.head.shape), rows.bias is not None)
        expected = ((n, hidden), (n, hidden), self.shape.head_bias)
        if n == 0 or found != expected or (rows.bias is not None and rows.bias.shape != (n,)):
            raise ValueError(
                f"{self}: input, head and bias are {found}, expected {expected}, at least one row"
            )

    def _group(self, group: str) -> RowGroup:
        if group not in self.groups:
            raise not_a_choice("concept group", group, list(self.groups), f"of {self}, stage {self.stage}")
        module = self.get_submodule(group)
        assert isinstance(module, RowGroup)
        return module

    def _spell(self, index: int) -> str:
        return self.spelling.replace("{name}", self.name).replace("{index}", str(index))

    @property
    def groups(self) -> dict[str, int]:
        """Rows per group present, in row order."""
        sizes = {name: len(part) for name, part in self.named_children() if isinstance(part, RowGroup)}
        return {group: sizes[group] for group in GROUPS if group in sizes}

    @property
    def stage(self) -> int:
        """The last stage the rows have been through (see :func:`stage_of`)."""
        return stage_of(self.groups)

    def tokens(self) -> list[str]:
        """The token strings in row order."""
        identifier = [str(self)] if "identifier" in self.groups else []
        return identifier + [self._spell(index) for index in range(len(self) - len(identifier))]

    def rows(self) -> Rows:
        """All rows in row order, differentiable: ``input``, ``head`` (n, hidden), ``bias`` (n,) or None."""
        parts = [self._group(group) for group in self.groups]
        empty = torch.zeros(0, self.shape.hidden)
        biases: list[Tensor] = [part.bias for part in parts if part.bias is not None]
        return Rows(
            torch.cat([part.input for part in parts]) if parts else empty,
            torch.cat([part.head for part in parts]) if parts else empty,
            (torch.cat(biases) if biases else torch.zeros(0)) if self.shape.head_bias else None,
        )

    def row_range(self, group: str) -> slice:
        """Where a group's rows stand among :meth:`rows`; UserError for a group that is not there."""
        size = len(self._group(group))
        start = sum(size for name, size in self.groups.items() if GROUPS.index(name) < GROUPS.index(group))
        return slice(start, start + size)

    def train_only(self, groups: Iterable[str]) -> None:
        """Make exactly these groups trainable; UserError for a group that is not there."""
        chosen = {id(self._group(group)) for group in groups}
        for group in self.groups:
            part = self._group(group)
            part.requires_grad_(id(part) in chosen)

    def soft(self, *groups: str) -> str:
        """The token strings of these groups, in the order asked for, with nothing between them."""
        tokens = self.tokens()
        return "".join("".join(tokens[self.row_range(group)]) for group in groups)

    def snapshot(self) -> ConceptTokens:
        """A whole copy on the CPU, for files. With sharded rows every rank must call this."""
        rows = self.rows()
        bias = None if rows.bias is None else gathered(rows.bias)
        plain = Rows(gathered(rows.input), gathered(rows.head), bias)
        return ConceptTokens.from_rows(self.name, self.shape, self.groups, plain, self.spelling)

    def __str__(self) -> str:
        return f"<{self.name}>"

    def __len__(self) -> int:
        return sum(self.groups.values())
