"""Checks a composed configuration against the schema, node by node, without importing a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from unictk.app.path_checks import MISSING, PATH_CHECKS, output_folder, starting_rows
from unictk.app.schema import targets_in
from unictk.app.selfplay_check import selfplay_of_the_task
from unictk.app.specs import Spec, branches, describe, fits, show, wrong_value
from unictk.app.task_check import (
    benchmark_and_judge,
    instruction_data,
    rewriting_of_the_task,
    stages_of_the_task,
    strategy_of_the_task,
)
from unictk.errors import UserError, nearest

_HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}

_REPEATING = ("callbacks", "logger")
"""Sections that repeat other sections' values: checked last, so that a line names the key that was typed."""


class TreeCheck:
    """One walk over a plain configuration. ``specs`` then holds the spec of every key that has one."""

    def __init__(self, schema: Mapping[str, Any], groups: Collection[str]) -> None:
        self.schema = schema
        self.groups = groups
        self.specs: dict[str, Spec] = {}

    def check(self, plain: Mapping[str, Any]) -> None:
        """Raises UserError for the first thing wrong.

        Unknown or missing keys, values that do not fit, ``???``, and folders that are not there.
        """
        fields = self.schema["settings"]
        for key, value in sorted(plain.items(), key=lambda item: item[0] in _REPEATING):
            if key in fields:
                self._value(key, value, fields[key])
            elif key in self.groups or any(targets_in(value)):
                self._value(key, value, {})
            else:
                raise unknown_key(key, value, [*fields, *self.groups], "the configuration")
        for name in fields:
            if name not in plain:
                raise UserError(f"{name}: removed, but it is needed, expected {describe(fields[name])}")
        output_folder(plain["paths"]["output"])
        starting_rows(plain["rows"])
        stages_of_the_task(plain)
        strategy_of_the_task(plain)
        instruction_data(plain)
        benchmark_and_judge(plain)
        rewriting_of_the_task(plain)
        selfplay_of_the_task(plain)

    def _value(self, key: str, value: Any, spec: Spec) -> None:
        if spec:
            self.specs[key] = spec
        if isinstance(value, Mapping) and "_target_" in value:
            self._node(key, value)
            return
        if value == MISSING:
            raise UserError(f"{key}: ??? is not given; give {key}=<{describe(spec)}>")
        if isinstance(value, Mapping):
            self._section(key, value, spec)
        elif spec and not fits(value, spec):
            raise wrong_value(key, value, spec)
        elif isinstance(value, list):
            items: Spec = next((branch["items"] for branch in branches(spec) if "items" in branch), {})
            for index, item in enumerate(value):
                self._value(f"{key}.{index}", item, items)

    def _section(self, key: str, value: Mapping[str, Any], spec: Spec) -> None:
        """A mapping without a target: the fields of a dataclass, or free keys of one kind."""
        sections = [branch for branch in branches(spec) if branch.get("type") == "object"]
        if spec and not sections:
            raise wrong_value(key, f"{{{', '.join(map(str, value))}}}", spec)
        fields = next((branch["fields"] for branch in sections if "fields" in branch), None)
        values: Spec = next((branch["values"] for branch in sections if "values" in branch), {})
        for name, item in value.items():
            if fields is not None and name not in fields:
                raise unknown_key(f"{key}.{name}", item, fields, key)
            self._value(f"{key}.{name}", item, values if fields is None else fields[name])

    def _node(self, key: str, node: Mapping[str, Any]) -> None:
        target = node["_target_"]
        entry = self.schema["targets"].get(target, {"params": {}, "required": [], "open": True})
        params = entry["params"]
        if target in PATH_CHECKS:
            PATH_CHECKS[target](key, node)
        for name, value in node.items():
            if name in _HYDRA_KEYS:
                continue
            if name not in params and not entry["open"]:
                raise unknown_key(f"{key}.{name}", value, _present_first(params, node), target)
            self._value(f"{key}.{name}", value, params.get(name, {}))
        if not node.get("_partial_"):
            for name in entry["required"]:
                if name not in node:
                    raise UserError(
                        f"{key}.{name}: not given, but {target} needs it: {describe(params[name])}"
                    )


def _present_first(params: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    return [*(name for name in node if name in params), *(name for name in params if name not in node)]


def unknown_key(
    key: str, value: object, candidates: Collection[str], where: str, depth: int = -1
) -> UserError:
    """The one line for a key that nothing reads.

    ``candidates`` are the names valid in place of the key's part number ``depth`` (by default the last).
    """
    parts = key.split(".")
    part = parts[depth]
    best = nearest(part, candidates)
    if best is not None:
        parts[depth] = best
    hint = f"; nearest: {'.'.join(parts)}" if best else ""
    names = list(dict.fromkeys(candidates))
    listed = ", ".join(names[:24]) + (", ..." if len(names) > 24 else "")
    return UserError(f"{key}: {_short(value)} is given, but {where} has no {part!r}{hint}. All: {listed}")


def _short(value: object) -> str:
    return "a section" if isinstance(value, (Mapping, list)) else show(value)
