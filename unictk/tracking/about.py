"""What a run is called in Weights & Biases, said from the request and the run folder alone."""

from __future__ import annotations

import netrc
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from unictk.app.folder import write_text
from unictk.app.identity import recorded
from unictk.app.masking import masked, masked_text

ID_FILE = "wandb/id"
"""In the run folder: the run's id, so that a resumed run goes on in the same W&B run."""

LONGEST_TAG = 64
"""W&B refuses longer tags."""

AGENT_VARIABLES = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_RESUME")
"""What an agent, or whoever started us, says about one run; it holds for no job of a sweep of ours."""


@dataclass(frozen=True, slots=True)
class About:
    """A run as W&B lists it. ``group`` None: of no sweep."""

    id: str
    name: str
    group: str | None
    job_type: str
    tags: tuple[str, ...]


def about(
    folder: Path,
    sweep: Path,
    overrides: Sequence[str],
    choices: Mapping[str, str | None],
    tags: Sequence[str] = (),
) -> About:
    """The name of a run folder's W&B run.

    Args:
        folder: of the run.
        sweep: the folder of sweeps; the run belongs to one if it lies directly in it.
        overrides: as they were typed.
        choices: of the groups, by place (``task``, ``stage@stages.s1``).
        tags: the user's own, before the overrides.
    """
    group = sweep.name if folder.parent == sweep else None
    lines = [masked_text(line) for line in recorded(overrides)]
    named = tuple(dict.fromkeys(_short(tag) for tag in (*tags, *lines) if tag))
    return About(_id(folder, alone=group is None), folder.name, group, _job_type(choices), named)


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The request as W&B compares it: a value for each key as it is typed, secrets masked, loggers left out.

    Lists stay lists; an empty section stays an empty section.
    """
    found: dict[str, Any] = {}
    _flatten("", masked({key: value for key, value in config.items() if key != "logger"}), found)
    return found


def offline() -> bool:
    """Whether W&B cannot be reached: no key in the environment, no ``wandb login``, or told so.

    ``WANDB_MODE``, where it is set, decides.
    """
    mode = os.environ.get("WANDB_MODE")
    if mode:
        return mode in ("offline", "dryrun")
    return not (os.environ.get("WANDB_API_KEY") or _logged_in())


def _logged_in() -> bool:
    """Whether ``wandb login`` has left a key for the server that is used."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    file = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return netrc.netrc(file).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _id(folder: Path, alone: bool) -> str:
    file = folder / ID_FILE
    if file.is_file():
        return file.read_text(encoding="utf-8").strip()
    # An agent waits for the run whose id it gave.
    given = os.environ.get("WANDB_RUN_ID") if alone else None
    file.parent.mkdir(parents=True, exist_ok=True)
    found = given or secrets.token_hex(4)
    write_text(file, found + "\n")
    return found


def _job_type(choices: Mapping[str, str | None]) -> str:
    """The task; of a run that trains one stage only, the stage."""
    stages = [option for place, option in choices.items() if place.startswith("stage@") and option]
    task = choices.get("task") or "run"
    return stages[0] if task == "train" and len(stages) == 1 else task


def _short(tag: str) -> str:
    return tag if len(tag) <= LONGEST_TAG else tag[: LONGEST_TAG - 1] + "…"


def _flatten(key: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping) and (value or not key):
        for name, item in value.items():
            _flatten(f"{key}.{name}" if key else str(name), item, found)
    else:
        found[key] = dict(value) if isinstance(value, Mapping) else value
