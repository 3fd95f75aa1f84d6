"""Runs one composed request in its folder: claim, plan, task, record."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from unictk.app.allowed_targets import check_targets
from unictk.app.composition import resolved
from unictk.app.folder import RunFolder, forget_decision, process_rank
from unictk.app.identity import portable, recorded, request_hash
from unictk.app.launch import announce, by_torchrun, heard
from unictk.app.masking import masked_text, secret_values
from unictk.app.plan import print_plan
from unictk.app.targets import locate
from unictk.errors import UserError, not_a_choice
from unictk.tracking.job import close_strays, tracked

DONE, FAILED, WRONG = 0, 1, 2


def execute(config: DictConfig, path: Path) -> int:
    """Runs the request in ``path`` and returns the exit code; never raises but for an interruption."""
    record = portable(config)
    digest = request_hash(record)
    try:
        # Once more: of a large sweep, not every combination was composed before.
        check_targets(resolved(config), {}, [str(line) for line in HydraConfig.get().overrides.task])
        folder = _open(config, path, digest) if process_rank() == 0 else _join(path, digest)
    except UserError as error:
        if process_rank() == 0:
            announce("refused")
        return complain(str(error), WRONG)
    if not isinstance(folder, RunFolder):
        return folder
    folder.write_config(record)
    if process_rank() == 0:
        print_plan(config, HydraConfig.get().runtime.choices, path, folder.resuming)
    try:
        with tracked(config, folder):
            metrics = _call_task(config, folder)
            folder.write_metrics(metrics)
            objective_of(config, metrics)
        folder.finish()
    except BaseException as error:
        return _failed(error, config, folder)
    finally:
        close_strays()
        forget_decision()
    return DONE


def complain(message: str, code: int) -> int:
    """One line on stderr; returns ``code``."""
    print(f"error: {' '.join(masked_text(message).split())}", file=sys.stderr)
    return code


def objective_of(config: DictConfig, metrics: Mapping[str, float | str | None]) -> float | None:
    """The metric that a sweeper asked for; None when it asked for none."""
    name = config.objective
    if name is None:
        return None
    numbers = {key: value for key, value in metrics.items() if not isinstance(value, str)}
    if numbers.get(name) is None:
        raise not_a_choice("objective", name, sorted(numbers))
    return numbers[name]


def _open(config: DictConfig, path: Path, digest: str) -> RunFolder | int:
    """The folder for the first process, or the exit code where nothing is left to do."""
    lines = recorded([str(line) for line in HydraConfig.get().overrides.task])
    folder = RunFolder.claim(path, digest, lines, rerun=config.rerun)
    if folder is None:
        announce("done")
        print(f"done already: {path} (rerun=true starts afresh)")
        return DONE
    announce("resume" if folder.resuming else "begin")
    return folder


def _join(path: Path, digest: str) -> RunFolder | int:
    """The folder for any other process, or the exit code that the first one ends with."""
    if not by_torchrun():
        return RunFolder.join(path, digest)
    decision = heard()
    if decision in ("done", "refused"):
        return DONE if decision == "done" else WRONG
    return RunFolder(path, decision == "resume", digest, writes=False)


def _call_task(config: DictConfig, folder: RunFolder) -> dict[str, float]:
    """``fn(config, folder, ...)`` with the task's own arguments, which its YAML file names."""
    target = config.task["_target_"]
    try:
        function = locate(target)
    except ImportError as error:
        raise UserError(f"task._target_: {target!r} cannot be imported: {error}") from error
    own = OmegaConf.to_container(config.task, resolve=True)
    assert isinstance(own, dict)
    arguments: dict[str, Any] = {str(name): value for name, value in own.items() if name != "_target_"}
    return dict(function(config, folder, **arguments) or {})


def _failed(error: BaseException, config: DictConfig, folder: RunFolder) -> int:
    """Records and tells why; a wrong request found before any stage began is code 2, not a failed run."""
    hidden = secret_values(OmegaConf.to_container(config, resolve=False))
    wrong = _user_error(error)
    reason = str(wrong) if wrong else _reason(error)
    folder.fail(masked_text(reason, hidden), masked_text(traceback.format_exc(), hidden))
    if _interrupted(error):
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise KeyboardInterrupt from error
        return complain("interrupted; the same command goes on from the last checkpoint", FAILED)
    if wrong and not folder.started:
        return complain(masked_text(reason, hidden), WRONG)
    return complain(f"{masked_text(reason, hidden)} (traceback: {folder.path / 'error.log'})", FAILED)


def _user_error(error: BaseException | None) -> UserError | None:
    """The user's error behind an exception: Hydra wraps what a constructor raises."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__
    return error


def _interrupted(error: BaseException | None) -> bool:
    """Whether somebody pressed Ctrl-C: Lightning then exits by itself."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__ if isinstance(error, SystemExit) else None
    return error is not None


def _reason(error: BaseException) -> str:
    if _interrupted(error):
        return "interrupted"
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
