"""The values that an override stands for: one, or those of a list, range or interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Transformer,
)

from unictk.errors import UserError

Groups = Mapping[str, Sequence[str]]


def values_of(override: Override) -> list[Any]:
    """Every value of a list; both ends of a range or interval, between which the others lie.

    Raises:
        UserError: a range without values.
    """
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return [_plain(item) for item in value.list]
    if isinstance(value, RangeSweep):
        numbers = value.range()
        listed = numbers if isinstance(numbers, range) else list(numbers)
        if not listed:
            raise UserError(f"{override.key_or_group}: the range holds no value, expected start < stop")
        return [listed[0], listed[-1]]
    if isinstance(value, IntervalSweep):
        return [value.start, value.end]
    return [value]


def lines_of(override: Override, groups: Groups) -> list[str]:
    """One override line per listed choice of a group; a pattern stands for the options it matches."""
    key = override.get_key_element()
    value = override.value()
    if isinstance(value, Glob):
        return [f"{key}={name}" for name in value.filter(list(groups.get(override.key_or_group, ())))]
    if isinstance(value, ChoiceSweep):
        return [f"{key}={Transformer.str(item)}" for item in value.list]
    return [line_of(override)]


def line_of(override: Override, groups: Groups | None = None) -> str:
    """The override with its first value, as a line that composes a single run."""
    if not override.is_sweep_override():
        return override.input_line or ""
    key = override.get_key_element()
    if isinstance(override.value(), Glob):
        return next(iter(lines_of(override, groups or {})), f"{key}=null")
    first = override.value()
    if isinstance(first, ChoiceSweep):
        return f"{key}={Transformer.str(first.list[0])}"
    return f"{key}={values_of(override)[0]}"


def _plain(item: Any) -> Any:
    if isinstance(item, QuotedString):
        return item.text
    if isinstance(item, list):
        return [_plain(inner) for inner in item]
    return {_plain(key): _plain(inner) for key, inner in item.items()} if isinstance(item, dict) else item
