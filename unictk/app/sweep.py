"""A sweep: its folder, jobs that need a process of their own, and the record of how each job ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import unictk
from unictk.app.composition import Composed, quoted
from unictk.app.folder import METRICS, STATUS, as_json, read_json, write_text
from unictk.app.identity import portable, recorded, request_hash, slug
from unictk.app.request import Request
from unictk.errors import UserError

RECORD = "sweep.json"
_LAUNCH_VARIABLES = (
    "RANK",
    "LOCAL_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "UNICTK_RESUMING",
)


def sweep_folder(request: Request, first: Composed) -> Path:
    """``<paths.output>/sweep-<slug>-<hash>``, or the ``hydra.sweep.dir`` that was typed."""
    for override in request.overrides:
        if override.key_or_group == "hydra.sweep.dir":
            return Path(str(override.value())).absolute()
    lines = recorded([override.input_line or "" for override in request.overrides])
    digest = request_hash(portable(first.config), *lines, *map(str, sorted(first.sweep_params.items())))
    return Path(first.plain["paths"]["output"]).absolute() / f"sweep-{slug(lines, 'default')}-{digest}"


def needs_own_process(config: DictConfig) -> bool:
    """Whether the job may start more than one process: when one of those dies, all of them are killed."""
    devices = (config.get("trainer") or {}).get("devices", 1)
    nodes = (config.get("trainer") or {}).get("num_nodes", 1)
    return nodes != 1 or not (devices == 1 or (not isinstance(devices, (int, str)) and len(devices) == 1))


def run_apart(folder: Path) -> int:
    """Runs the current job in a process of its own and waits; a killed one is recorded as failed."""
    code = subprocess.run(_command(folder), env=_environment(), check=False).returncode
    status = read_json(folder / STATUS)
    if code and status.get("state") == "running":
        ended = f"ended by signal {-code}" if code < 0 else f"ended with code {code}"
        write_text(folder / STATUS, as_json(status | {"state": "failed", "reason": ended}))
    return code


def _command(folder: Path) -> list[str]:
    hydra = HydraConfig.get()
    sources = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    flags = [f"--config-name={hydra.job.config_name}", *(f"--config-dir={path}" for path in sources)]
    lines = [str(line) for line in hydra.overrides.task]
    return [
        sys.executable,
        "-m",
        "unictk.app",
        *flags,
        *lines,
        f"hydra.run.dir={quoted(str(folder))}",
        f"hydra.sweep.dir={quoted(str(folder.parent))}",  # which it belongs to, though it runs alone
        "hydra.mode=RUN",
    ]


def _environment() -> dict[str, str]:
    """Ours, without what an earlier run's processes left in it."""
    kept = {name: value for name, value in os.environ.items() if name not in _LAUNCH_VARIABLES}
    package = str(Path(unictk.__file__).parents[1])
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, [package, kept.get("PYTHONPATH", "")]))}


def write_record(folder: Path, overrides: Sequence[str], objective: str | None) -> list[dict[str, Any]]:
    """Writes ``sweep.json`` and returns its jobs, sorted by folder name."""
    jobs = []
    for status_file in sorted(folder.glob(f"*/{STATUS}")):
        status = read_json(status_file)
        metrics = read_json(status_file.parent / METRICS)
        jobs.append(
            {
                "folder": status_file.parent.name,
                "overrides": status.get("overrides", []),
                "state": status.get("state"),
                "reason": status.get("reason"),
                "objective": metrics.get(objective) if objective else None,
            }
        )
    write_text(
        folder / RECORD, as_json({"overrides": recorded(overrides), "objective": objective, "jobs": jobs})
    )
    return jobs


def write_sweep_page(folder: Path) -> None:
    """Writes the page that compares the sweep's runs and says where it is; imports no torch.

    The jobs have ended and keep their exit code: a page that cannot be made is told, nothing more. A sweep
    of a task without scores has none.
    """
    from unictk.report.build import REPORT
    from unictk.report.compare import build_comparison

    try:
        print(f"report: {build_comparison([folder], folder / REPORT)}")
    except (UserError, OSError) as error:
        print(f"no report: {' '.join(str(error).split())}")
