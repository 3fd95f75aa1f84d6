"""The pre-flight check: is this request one that can run? Imports no ``_target_``, hence no torch.

A request is composed with Hydra's compose interface and walked against ``conf/schema.json``. A sweep is
checked whole before its first job: each distinct choice of groups is composed, each listed value checked.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unictk.app import schema
from unictk.app.allowed_targets import check_targets
from unictk.app.composition import Composed, composed, composer
from unictk.app.explain import explain
from unictk.app.group_check import check_group_choices
from unictk.app.request import Request, read_overrides
from unictk.app.specs import fits, wrong_value
from unictk.app.sweep_values import line_of, lines_of, values_of
from unictk.app.tree_check import TreeCheck
from unictk.errors import UserError

MOST_COMPOSITIONS = 12
"""Up to here every combination of swept groups is composed; beyond, each option at least once."""


def check(request: Request) -> Composed:
    """The composed request (of a sweep: its first job), or the one reason why it cannot run.

    Raises:
        UserError: one line with key, value, and the nearest valid choice.
    """
    check_group_choices(request)
    with composer(request):
        first = _compose(request, request.overrides, [line_of(o) for o in request.overrides])
        sweeps = request.multirun or first.mode == "MULTIRUN"
        # Hydra reads hydra.sweeper.params of a sweep only.
        overrides = _with_sweep_params(request.overrides, first) if sweeps else list(request.overrides)
        swept = [override for override in overrides if override.is_sweep_override()]
        if swept and not sweeps:
            typed = swept[0]
            raise UserError(
                f"{typed.key_or_group}: {_typed_value(typed)!r} is a list of values, which needs -m"
            )
        for lines in _combinations(request, overrides):
            again = lines != [line_of(o) for o in request.overrides]
            _check_one(request, overrides, _compose(request, overrides, lines) if again else first)
    return first


def _typed_value(override: Override) -> str:
    return (override.input_line or "").partition("=")[2]


def _with_sweep_params(overrides: Sequence[Override], first: Composed) -> list[Override]:
    """The typed overrides and those of ``hydra.sweeper.params``, which a typed one replaces."""
    typed = {override.get_key_element() for override in overrides}
    lines = [f"{key}={value}" for key, value in first.sweep_params.items() if key not in typed]
    return [*overrides, *read_overrides(lines)]


def _compose(request: Request, overrides: Sequence[Override], lines: Sequence[str]) -> Composed:
    try:
        return composed(request, lines)
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(request, overrides, lines, error) from error


def _combinations(request: Request, overrides: Sequence[Override]) -> list[list[str]]:
    """The override lines of each composition to check; swept values that are no group stay at their first."""
    groups = request.tree.groups
    choices = [
        lines_of(override, groups) if override.key_or_group in groups else [line_of(override, groups)]
        for override in overrides
    ]
    count = 1
    for options in choices:
        count *= len(options)
    if count <= MOST_COMPOSITIONS:
        return [list(lines) for lines in itertools.product(*choices)]
    first = [options[0] for options in choices]
    return [first] + [
        [*first[:place], option, *first[place + 1 :]]
        for place, options in enumerate(choices)
        for option in options[1:]
    ]


def _check_one(request: Request, overrides: Sequence[Override], found: Composed) -> None:
    typed = [one.input_line or "" for one in request.overrides]
    check_targets(found.plain, found.hydra, typed)
    checker = TreeCheck(schema.load(request.tree.roots), request.tree.groups)
    checker.check(found.plain)
    for override in overrides:
        if override.key_or_group in request.tree.groups or override.is_hydra_override():
            continue
        for value in values_of(override)[1:]:
            _check_value(request, checker, found, override.key_or_group, value)


def _check_value(request: Request, checker: TreeCheck, found: Composed, key: str, value: Any) -> None:
    """One more value of a swept key: its own spec first, then the whole with it in place."""
    spec = checker.specs.get(key, {})
    if spec and not fits(value, spec):
        raise wrong_value(key, value, spec)
    plain = OmegaConf.create(found.plain, flags={"allow_objects": True})
    OmegaConf.update(plain, key, value, force_add=True)
    whole = OmegaConf.to_container(plain, resolve=False)
    assert isinstance(whole, dict)
    named = {str(name): item for name, item in whole.items()}
    check_targets(named, {}, [one.input_line or "" for one in request.overrides])
    TreeCheck(checker.schema, request.tree.groups).check(named)
