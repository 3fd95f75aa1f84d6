"""Why Hydra would not compose a request: the key that does not exist, and the nearest that does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from unictk.app import schema
from unictk.app.composition import Composed, composed
from unictk.app.request import Request
from unictk.app.specs import branches
from unictk.app.sweep_values import values_of
from unictk.app.tree_check import TreeCheck, unknown_key
from unictk.errors import UserError, nearest, not_a_choice


def explain(
    request: Request, overrides: Sequence[Override], lines: Sequence[str], error: Exception
) -> UserError:
    """The one line for a composition that failed with ``error``.

    The request is composed again with its group choices alone, and each other override is looked up there.
    """
    groups = request.tree.groups
    kept = [line for override, line in zip(overrides, lines, strict=True) if override.key_or_group in groups]
    try:
        base = composed(request, kept)
    except (HydraException, OmegaConfBaseException) as group_error:
        return _unknown_package(request, overrides, group_error)
    for override in overrides:
        if override.key_or_group not in groups and not override.is_hydra_override():
            for key, value in _given(override.key_or_group, values_of(override)[0]):
                found = _explain_one(request, override, base, key, value)
                if found is not None:
                    return found
    return UserError(_first_line(error))


def _unknown_package(request: Request, overrides: Sequence[Override], error: Exception) -> UserError:
    """A group chosen where the defaults list has no such place."""
    groups = request.tree.groups
    try:
        choices = composed(request, []).choices
    except (HydraException, OmegaConfBaseException):
        return UserError(_first_line(error))
    for override in overrides:
        key = override.get_key_element().lstrip("~")
        if override.key_or_group in groups and key[0] != "+" and key not in choices:
            return _no_such_place(override, key, sorted(choices))
    return UserError(_first_line(error))


def _no_such_place(override: Override, key: str, choices: Sequence[str]) -> UserError:
    """A group that is chosen elsewhere (``stage@stages.s1``), or that this request does not use."""
    places = [place for place in choices if place.partition("@")[0] == override.key_or_group]
    value = values_of(override)[0]
    if not places:
        return UserError(
            f"{key}: {value!r} is chosen, but this request has no {key}; nearest: +{key}={value}"
        )
    best = nearest(key, places) or places[0]
    return UserError(f"{key}: {value!r} has no place here; nearest: {best}={value}. All: {', '.join(places)}")


def _given(key: str, value: object) -> Iterator[tuple[str, object]]:
    """The keys that an override sets: one, or those of a mapping (``a={b:1}`` sets ``a.b``)."""
    if not isinstance(value, Mapping):
        yield key, value
        return
    for name, item in value.items():
        yield from _given(f"{key}.{name}", item)


def _explain_one(
    request: Request, override: Override, base: Composed, key: str, value: object
) -> UserError | None:
    if "/" in key or override.package is not None:
        return not_a_choice(key, key, list(request.tree.groups), where="groups")
    if override.is_force_add():
        return None
    parent, missing = _walk(base.plain, key)
    if override.is_add():
        return (
            None
            if missing
            else UserError(f"{key}: {value!r} is added, but the key is there: write it without +")
        )
    if not missing:
        return None
    return _no_such_key(request, base, key, parent, missing, value)


def _walk(plain: Mapping[str, Any], key: str) -> tuple[str, str]:
    """The longest part of a dotted key that exists, and the first part that does not ('' if all do)."""
    node: Any = plain
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, Mapping) and part in node:
            node = node[part]
        else:
            return ".".join(parts[:depth]), part
    return key, ""


def _no_such_key(
    request: Request, base: Composed, key: str, parent: str, part: str, value: object
) -> UserError:
    node: Any = base.plain
    for name in parent.split(".") if parent else ():
        node = node[int(name)] if isinstance(node, list) else node[name]
    if not isinstance(node, Mapping):
        return UserError(f"{key}: {value!r} is given below {parent}, which is a value, not a section")
    if part in _accepted(request, base, parent, node):
        owner = node.get("_target_", parent)
        return UserError(
            f"{key}: {value!r} is for a key not set here; {owner} takes it: write +{key}={value}"
        )
    children = [name for name in node if not name.startswith("_")] + (
        [] if parent else list(request.tree.groups)
    )
    elsewhere = _same_name_elsewhere(base.plain, key.rpartition(".")[2])
    if elsewhere is not None and not parent and nearest(part, children) is None:
        return UserError(f"{key}: {value!r} is given to a key that is not here; nearest: {elsewhere}")
    depth = parent.count(".") + 1 if parent else 0
    return unknown_key(key, value, children, parent or "the configuration", depth)


def _accepted(request: Request, base: Composed, parent: str, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Names that the class behind a section takes, set or not."""
    checker = TreeCheck(schema.load(request.tree.roots), request.tree.groups)
    if "_target_" in node:
        return checker.schema["targets"].get(node["_target_"], {"params": {}})["params"]
    with contextlib.suppress(UserError):  # the walk is only for its specs: another key may be wrong too
        checker.check(base.plain)
    fields = [branch["fields"] for branch in branches(checker.specs.get(parent, {})) if "fields" in branch]
    return fields[0] if fields else {}


def _same_name_elsewhere(plain: Mapping[str, Any], name: str) -> str | None:
    """The shortest key that ends in ``name``, or in the name most like it."""
    keys = sorted(_leaves(plain, ""), key=lambda key: (key.count("."), key))
    best = nearest(name, [key.rpartition(".")[2] for key in keys])
    return next((key for key in keys if key.rpartition(".")[2] == best), None)


def _leaves(node: Mapping[str, Any], stem: str) -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{stem}{name}.")
        elif not name.startswith("_"):
            yield f"{stem}{name}"


def _first_line(error: Exception) -> str:
    """Hydra's own message on one line, without the advice that follows it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__
