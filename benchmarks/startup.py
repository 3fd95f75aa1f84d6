"""How long one waits for help, and for the first training step of the small model; where that time goes.

    python -m benchmarks.startup [--repeat 3] [overrides ...]

Every line is a fresh process from its start: ``run.py --help``, and the main job without its benchmark, whose
clock is read when torch and lightning are imported, when the fit begins, and after the first step. The files
are in the disk cache from the second time on: the first, unlike the others, is what a new machine shows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.timing import ROOT, Measured

JOB = ("benchmark=none", "logger=none", "callbacks=none", "trainer.max_steps=1", "rerun=true")
PHASES = (
    ("torch", "python and torch"),
    ("lightning", "lightning"),
    ("fit", "request, backbone, concept, rows"),
    ("step", "first batch and step"),
)
MARKS = "UNICTK_STARTUP_MARKS"


def child(overrides: list[str]) -> None:
    """Run the job in this process and print when each phase was over, as JSON."""
    marks: dict[str, float] = {}
    import torch  # noqa: F401

    marks["torch"] = time.time()
    import lightning.pytorch as pl

    marks["lightning"] = time.time()
    fit = pl.Trainer.fit
    step = pl.LightningModule.optimizer_step

    def fitting(*args: Any, **kwargs: Any) -> Any:
        marks.setdefault("fit", time.time())
        return fit(*args, **kwargs)

    def stepping(*args: Any, **kwargs: Any) -> Any:
        found = step(*args, **kwargs)
        if "step" not in marks:
            marks["step"] = time.time()
            Path(os.environ[MARKS]).write_text(json.dumps(marks), encoding="utf-8")
        return found

    pl.Trainer.fit = fitting  # type: ignore[method-assign]
    pl.LightningModule.optimizer_step = stepping  # type: ignore[method-assign]
    sys.argv = ["run.py", *overrides]
    from unictk.app.main import main

    main()


def help_page() -> float:
    """Seconds until the help page has been printed."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "run.py", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def first_step(overrides: list[str]) -> dict[str, float]:
    """Seconds of each phase until the first step is done, by its name in :data:`PHASES`."""
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder) / "marks.json"
        command = [sys.executable, "-m", "benchmarks.startup", "--child", *JOB, *overrides]
        begun = time.time()
        subprocess.run(
            [*command, f"paths.output={folder}/runs"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, MARKS: str(marks)},
        )
        found = json.loads(marks.read_text(encoding="utf-8"))
    ends = [begun, *(found[name] for name, _ in PHASES)]
    return {name: end - start for (name, _), start, end in zip(PHASES, ends, ends[1:], strict=False)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked, overrides = parser.parse_known_args()
    if asked.child:
        child(overrides)
        return
    pages = Measured(tuple(help_page() for _ in range(asked.repeat)))
    runs = [first_step(overrides) for _ in range(asked.repeat)]
    table = Table(
        "seconds", "median (least..most)", title="waiting for help, and for the main job's first step"
    )
    table.add_row("run.py --help", str(pages))
    for name, words in PHASES:
        table.add_row(f"  {words}", str(Measured(tuple(run[name] for run in runs))))
    table.add_row("first training step", str(Measured(tuple(sum(run.values()) for run in runs))))
    Console().print(table)


if __name__ == "__main__":
    main()
