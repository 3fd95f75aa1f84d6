"""Checks the options that a request chooses from groups, before anything is composed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString

from unictk.app.request import Request
from unictk.errors import UserError, not_a_choice


def check_group_choices(request: Request) -> None:
    """Raises UserError when an override chooses an option that its group does not have."""
    groups = request.tree.groups
    for override in request.overrides:
        if override.key_or_group in groups and not override.is_delete():
            _check_options(override, groups)


def _check_options(override: Override, groups: Mapping[str, Sequence[str]]) -> None:
    options = groups[override.key_or_group]
    value = override.value()
    if value is None:  # Hydra has no way to choose nothing
        raise not_a_choice(override.get_key_element().lstrip("+"), None, options)
    if isinstance(value, Glob) and not value.filter(list(options)):
        patterns = ", ".join(value.include)
        raise UserError(
            f"{override.key_or_group}: 'glob({patterns})' matches no option. All: {', '.join(options)}"
        )
    for choice in chosen(override):
        if str(choice) not in options:
            raise not_a_choice(override.get_key_element().lstrip("+"), choice, options)


def chosen(override: Override) -> Iterator[object]:
    """The options a group override names; a mapping (``trainer={...}``) names none."""
    value = override.value()
    if isinstance(value, (dict, Glob)):
        return
    listed = value.list if isinstance(value, ChoiceSweep) else [value]
    for item in listed:
        for name in item if isinstance(item, list) else [item]:
            yield name.text if isinstance(name, QuotedString) else str(name)
