"""Composes a configuration with Hydra's compose interface: nothing is imported or built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from hydra import compose
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unictk.app.conf_tree import conf_dir
from unictk.app.request import Request
from unictk.errors import UserError


@dataclass(frozen=True)
class Composed:
    """A composed request: the configuration without Hydra's own, resolved plainly, and Hydra's part."""

    config: DictConfig
    plain: dict[str, Any]
    mode: str
    sweep_params: Mapping[str, str]
    choices: Mapping[str, str | None]
    hydra: Mapping[str, Any]


@contextmanager
def composer(request: Request) -> Iterator[None]:
    """Inside, :func:`composed` works for this request."""
    setbase("1.3")
    GlobalHydra.instance().clear()
    path = create_config_search_path(str(conf_dir()))
    if request.config_dir is not None:
        # Where Hydra's command line puts --config-dir; its public compose interface has no place for it.
        schema = SearchPathQuery(provider="schema")
        path.prepend(provider="command-line", path=f"file://{request.config_dir}", anchor=schema)
    Hydra.create_main_hydra2(task_name="run", config_search_path=path)
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def composed(request: Request, lines: Sequence[str]) -> Composed:
    """Composes the override lines.

    Raises:
        HydraException: what Hydra itself refuses.
        UserError: an interpolation that points nowhere.
    """
    whole = compose(request.config_name, overrides=list(lines), return_hydra_config=True)
    own = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
    params = OmegaConf.select(whole, "hydra.sweeper.params") or {}
    mode = OmegaConf.select(whole, "hydra.mode")
    return Composed(
        config=own,
        plain=resolved(own),
        mode=mode.name if mode is not None else "RUN",
        sweep_params={str(key): str(value) for key, value in params.items()},
        choices=dict(whole.hydra.runtime.choices),
        hydra=cast("dict[str, Any]", OmegaConf.to_container(whole.hydra, resolve=False)),
    )


def resolved(config: DictConfig) -> dict[str, Any]:
    """Plain containers with every interpolation followed, except those into Hydra's own running job."""
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): _resolve(config, str(key), value) for key, value in plain.items()}


def _resolve(config: DictConfig, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _resolve(config, f"{key}.{name}", item) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolve(config, f"{key}.{index}", item) for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value or "${hydra:" in value:
        return value
    try:
        found = OmegaConf.select(config, key, throw_on_missing=False)
    except OmegaConfBaseException as error:
        first = str(error).split("\n")[0]
        raise UserError(f"{key}: {value!r} cannot be resolved: {first}") from error
    if found is None and not _is_null(config, key):
        return "???"
    return OmegaConf.to_container(found, resolve=False) if OmegaConf.is_config(found) else found


def _is_null(config: DictConfig, key: str) -> bool:
    """Whether an interpolation really gives null rather than a value that is still missing."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return not OmegaConf.is_missing(node, int(name) if OmegaConf.is_list(node) else name)


def quoted(text: str) -> str:
    """The text as a quoted value of an override."""
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
