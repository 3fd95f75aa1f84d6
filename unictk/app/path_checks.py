"""Checks of folders that a request names, keyed on the ``_target_`` that will read them.

Each check gets the key of the node and its plain, resolved values; a value may be ``???``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unictk.concepts.names import REPOSITORY, meant
from unictk.errors import UserError, not_a_choice

MISSING = "???"
STATUS = "status.json"
CONCEPT = ("concept.json", "a concept folder")


def concept_folder(key: str, node: Mapping[str, Any]) -> None:
    """``name`` must be a folder of ``<root>/concept/train``."""
    root = node.get("root", MISSING)
    train = Path(str(root)) / "concept" / "train"
    if not train.is_dir():
        raise UserError(
            f"paths.data: {str(root)!r} has no folder concept/train; expected the UniCTokens layout"
        )
    names = sorted(path.name for path in train.iterdir() if path.is_dir() and not path.name.startswith("."))
    name = node.get("name", MISSING)
    if name == MISSING:
        raise UserError(f"{key}.name: ??? is not given; give {key}.name=<name>. All: {', '.join(names[:24])}")
    if name not in names:
        raise not_a_choice(f"{key}.name", name, names, where="paths.data")


def saved_concept(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be a concept directory."""
    _needs(key, node, "saved", *CONCEPT)


def what_to_evaluate(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be a concept directory, or null; words stand for tokens only where there are none."""
    saved_concept(key, node)
    for name in ("described", "called"):
        if node.get("saved") is not None and node.get(name):
            raise UserError(
                f"{key}.{name}: {_typed(node[name])} is for a model without tokens of the concept, but "
                f"{key}.saved gives some; leave one of the two out"
            )


def saved_concepts(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be a concept directory, several, or null; ``image`` a file or null."""
    saved = node.get("saved")
    for folder in saved if isinstance(saved, list) else [saved]:
        _needs(key, {"saved": folder}, "saved", *CONCEPT)
    image = node.get("image")
    if image is not None and not Path(str(image)).is_file():
        raise UserError(f"{key}.image: {str(image)!r} is not a file; expected a picture")


def what_to_draw(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be concept directories or null, ``prompts`` a file or null; the prompt names them."""
    saved, prompts, prompt = node.get("saved"), node.get("prompts"), node.get("prompt")
    folders = saved if isinstance(saved, list) else [saved]
    for one in folders:
        _needs(key, {"saved": one}, "saved", *CONCEPT)
    if prompts is not None and not Path(str(prompts)).is_file():
        raise UserError(f"{key}.prompts: {str(prompts)!r} is not a file; expected a txt, csv or jsonl file")
    given = [str(one) for one in folders if one is not None]
    known = [name for one in given if (name := _name(Path(one))) is not None]
    if prompts is None and isinstance(prompt, str) and folders and len(known) == len(given):
        meant(prompt, known)


def _name(folder: Path) -> str | None:
    """The concept's name in brackets; None where its file cannot be read, which loading it will tell."""
    try:
        found = json.loads((folder / CONCEPT[0]).read_text(encoding="utf-8"))
        return f"<{found['name']}>"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def what_to_export(key: str, node: Mapping[str, Any]) -> None:
    """``saved`` must be a concept directory; ``push`` a hub repository, with a token to write there."""
    saved_concept(key, node)
    push = node.get("push")
    if push is None:
        return
    if node.get("form") != "hub":
        raise UserError(f"{key}.push: {push!r} takes the hub's form only; nearest: {key}.form=hub")
    if not REPOSITORY.fullmatch(str(push)):
        raise UserError(f"{key}.push: {push!r} is not a hub repository; expected <user>/<name>")
    if not os.environ.get("HF_TOKEN"):
        raise UserError(f"{key}.push: {push!r} needs a token; expected it in the environment as HF_TOKEN")


def what_to_report(key: str, node: Mapping[str, Any]) -> None:
    """Either ``run``, a run folder, or ``runs``, folders that hold runs."""
    run, runs = node.get("run"), node.get("runs")
    if (run is None) == (runs is None):
        found = "null, and so is" if run is None else f"{str(run)!r}, but there is also"
        raise UserError(
            f"{key}.run: {found} {key}.runs; give one: {key}.run=<run folder> or {key}.runs=<folder of runs>"
        )
    _needs(key, node, "run", STATUS, "a run folder")
    places = runs if isinstance(runs, list) else [runs] if runs is not None else []
    if runs is not None and not places:
        raise UserError(f"{key}.runs: [] is empty; expected a folder of runs, or a list of them")
    for place in places:
        if not Path(str(place)).is_dir():
            raise UserError(f"{key}.runs: {str(place)!r} is not a folder; expected one that holds runs")
    if len(places) == 1 and (Path(str(places[0])) / STATUS).is_file():
        raise UserError(f"{key}.runs: {str(places[0])!r} is a single run; nearest: {key}.run={places[0]}")


def what_to_ask(key: str, node: Mapping[str, Any]) -> None:
    """``questions`` must be a file or a folder, ``prompts`` too, or null."""
    for name in ("questions", "prompts"):
        value = node.get(name)
        if isinstance(value, str) and value != MISSING and not Path(value).exists():
            raise UserError(
                f"{key}.{name}: {value!r} is not there; expected a jsonl file, or a folder of such"
            )


def what_to_learn_from(key: str, node: Mapping[str, Any]) -> None:
    """The shards of ``data.files`` that a stage of instruction tuning is fed must be there."""
    data = node.get("data")
    files = data.get("files") if isinstance(data, Mapping) else None
    share = node.get("generation")
    if not isinstance(files, Mapping) or not isinstance(share, int | float):
        return
    root = Path(str(data["root"])) if isinstance(data, Mapping) else Path()
    unseen = "generation" if share == 0 else "understanding" if share == 1 else None
    for name, one in files.items():
        if not isinstance(one, Mapping) or one.get("task") == unseen or one.get("weight") == 0:
            continue
        path = one.get("path", MISSING)
        place = root / str(path)
        if path != MISSING and not place.exists() and not any(place.parent.glob(place.name)):
            raise UserError(
                f"{key}.data.files.{name}.path: {str(path)!r} is not there (below paths.data, {root}); "
                "expected a .jsonl, .parquet or .tar file, a folder of them, or a pattern"
            )


def output_folder(path: object) -> None:
    """``paths.output`` must be a folder, or one that can be made."""
    folder = Path(str(path)).absolute()
    for place in (folder, *folder.parents):
        if place.exists():
            break
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise UserError(
            f"paths.output: {str(path)!r} cannot be written; expected a folder, or one to be made"
        )


def starting_rows(path: object) -> None:
    """``rows`` must be a concept directory or null."""
    if path is not None and not (Path(str(path)) / "concept.json").is_file():
        raise UserError(f"rows: {str(path)!r} is not a concept folder: it has no concept.json")


def _typed(value: object) -> str:
    return "true" if value is True else repr(str(value))


def _needs(key: str, node: Mapping[str, Any], name: str, file: str, what: str) -> None:
    value = node.get(name, MISSING)
    if isinstance(value, str) and value != MISSING and not (Path(value) / file).is_file():
        raise UserError(f"{key}.{name}: {value!r} is not {what}: it has no {file}")


PATH_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], None]] = {
    "unictk.datamodules.concept_data.read_concept": concept_folder,
    "unictk.benchmarks.unicycle.bench.UniCycle": what_to_ask,
    "unictk.tasks.evaluate": what_to_evaluate,
    "unictk.tasks.generate": what_to_draw,
    "unictk.tasks.chat": saved_concepts,
    "unictk.tasks.export": what_to_export,
    "unictk.tasks.report": what_to_report,
    "unictk.modules.unitoken.Alignment": what_to_learn_from,
    "unictk.modules.unitoken.JointTraining": what_to_learn_from,
    "unictk.modules.unitoken.InstructionTuning": what_to_learn_from,
}
