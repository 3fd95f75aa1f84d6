"""How two ways of computing the same thing are compared: interleaved in one process, peaks in fresh ones.

``python -m benchmarks.timing MODULE:FUNCTION JSON`` is the fresh process of :func:`extra_memory`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Call = Callable[[], object]
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Measured:
    """Repeated measurements of one arm, in the order taken; seconds per call or MiB."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{_digits(self.median)} ({_digits(min(self.values))}..{_digits(max(self.values))})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The published procedure against ours: the same work, the same ``unit`` ("s" per call or "MiB")."""

    name: str
    unit: str
    plain: Measured
    ours: Measured

    @property
    def ratio(self) -> float:
        """Median of plain over median of ours: above 1, ours needs less."""
        return self.plain.median / self.ours.median

    @property
    def ratios(self) -> tuple[float, float]:
        """Lowest and highest ratio: round by round where both have as many rounds, else of the extremes."""
        plain, ours = self.plain.values, self.ours.values
        if len(plain) == len(ours):
            each = [a / b for a, b in zip(plain, ours, strict=True)]
            return min(each), max(each)
        return min(plain) / max(ours), max(plain) / min(ours)


def interleave(calls: Sequence[Call], rounds: int = 5, warm_up: bool = True) -> list[Measured]:
    """Time the calls in turn, ``rounds`` times, turning the order round each time.

    What else the machine does, and its temperature, then meet all arms alike. ``warm_up`` runs each once
    before, untimed; leave it out where an equality check has already done so.
    """
    if warm_up:
        for call in calls:
            call()
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds):
        order = range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls)))
        for arm in order:
            gc.collect()
            start = time.perf_counter()
            calls[arm]()
            seconds[arm].append(time.perf_counter() - start)
    return [Measured(tuple(values)) for values in seconds]


def extra_memory(target: str, settings: Mapping[str, Any], threads: int, repeats: int = 3) -> Measured:
    """Peak resident memory of some work less what was resident after loading, in MiB.

    Args:
        target: ``module:function``; the function loads with ``settings`` and returns the work to do.
        settings: keyword arguments, JSON values only.
        threads: as ``OMP_NUM_THREADS`` of the fresh process.
        repeats: fresh processes.

    Raises:
        RuntimeError: the fresh process failed; its last error line.
    """
    command = [sys.executable, "-m", "benchmarks.timing", target, json.dumps(dict(settings))]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    values = []
    for _ in range(repeats):
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{target}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        values.append(float(done.stdout.splitlines()[-1]))
    return Measured(tuple(values))


def measure_here(target: str, settings: Mapping[str, Any]) -> float:
    """Load, note what is resident, reset the kernel's high-water mark, work, read it: MiB above the note.

    Memory that loading has freed is first given back to the system, or the work would reuse it unseen.

    Raises:
        RuntimeError: not Linux with glibc (no ``/proc/self/clear_refs`` or no ``malloc_trim``).
    """
    if not Path("/proc/self/clear_refs").exists():
        raise RuntimeError("extra memory is measured through /proc/self/clear_refs, on Linux only")
    module, _, function = target.partition(":")
    work: Call = getattr(importlib.import_module(module), function)(**settings)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_mib("VmRSS")
    work()
    return _status_mib("VmHWM") - before


def _status_mib(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def machine(threads: int) -> dict[str, Any]:
    """What the numbers were measured on."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def show(
    title: str,
    comparisons: Sequence[Comparison],
    notes: Sequence[str],
    console: Console,
    plain: str = "published, plain",
) -> None:
    """One table, medians with the lowest and highest value in brackets, and the notes below it.

    ``plain`` heads the arm that ours is compared with.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("work")
    table.add_column("unit")
    for heading in (plain, "ours", "ratio"):
        table.add_column(heading, justify="right")
    for line in comparisons:
        low, high = line.ratios
        ratio = f"{_digits(line.ratio)} ({_digits(low)}..{_digits(high)})"
        table.add_row(line.name, line.unit, str(line.plain), str(line.ours), ratio)
    console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True, highlight=False)


def as_json(comparisons: Sequence[Comparison], notes: Sequence[str], setting: Mapping[str, Any]) -> str:
    """Everything measured, for other programs."""
    lines = [{**asdict(c), "ratio": c.ratio, "ratio_low_high": c.ratios} for c in comparisons]
    return json.dumps({"setting": dict(setting), "comparisons": lines, "notes": list(notes)}, indent=2) + "\n"


def _digits(value: float) -> str:
    """Three significant digits without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print(measure_here(sys.argv[1], json.loads(sys.argv[2])))
