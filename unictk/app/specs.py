"""What a value of the configuration may be: a small part of JSON Schema, checked and put into words.

A spec is a plain dict: ``type`` (integer, number, string, boolean, null, array, object), ``enum``,
``minimum``, ``maximum``, ``exclusiveMinimum``, ``exclusiveMaximum``, ``items``, ``minItems``, ``anyOf``;
an object may have ``target`` (the class a node must build), ``fields`` or ``values``. ``{}`` is anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from unictk.errors import UserError, nearest, not_a_choice

Spec = Mapping[str, Any]

_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": (">=", lambda value, bound: value >= bound),
    "exclusiveMinimum": (">", lambda value, bound: value > bound),
    "maximum": ("<=", lambda value, bound: value <= bound),
    "exclusiveMaximum": ("<", lambda value, bound: value < bound),
}
_WORDS = {"string": "text", "boolean": "true or false", "null": "null", "object": "a section"}


def is_open(value: object) -> bool:
    """Whether the value is an interpolation, which only the composed configuration can tell."""
    return isinstance(value, str) and "${" in value


def branches(spec: Spec) -> list[Spec]:
    """The alternatives of a spec; a spec without alternatives is its own."""
    return list(spec.get("anyOf", [spec]))


def fits(value: Any, spec: Spec) -> bool:
    """Whether ``value`` is allowed by ``spec``. A node with a ``_target_`` fits anything: it may build it."""
    if is_open(value) or (isinstance(value, Mapping) and "_target_" in value):
        return True
    return any(_fits_one(value, branch) for branch in branches(spec))


def _fits_one(value: Any, spec: Spec) -> bool:
    if "enum" in spec:
        return any(value == choice and type(value) is type(choice) for choice in spec["enum"])
    kind = spec.get("type")
    if kind == "array":
        items = spec.get("items", {})
        long_enough = isinstance(value, list) and len(value) >= spec.get("minItems", 0)
        return long_enough and all(fits(item, items) for item in value)
    if kind == "object":
        return isinstance(value, Mapping) and _fits_object(value, spec)
    return _is_a(value, kind) and all(
        holds(value, spec[bound]) for bound, (_, holds) in _BOUNDS.items() if bound in spec
    )


def _fits_object(value: Mapping[str, Any], spec: Spec) -> bool:
    if "fields" in spec:
        return all(
            name in spec["fields"] and fits(item, spec["fields"][name]) for name, item in value.items()
        )
    return "target" not in spec and all(fits(item, spec.get("values", {})) for item in value.values())


def _is_a(value: Any, kind: str | None) -> bool:
    if kind in ("integer", "number"):
        numeric = isinstance(value, int if kind == "integer" else (int, float))
        return numeric and not isinstance(value, bool) and math.isfinite(value)
    plain = {"string": str, "boolean": bool, "null": type(None)}
    return kind is None or isinstance(value, plain[kind])


def describe(spec: Spec) -> str:
    """The spec in words: ``an integer >= 1 or null``."""
    return " or ".join(dict.fromkeys(_describe_one(branch) for branch in branches(spec))) or "nothing"


def _describe_one(spec: Spec) -> str:
    if "enum" in spec:
        return ("one of " if len(spec["enum"]) > 1 else "") + ", ".join(
            _yaml(choice) for choice in spec["enum"]
        )
    kind = spec.get("type")
    if kind == "array":
        return f"a list of [{describe(spec['items'])}]" if spec.get("items") else "a list"
    if kind in ("integer", "number"):
        limits = " and ".join(f"{sign} {spec[name]}" for name, (sign, _) in _BOUNDS.items() if name in spec)
        return f"{'an' if kind == 'integer' else 'a'} {kind} {limits}".rstrip()
    if kind == "object" and "target" in spec:
        return f"a section with a _target_ ({spec['target']})"
    return _WORDS.get(kind or "", "anything")


def wrong_value(key: str, value: Any, spec: Spec) -> UserError:
    """The one line for a value that does not fit, with the nearest that does where there is one."""
    choices = [choice for branch in branches(spec) for choice in branch.get("enum", ())]
    texts = [_yaml(choice) for choice in choices]
    if choices and all("enum" in branch for branch in branches(spec)):
        return not_a_choice(key, _yaml(value), texts)
    near = _nearest_number(value, spec) or (nearest(value, texts) if isinstance(value, str) else None)
    hint = f"; nearest: {near}" if near else ""
    if _fits_quoted(value, spec):
        hint = f"; nearest: '\"{value}\"' (quoted, so that it is text)"
    return UserError(f"{key}: {show(value)} is not allowed, expected {describe(spec)}{hint}")


def _fits_quoted(value: Any, spec: Spec) -> bool:
    scalar = isinstance(value, (int, float)) and not isinstance(value, bool)
    kinds = [branch.get("type") for branch in branches(spec)]
    return scalar and "string" in kinds and not {"integer", "number"} & set(kinds)


def _nearest_number(value: Any, spec: Spec) -> str | None:
    """The bound that the number crosses, when the bound itself is allowed, or the whole number beside it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    for branch in branches(spec):
        whole = [round(value)] if branch.get("type") == "integer" else []
        near = [*whole, *(branch[name] for name in ("minimum", "maximum") if name in branch)]
        allowed = [number for number in near if _fits_one(number, branch)]
        if allowed:
            return str(min(allowed, key=lambda number: abs(number - value)))
    return None


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def show(value: Any) -> str:
    """A value as one would type it, text in quotes."""
    return repr(value) if isinstance(value, str) else _yaml(value)
