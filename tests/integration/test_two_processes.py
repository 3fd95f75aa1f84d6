"""One global batch on one process, on two, and accumulated: the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import QUICK, only_run, read, run
from safetensors.torch import load_file


def final_rows(output: Path) -> list[torch.Tensor]:
    return [
        load_file(only_run(output) / f"checkpoints/{s}/concept/concept.safetensors")["input"]
        for s in ("s1", "s2")
    ]


@pytest.mark.slow
def test_one_times_four_is_two_times_two_is_four_times_one(tmp_path: Path, cache: Path) -> None:
    """Four samples of each kind a step: one process, two accumulated batches, two processes, two sharing."""
    common = [
        *(word for word in QUICK if not word.startswith("stages.s3")),
        "~stages.s3",
        "trainer.max_epochs=1",
        f"paths.cache={cache}",
    ]
    ways = {
        "one": (4, 1, 1, "single"),
        "accumulated": (2, 2, 1, "single"),
        "two": (2, 1, 2, "ddp"),
        "both": (1, 2, 2, "ddp"),
        "shared": (2, 1, 2, "fsdp"),
    }
    found = {}
    for name, (batch, accumulate, devices, strategy) in ways.items():
        words = [f"stages.{s}.text_batch={batch}" for s in ("s1", "s2")] + [f"stages.s2.image_batch={batch}"]
        words += [f"trainer.accumulate_grad_batches={accumulate}", f"trainer.devices={devices}"]
        words.append(f"strategy={strategy}")
        run(*common, *words, f"paths.output={tmp_path}/{name}")
        found[name] = final_rows(tmp_path / name)
        assert read(only_run(tmp_path / name) / "status.json")["world_size"] == devices
    for name in ("accumulated", "two", "both", "shared"):
        for ours, theirs in zip(found[name], found["one"], strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
