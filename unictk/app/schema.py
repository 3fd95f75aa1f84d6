"""Writes ``conf/schema.json``: what every ``_target_`` in ``conf/`` accepts, read from its signature.

``python -m unictk.app.schema`` writes it; ``--check`` only compares. The pre-flight check reads the file,
so that a wrong value is refused without importing any target.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from unictk.app.conf_tree import conf_dir
from unictk.app.known_targets import CONSTRAINTS
from unictk.app.settings import Settings
from unictk.app.signatures import fields_of, read_target

FILE = "schema.json"


def targets_in(value: Any) -> Iterator[str]:
    """Every ``_target_`` inside plain containers."""
    if isinstance(value, Mapping):
        if isinstance(value.get("_target_"), str):
            yield value["_target_"]
        for item in value.values():
            yield from targets_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from targets_in(item)


def targets_of(conf: Path) -> dict[str, list[str]]:
    """Target -> the YAML files that name it, over every file below ``conf``."""
    found: dict[str, list[str]] = {}
    for file in sorted(conf.rglob("*.yaml")):
        content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        for target in targets_in(content):
            found.setdefault(target, []).append(file.relative_to(conf).as_posix())
    return found


def build(conf: Path) -> tuple[dict[str, Any], list[str]]:
    """The schema, and one line for each target that cannot be imported (left out, hence unchecked)."""
    targets: dict[str, Any] = {}
    problems = []
    for target, files in sorted(targets_of(conf).items()):
        try:
            entry = read_target(target)
        except ImportError as error:
            problems.append(f"{files[0]}: {' '.join(str(error).split())}")
            continue
        if target in CONSTRAINTS:
            entry["params"].update(CONSTRAINTS[target])
            entry["open"] = False
        targets[target] = entry
    return {"targets": targets}, problems


def load(roots: Sequence[Path]) -> dict[str, Any]:
    """The written schemas of several folders as one; a target that none of them has is not checked."""
    whole: dict[str, Any] = {"settings": fields_of(Settings), "targets": {}}
    for file in (root / FILE for root in roots):
        if file.is_file():
            written = json.loads(file.read_text(encoding="utf-8"))
            whole["targets"] = written["targets"] | whole["targets"]
    return whole


def as_text(schema: Mapping[str, Any]) -> str:
    """The file's text: sorted, so that equal schemas are equal files."""
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Command line. Exit code 1: a target cannot be imported, or with ``--check`` the file is stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    parser.add_argument("--conf", type=Path, default=conf_dir(), help="the folder of YAML groups")
    asked = parser.parse_args()
    schema, problems = build(asked.conf)
    file = asked.conf / FILE
    for problem in problems:
        print(f"cannot import: {problem}", file=sys.stderr)
    if asked.check:
        stale = not file.is_file() or file.read_text(encoding="utf-8") != as_text(schema)
        if stale:
            print(f"{file.name} is stale: run python -m unictk.app.schema", file=sys.stderr)
        return int(stale or bool(problems))
    file.write_text(as_text(schema), encoding="utf-8")
    print(f"{file.name}: {len(schema['targets'])} targets")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
