"""What makes two requests the same: the name and hash of a run folder.

Left out are ``paths.*``, devices, loader workers, loggers, ``rerun``, ``trust``, secrets and what is Hydra's
own: they change where and how fast something runs, not what comes out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unictk.app.masking import is_secret, masked_text

_LEFT_OUT_SECTIONS = ("paths", "logger", "rerun", "trust", "hydra")
_LEFT_OUT_KEYS = ("devices", "num_nodes", "num_workers")
_LONGEST = 80
_CONCEPT_FILES = ("concept.json", "concept.safetensors")
_QUESTION_KEYS = ("questions", "prompts")


def portable(config: DictConfig) -> dict[str, Any]:
    """The configuration as records keep it: resolved, without what belongs to one machine.

    A value below ``paths`` that another key repeats stays as its interpolation.
    """
    copy = OmegaConf.create(OmegaConf.to_container(config, resolve=False))
    assert isinstance(copy, DictConfig)
    for name in copy.get("paths") or {}:
        copy.paths[name] = f"<paths.{name}>"
    plain = _resolve(copy, "", OmegaConf.to_container(copy, resolve=False))
    kept = {key: value for key, value in plain.items() if key not in _LEFT_OUT_SECTIONS}
    return _without_machine(kept)


def left_out(key: str) -> bool:
    """Whether an override of this key changes nothing that is recorded."""
    name = key.lstrip("+~").split("@")[0]
    first, last = re.split(r"[./]", name)[0], name.split(".")[-1]
    return first in _LEFT_OUT_SECTIONS or last in _LEFT_OUT_KEYS or is_secret(name)


def recorded(overrides: Iterable[str]) -> list[str]:
    """The overrides that count, sorted: the order they are typed in does not matter."""
    return sorted(line for line in overrides if not left_out(line.split("=")[0]))


def request_hash(config: Mapping[str, Any], *more: str) -> str:
    """Eight hexadecimal digits of a portable configuration and of what lies in the files it names.

    These are saved concepts, and a benchmark's questions: others in the same place are another request.
    """
    read = [*_concepts(config), *_questions(config)]
    text = json.dumps([_without_secrets(config), *more, *read], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _concepts(config: Mapping[str, Any]) -> list[str]:
    """Hashes of the concepts that the request names."""
    task = config.get("task")
    saved = task.get("saved") if isinstance(task, Mapping) else None
    named = [config.get("rows"), *(saved if isinstance(saved, list) else [saved])]
    files = [Path(str(folder)) / name for folder in named if folder for name in _CONCEPT_FILES]
    return [_hash(file) for file in files if file.is_file()]


def _questions(config: Mapping[str, Any]) -> list[str]:
    """Hashes of the question files that the request names."""
    benchmark = config.get("benchmark")
    if not isinstance(benchmark, Mapping):
        return []
    named = [Path(str(benchmark[key])) for key in _QUESTION_KEYS if benchmark.get(key)]
    files = [file for path in named for file in (sorted(path.glob("*.json*")) if path.is_dir() else [path])]
    return [f"{file.name} {_hash(file)}" for file in files if file.is_file()]


def _hash(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()


def slug(overrides: Sequence[str], fallback: str) -> str:
    """The overrides that count as a file name; ``fallback`` when there are none."""
    words = [re.sub(r"[^A-Za-z0-9._]+", "-", masked_text(line)).strip("-.") for line in recorded(overrides)]
    return "_".join(words)[:_LONGEST].rstrip("-_.") or fallback


def run_name(_root_: DictConfig) -> str:
    """``<slug>-<hash>`` of the configuration being run; resolver behind ``hydra.run.dir``."""
    config = OmegaConf.masked_copy(_root_, [str(key) for key in _root_ if key != "hydra"])
    lines = [str(line) for line in _root_.hydra.overrides.task]
    experiment = _root_.hydra.runtime.choices.get("experiment") or "run"
    return f"{slug(lines, slug([str(experiment)], 'run'))}-{request_hash(portable(config))}"


def _resolve(config: DictConfig, key: str, value: Any) -> Any:
    """Follows interpolations where they lead somewhere; the rest stays as written."""
    if isinstance(value, dict):
        return {name: _resolve(config, f"{key}.{name}".lstrip("."), item) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolve(config, f"{key}.{index}", item) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    if "${" in value:
        try:
            found = OmegaConf.select(config, key)
        except OmegaConfBaseException:
            return value
        if OmegaConf.is_config(found):
            return _resolve(found, "", OmegaConf.to_container(found, resolve=False))
        value = value if found is None else found
    return re.sub(r"<(paths\.\w+)>", r"${\1}", value) if isinstance(value, str) else value


def _without_machine(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_machine(item) for name, item in value.items() if name not in _LEFT_OUT_KEYS}
    return [_without_machine(item) for item in value] if isinstance(value, list) else value


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_secrets(item) for name, item in value.items() if not is_secret(str(name))}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value
