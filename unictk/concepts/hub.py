"""A concept as a folder for the Hugging Face hub: rows, what they are, and a model card. Never a photo."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from unictk.concepts.card import card
from unictk.concepts.files import (
    CARD_FILE,
    DATA_FILE,
    ROWS_FILE,
    ConceptMetadata,
    load_concept,
    read_metadata,
)
from unictk.concepts.names import REPOSITORY
from unictk.errors import UserError

FILES = (ROWS_FILE, DATA_FILE, CARD_FILE)
TAGS = ("unictk", "personalization", "unified-multimodal-model", "unictokens")
TASK = "any-to-any"
"""The hub's name for models that read and draw."""

LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")


def hub_id(weights: object) -> str:
    """The hub repository that ``weights`` names; empty for a folder, bundled weights, or none."""
    text = str(weights)
    return text if REPOSITORY.fullmatch(text) and not Path(text).exists() else ""


def write_hub(
    saved: str | Path,
    folder: str | Path,
    base_model: str | None = None,
    license_id: str = "other",
    repository: str | None = None,
) -> list[Path]:
    """Write the three files of a saved concept for the hub; equal concepts give equal files.

    Args:
        saved: a concept directory.
        folder: where to; made when missing.
        base_model: hub id of the model that the rows belong to; None: as recorded in training.
        license_id: the hub's name of the licence that the card states.
        repository: ``<user>/<name>``, if it is known where the folder will be.

    Raises:
        WeightsError: the concept is damaged.
        UserError: a base model or licence that cannot be one on the hub.
    """
    load_concept(saved)
    metadata = read_metadata(saved)
    base = metadata.base_model if base_model is None else base_model
    if base and not REPOSITORY.fullmatch(base):
        raise UserError(f"task.base_model: {base!r} is not a hub repository; expected <user>/<name>")
    if not LICENSE.fullmatch(license_id):
        raise UserError(f"task.license: {license_id!r} is not a licence of the hub; expected e.g. cc-by-4.0")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in (ROWS_FILE, DATA_FILE):
        shutil.copyfile(Path(saved, name), target / name)
    (target / CARD_FILE).write_text(hub_card(metadata, base, license_id, repository), encoding="utf-8")
    return [target / name for name in FILES]


def hub_card(metadata: ConceptMetadata, base_model: str, license_id: str, repository: str | None) -> str:
    """The model card: front matter that the hub reads, what the concept is, its scores, how to load it."""
    from huggingface_hub import EvalResult, ModelCardData

    scores = [
        EvalResult(TASK, "unictk", "the concept's own evaluation items", name, value)
        for name, value in metadata.metrics.items()
        if math.isfinite(value) and not name.endswith(("loss", "/n", "/base"))
    ]
    front = ModelCardData(
        license=license_id,
        tags=list(TAGS),
        base_model=base_model or None,
        library_name="unictk",
        pipeline_tag=TASK,
        model_name=metadata.name,
        eval_results=scores or None,
    )
    return "\n".join(["---", front.to_yaml(), "---", "", card(metadata), *_use(base_model, repository)])


def push_hub(folder: str | Path, repository: str, token: str) -> str:
    """Upload the three files in one commit; a repository that is not there is made, a private one.

    Returns:
        The repository's address.

    Raises:
        UserError: the hub refused or was not reached. The token is not part of the message.
    """
    from httpx import HTTPError
    from huggingface_hub import HfApi

    try:
        api = HfApi(token=token)
        made = api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=list(FILES),
            commit_message=f"Concept {read_metadata(folder).name}",
        )
    except (HTTPError, OSError, ValueError) as error:
        lines = [line.strip() for line in str(error).replace(token, "***").splitlines() if line.strip()]
        reason = lines[0] if lines else type(error).__name__
        # The error behind it may show the request's headers, and with them the token.
        raise UserError(f"task.push: {repository!r} was not written ({reason})") from None
    return str(made)


def _use(base_model: str, repository: str | None) -> Sequence[str]:
    model = f"`{base_model}`" if base_model else "the model that it was trained in"
    return [
        "## Use",
        "",
        f"The rows belong to {model}; no photo is part of this folder. In Python:",
        "",
        "```python",
        "from huggingface_hub import snapshot_download",
        "from unictk.concepts.files import load_concept",
        "",
        f'concept = load_concept(snapshot_download("{repository or "<user>/<name>"}"))',
        "backbone.attach([concept])  # unictk's backbone with that model's weights",
        "```",
        "",
        "From the command line, with `backbone=` that model:",
        "",
        "```bash",
        f"hf download {repository or '<user>/<name>'} --local-dir concept",
        "python run.py task=generate task.saved=concept backbone=...",
        "```",
        "",
    ]
