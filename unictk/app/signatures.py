"""Reads what a ``_target_`` accepts from its signature: annotations become specs."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import enum
import inspect
import os
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import annotated_types

from unictk.app.targets import locate

_SCALARS: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    type(None): {"type": "null"},
    None: {"type": "null"},
}
_LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


def read_target(path: str) -> dict[str, Any]:
    """``{"params": {name: spec}, "required": [...], "open": bool}`` of an importable class or function.

    ``open`` means that the signature ends in ``**kwargs``. A parameter without default is required unless
    only Python can supply it (a module, a configuration): then whoever builds the node passes it.

    Raises:
        ImportError: the target cannot be imported.
    """
    found = locate(path)
    params: dict[str, Any] = {}
    required: list[str] = []
    is_open = False
    hints = _hints(found)
    for name, parameter in inspect.signature(found).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
        elif parameter.kind not in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            params[name] = spec_of(hints.get(name, Any))
            if parameter.default is parameter.empty and _writable(params[name]):
                required.append(name)
    return {"params": params, "required": required, "open": is_open}


def _hints(found: Any) -> dict[str, Any]:
    """Annotations by parameter; one that cannot be evaluated is left out, hence unchecked."""
    function = found.__init__ if inspect.isclass(found) else found
    function = inspect.unwrap(function)
    scope = vars(sys.modules[function.__module__]) if hasattr(function, "__module__") else {}
    hints: dict[str, Any] = {}
    for name, parameter in inspect.signature(found).parameters.items():
        hints[name] = _evaluate(parameter.annotation, scope)
    return hints


def _evaluate(annotation: Any, scope: Mapping[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, dict(scope), include_extras=True)["it"]
    except (NameError, TypeError, AttributeError):
        # The name is imported for type checkers only: the class cannot come from YAML, so it is a node.
        return object if isinstance(annotation, str) else Any


def spec_of(annotation: Any) -> dict[str, Any]:
    """The spec of an annotation; what cannot be told is ``{}`` (anything)."""
    if annotation in (Any, object, inspect.Parameter.empty) or isinstance(annotation, (str, typing.TypeVar)):
        return {"type": "object", "target": "object"} if annotation is object else {}
    if hasattr(annotation, "__value__"):
        return spec_of(annotation.__value__)
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _bounded(spec_of(args[0]), args[1:])
    if origin is typing.Literal:
        return {"enum": list(args)}
    if origin in (typing.Union, types.UnionType):
        return _union([spec_of(arg) for arg in args])
    if (origin or annotation) in _LISTS:
        return _list(args)
    if (origin or annotation) in _MAPPINGS:
        return {"type": "object", **({"values": spec_of(args[1])} if len(args) == 2 else {})}
    return _class(origin or annotation)


def _class(kind: Any) -> dict[str, Any]:
    if not inspect.isclass(kind):
        return {}
    if issubclass(kind, os.PathLike):
        return {"type": "string"}
    if issubclass(kind, enum.Enum):
        return {"enum": [member.name for member in kind]}
    spec: dict[str, Any] = {"type": "object", "target": f"{kind.__module__}.{kind.__qualname__}"}
    if dataclasses.is_dataclass(kind):
        spec["fields"] = fields_of(kind)
    return spec


def fields_of(kind: type) -> dict[str, Any]:
    """Field name -> spec of a dataclass."""
    scope = vars(sys.modules[kind.__module__])
    return {field.name: spec_of(_evaluate(field.type, scope)) for field in dataclasses.fields(kind)}


def _list(args: tuple[Any, ...]) -> dict[str, Any]:
    kinds = [spec_of(arg) for arg in args if arg is not Ellipsis]
    return {"type": "array", **({"items": _union(kinds)} if kinds else {})}


def _union(specs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    flat: list[dict[str, Any]] = []
    for spec in specs:
        flat += [branch for branch in spec.get("anyOf", [spec]) if branch not in flat]
    if not all(flat):
        return {}
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _bounded(spec: dict[str, Any], extras: Iterable[Any]) -> dict[str, Any]:
    """Adds the bounds of ``Annotated`` to every branch they can hold for (not to null)."""
    bounds: dict[str, Any] = {}
    for extra in extras:
        for item in extra if isinstance(extra, annotated_types.GroupedMetadata) else (extra,):
            bounds.update(_bound(item))
    if "anyOf" in spec:
        return {"anyOf": [_bounded(branch, extras) for branch in spec["anyOf"]]}
    numeric = spec.get("type") in ("integer", "number")
    listed = spec.get("type") == "array"
    return spec | {name: b for name, b in bounds.items() if (listed if name == "minItems" else numeric)}


def _bound(item: Any) -> dict[str, Any]:
    names = {
        annotated_types.Ge: ("ge", "minimum"),
        annotated_types.Gt: ("gt", "exclusiveMinimum"),
        annotated_types.Le: ("le", "maximum"),
        annotated_types.Lt: ("lt", "exclusiveMaximum"),
        annotated_types.MinLen: ("min_length", "minItems"),
    }
    attribute, name = names.get(type(item), ("", ""))
    return {name: getattr(item, attribute)} if name else {}


def _writable(spec: Mapping[str, Any]) -> bool:
    """Whether YAML alone can give such a value: every alternative built by a class cannot."""
    branches = spec.get("anyOf", [spec])
    return any(
        bool(branch) and "target" not in branch and _writable_items(branch.get("items"))
        for branch in branches
    )


def _writable_items(items: Mapping[str, Any] | None) -> bool:
    return not items or _writable(items)
