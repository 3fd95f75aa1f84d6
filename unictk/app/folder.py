"""The run folder: who may write it, what state it is in, and the few files every run leaves there."""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from unictk.app.masking import masked, masked_text
from unictk.errors import UserError

STATUS = "status.json"
METRICS = "metrics.json"
_DECISION = "UNICTK_RESUMING"


def process_rank() -> int:
    """The rank of this process among those of one run; 0 when it is alone."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON file of a run folder, or an empty dict when it is not there or was cut off."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def write_text(file: Path, text: str) -> None:
    """Writes a whole file or nothing: a killed process leaves the old one."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def as_json(value: Any) -> str:
    """JSON text of a record."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


class RunFolder:
    """The folder of one run. Only rank 0 writes; on other ranks the writing methods do nothing.

    ``path`` is the folder; ``resuming`` is true when an earlier process began this very request;
    ``request_hash`` names the request in records.
    """

    def __init__(self, path: Path, resuming: bool, request_hash: str, writes: bool = True) -> None:
        self.path = path
        self.resuming = resuming
        self.request_hash = request_hash
        self._writes = writes
        self._since: dict[str, float] = {}

    @classmethod
    def join(cls, path: Path, request_hash: str) -> RunFolder:
        """The folder as ranks above 0 see it: the process that started them has decided.

        Raises:
            UserError: nobody has decided, because the ranks were not started by ``run.py``.
        """
        decision = os.environ.get(_DECISION)
        if decision is None:
            raise UserError(
                "RANK: set by another launcher than torchrun; start one process with trainer.devices=<number>"
            )
        return cls(path, decision == "1", request_hash, writes=False)

    @classmethod
    def claim(
        cls, path: Path, request_hash: str, overrides: Sequence[str], rerun: bool | Literal["keep"]
    ) -> RunFolder | None:
        """Takes the folder for this process; None when the same request is done already.

        ``rerun`` empties it first, or with ``keep`` goes on in it although it is done.

        Raises:
            UserError: another live process of this machine runs it.
        """
        path.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            status = read_json(path / STATUS)
            if status.get("state") == "running" and _alive(status):
                raise UserError(
                    f"{path.name}: process {status['pid']} is running this request; wait or end it"
                )
            if status.get("state") == "done" and not rerun:
                return None
            if rerun is True:
                _empty(path)
            resuming = bool(status) and rerun is not True
            folder = cls(path, resuming, request_hash)
            folder._start(status if resuming else {}, overrides)
        os.environ[_DECISION] = str(int(resuming))
        return folder

    @property
    def started(self) -> bool:
        """Whether this process has begun a stage: from then on a wrong request is a failed run."""
        return bool(self._since)

    def status(self) -> dict[str, Any]:
        """The content of ``status.json``."""
        return read_json(self.path / STATUS)

    def stage_started(self, name: str, world_size: int = 1) -> None:
        """Records that a stage runs now, on ``world_size`` processes."""
        self._since[name] = time.monotonic()
        stages = self.status().get("stages", {})
        stages[name] = {"state": "running", "seconds": stages.get(name, {}).get("seconds", 0.0)}
        self._update(stages=stages, world_size=world_size)

    def stage_done(self, name: str) -> None:
        """Records that a stage is complete; its seconds add up over resumed processes."""
        stages = self.status().get("stages", {})
        before = stages.get(name, {}).get("seconds", 0.0)
        now = time.monotonic() - self._since.get(name, time.monotonic())
        stages[name] = {"state": "done", "seconds": round(before + now, 3)}
        self._update(stages=stages)

    def stage_is_done(self, name: str) -> bool:
        """Whether the stage was completed by this or an earlier process of the same request."""
        return self.status().get("stages", {}).get(name, {}).get("state") == "done"

    def checkpoint_dir(self, stage: str) -> Path:
        """``checkpoints/<stage>``, made when missing."""
        return self.directory(f"checkpoints/{stage}")

    def directory(self, name: str) -> Path:
        """A folder inside the run folder, made when missing."""
        place = self.path / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def metrics(self) -> dict[str, float | str | None]:
        """The content of ``metrics.json``."""
        return read_json(self.path / METRICS)

    def scores(self) -> dict[str, float]:
        """The numbers of ``metrics.json``."""
        return {name: value for name, value in self.metrics().items() if isinstance(value, int | float)}

    def write_metrics(self, metrics: Mapping[str, float | str]) -> None:
        """Adds to ``metrics.json``: flat, sorted, 5 decimals; what is not finite becomes null.

        A text says who judged.
        """
        if self._writes:
            whole = self.metrics() | {name: _rounded(value) for name, value in metrics.items()}
            write_text(self.path / METRICS, as_json(dict(sorted(whole.items()))))

    def write_config(self, portable: Mapping[str, Any]) -> None:
        """Writes ``config.yaml``; secrets are masked."""
        if self._writes:
            head = "# The request, resolved. Not recorded: paths, devices, workers, loggers, rerun.\n"
            write_text(self.path / "config.yaml", head + OmegaConf.to_yaml(masked(dict(portable))))

    def finish(self) -> None:
        """The run is done."""
        self._update(state="done", reason=None)

    def fail(self, reason: str, log: str) -> None:
        """The run failed: one line for ``status.json``, the traceback for ``error.log``."""
        if self._writes:
            write_text(self.path / "error.log", masked_text(log))
        self._keep_seconds()
        self._update(state="failed", reason=masked_text(" ".join(reason.split())))

    def _start(self, before: Mapping[str, Any], overrides: Sequence[str]) -> None:
        status = {
            "state": "running",
            "reason": None,
            "request": self.request_hash,
            "overrides": [masked_text(line) for line in overrides],
            "world_size": 1,
            "stages": before.get("stages", {}),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "process_started": _process_started(os.getpid()),
        }
        write_text(self.path / STATUS, as_json(status))

    def _keep_seconds(self) -> None:
        """A stage that is cut short keeps the time it took."""
        stages = self.status().get("stages", {})
        for name, since in self._since.items():
            if stages.get(name, {}).get("state") == "running":
                stages[name]["seconds"] = round(stages[name]["seconds"] + time.monotonic() - since, 3)
        self._update(stages=stages)

    def _update(self, **changes: object) -> None:
        if self._writes:
            write_text(self.path / STATUS, as_json(self.status() | changes))


def forget_decision() -> None:
    """After a run: the next one in this process decides for itself."""
    os.environ.pop(_DECISION, None)


def _rounded(value: float | str) -> float | str | None:
    if isinstance(value, str):
        return value
    return round(float(value), 5) if math.isfinite(value) else None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two processes that start together decide one after the other."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _alive(status: Mapping[str, Any]) -> bool:
    """Whether the recorded process still runs on this machine; a reused number has another start."""
    if status.get("host") != socket.gethostname() or status.get("pid") == os.getpid():
        return False
    try:
        os.kill(status["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return status.get("process_started") == _process_started(status["pid"])


def _process_started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (Linux); None where that is not told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def _empty(path: Path) -> None:
    """Removes the content of a run folder; the folder stays because it is locked."""
    if not (path / STATUS).is_file():
        return
    for item in path.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink()
