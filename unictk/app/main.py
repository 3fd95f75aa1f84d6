"""``python run.py``: check the request, let Hydra run it (once or as a sweep), tell how it ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from unictk.app.conf_tree import conf_dir
from unictk.app.help_page import help_page
from unictk.app.launch import check_launch
from unictk.app.preflight import check
from unictk.app.request import Request, read_request
from unictk.app.resolvers import register
from unictk.errors import UserError

_BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
register()  # at import, because launchers import this module in processes of their own
_codes: list[int] = []
"""Exit codes of the jobs of this process: Hydra prints lines of its own about a job that raises."""


class JobFailed(Exception):
    """Tells a search sweeper that a job gave no objective; the reason is in the job's status.json."""


def main() -> None:
    """Runs the command line and exits: 0 done, 1 a run failed, 2 the request was wrong."""
    # Hydra shall hand its exceptions over instead of printing them.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """The exit code of a command line (the arguments after the program's name)."""
    try:
        request = read_request(argv)
        if request.help:
            print(help_page(request.tree))
            return 0
        if not request.passthrough:
            return _checked(request, list(argv))
        _hydra_main(list(argv))
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 1
    return 0


def _checked(request: Request, argv: list[str]) -> int:
    first = check(request)
    check_launch(request.multirun or first.mode == "MULTIRUN")
    if request.shows_config:
        _hydra_main(argv)
        return 0
    if not (request.multirun or first.mode == "MULTIRUN"):
        _hydra_main(argv)
        return max(_codes, default=0)
    from unictk.app.sweep import sweep_folder

    folder = sweep_folder(request, first)
    objective = first.plain["objective"]
    try:
        _hydra_main(_with_sweep_folder(request, argv, folder))
    except JobFailed:
        _codes.append(1)
    return _sweep_code(request, folder, objective)


def _hydra_main(argv: list[str]) -> None:
    sys.argv[1:] = argv
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()


def job(config: DictConfig) -> float | None:
    """What Hydra calls for each job; returns the objective."""
    from unictk.app.folder import METRICS, read_json
    from unictk.app.job import execute, objective_of
    from unictk.app.sweep import needs_own_process, run_apart

    own = HydraConfig.get()
    path = Path(own.runtime.output_dir)
    sweeping = own.mode == RunMode.MULTIRUN
    if sweeping:
        # Hydra's dump of the whole configuration shows secrets; sweep.json has what matters.
        (Path(own.sweep.dir) / "multirun.yaml").unlink(missing_ok=True)
    code = run_apart(path) if sweeping and needs_own_process(config) else execute(config, path)
    _codes.append(code)
    if code == 0:
        return objective_of(config, read_json(path / METRICS))
    if sweeping and own.sweeper["_target_"] != _BASIC_SWEEPER:
        raise JobFailed(str(path))
    return None


def _with_sweep_folder(request: Request, argv: list[str], folder: Path) -> list[str]:
    """The command line with the sweep's folder, beside the other overrides (flags may follow them)."""
    from unictk.app.composition import quoted

    lines = [override.input_line for override in request.overrides]
    place = argv.index(lines[0]) if lines and lines[0] in argv else len(argv)
    return [*argv[:place], f"hydra.sweep.dir={quoted(str(folder))}", *argv[place:]]


def _sweep_code(request: Request, folder: Path, objective: str | None) -> int:
    from unictk.app.sweep import write_record, write_sweep_page

    jobs = write_record(folder, [override.input_line or "" for override in request.overrides], objective)
    failed = [job for job in jobs if job["state"] != "done"]
    print(f"{len(jobs) - len(failed)} of {len(jobs)} jobs done: {folder}")
    write_sweep_page(folder)
    for one in failed:
        print(f"failed: {folder / one['folder']}: {one['reason']}", file=sys.stderr)
    return 1 if failed or any(_codes) else 0
