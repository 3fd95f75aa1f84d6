"""Concept directories as W&B artifacts, with what they were made from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from unictk.app.folder import read_json
from unictk.app.masking import masked
from unictk.concepts.files import CARD_FILE, DATA_FILE, ROWS_FILE
from unictk.tracking.origin import Origin

FILES = (ROWS_FILE, DATA_FILE, CARD_FILE)


def log_concept(run: wandb.Run, directory: Path, stage: str, origin: Origin) -> None:
    """Log a saved concept as the next version of ``concept-<name>``, with the stage's name as an alias.

    The base model, the data set and the concept that the run began with become inputs of the run, so that
    W&B shows where the version comes from; its metadata says the same, and what ``concept.json`` says.
    """
    if run.disabled:
        return
    card = read_json(directory / DATA_FILE)
    inputs = [
        _described("base-model", _base_name(card, origin), origin.backbone),
        _described("data", f"data-{card['name']}", origin.data),
    ]
    if origin.start is not None:
        inputs.append(_saved(Path(origin.start), f"start-{card['name']}", {}))
    for one in inputs:
        _use(run, one)
    lineage = {
        "stage_name": stage,
        "base_model": inputs[0].name,
        "data": inputs[1].name,
        "start": inputs[2].name if origin.start is not None else None,
    }
    made = _saved(directory, f"concept-{card['name']}", card | lineage)
    run.log_artifact(made, aliases=[stage, "latest"])


def _saved(directory: Path, name: str, metadata: Mapping[str, Any]) -> wandb.Artifact:
    made = wandb.Artifact(_allowed(name), type="concept", metadata=masked(dict(metadata)))
    for file in (directory / one for one in FILES):
        if file.is_file():
            made.add_file(str(file))
    return made


def _described(kind: str, name: str, what: Mapping[str, Any]) -> wandb.Artifact:
    """An artifact that holds no weights and no photo, but says which they are."""
    plain = masked(dict(what))
    made = wandb.Artifact(_allowed(name), type=kind, metadata=plain)
    with made.new_file(f"{kind}.json", encoding="utf-8") as file:
        file.write(json.dumps(plain, indent=1, sort_keys=True, default=str) + "\n")
    return made


def _use(run: wandb.Run, artifact: wandb.Artifact) -> None:
    """Name an input of the run.

    W&B refuses that offline, although its record has a place for it, which ``wandb sync`` reads.
    """
    if run.offline:
        run._log_artifact(artifact, aliases=["latest"], is_user_created=True, use_after_commit=True)
    else:
        run.use_artifact(artifact)


def _base_name(card: Mapping[str, Any], origin: Origin) -> str:
    """The hub's name of the model, else its class."""
    return str(card.get("base_model") or str(origin.backbone.get("_target_", "model")).rpartition(".")[2])


def _allowed(name: str) -> str:
    """W&B takes letters, digits, ``-``, ``_`` and ``.`` in a name, 128 at most."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:128]
