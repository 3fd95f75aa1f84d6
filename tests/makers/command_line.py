"""The real command line in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
QUICK = (
    "experiment=unictokens",
    "concept=chelsea",
    "trainer=cpu",
    "logger=none",
    "benchmark=none",
    "sampling.steps=4",
    "sampling.max_new_tokens=8",
    "callbacks.samples.images_per_prompt=1",
    "callbacks.samples.max_prompts=1",
    "stages.s3.bridge_images=3",
)
"""Three stages on a real-photo concept in seconds."""

SELFPLAY = (
    "experiment=unicorn",
    "trainer=cpu",
    "logger=none",
    "sampling.order=confidence",  # what every backbone can do
    "sampling.guidance_schedule=constant",
    "selfplay.proposer=grammar",  # what random weights write is no prompt
    "selfplay.only=[single,counting]",
    "selfplay.prompts=2",
    "selfplay.rollouts=4",
    "selfplay.batch_size=8",
    "selfplay.audit=0",
    "selfplay.selection.threshold=0",
    "benchmark.one=2",
    "benchmark.two=1",
    "benchmark.questions=0",
    "stages.learn.batch_size=4",
    "trainer.max_epochs=1",
)
"""One round of self-play and its fine-tune in seconds, on any backbone."""


def command(*overrides: str) -> list[str]:
    """``python run.py`` with these words."""
    return [sys.executable, str(ROOT / "run.py"), *overrides]


def environment() -> dict[str, str]:
    """One thread: two runs of one test then do not disturb each other's sums."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "PYTHONPATH": str(ROOT)}


def run(*overrides: str, code: int = 0, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    """Run and expect an exit code."""
    done = subprocess.run(
        command(*overrides), capture_output=True, text=True, timeout=timeout, env=environment(), check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def only_run(output: Path) -> Path:
    """The one run folder below an output folder."""
    (folder,) = [path for path in output.iterdir() if path.is_dir()]
    return folder


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())
