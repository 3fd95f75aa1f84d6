"""Run folders made by hand, as a sweep over concepts, seeds and a learning rate leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

RATES = ("0.001", "0.01")
CONCEPTS, SEEDS = 4, 3
METRICS = (
    "unifybench/rec",
    "unifybench/vqa",
    "unifybench/concept_attributes",
    "unifybench/knowledge_replay_looks",
)


def write_run(
    folder: Path,
    overrides: Sequence[str],
    metrics: Mapping[str, float | None],
    config: Mapping[str, Any],
    state: str = "done",
    reason: str | None = None,
) -> Path:
    """A run folder with status, configuration, metrics and, when done, a page."""
    folder.mkdir(parents=True)
    stages = {"s1": {"state": "done", "seconds": 40.5}, "s2": {"state": state, "seconds": 12.0}}
    status = {
        "state": state,
        "reason": reason,
        "world_size": 1,
        "stages": stages,
        "overrides": list(overrides),
    }
    (folder / "status.json").write_text(json.dumps(status))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
    if state == "done":
        (folder / "report.html").write_text("<title>one run</title>")
    return folder


def config_of(rate: str, concept: int, seed: int, tags: Sequence[str] = ()) -> dict[str, Any]:
    """What a run records of its request, as far as a comparison reads it."""
    return {
        "seed": seed,
        "tags": list(tags),
        "task": {"_target_": "unictk.tasks.train"},
        "concept": {"_target_": "unictk.datamodules.sprite.sprite_concept", "seed": concept},
        "stages": {"s1": {"optimizer": {"lr": float(rate)}}},
        "callbacks": {"samples": {"seed": seed}},
    }


def write_sweep(folder: Path, hostile: str = "") -> Path:
    """Two learning rates, four concepts, three seeds, of which the higher rate is better; one run failed,
    one still runs, one is damaged, and one only drew."""
    chance = np.random.default_rng(4)
    for concept in range(CONCEPTS):
        easy = chance.uniform(0.3, 0.6)
        for seed in range(SEEDS):
            for rate in RATES:
                gain = 0.25 if rate == RATES[1] else 0.0
                scores = {name: round(easy + gain + chance.normal(0, 0.03), 5) for name in METRICS}
                before = {f"{name}/base": 0.25 for name in METRICS}
                losses = {"s1/loss": round(1 - easy - gain, 5), "s1/loss/base": 1.5, "s1/train_loss": 0.3}
                counts = {f"{name}/n": 20.0 for name in METRICS}
                tags = ["high"] if rate == RATES[1] else [f"low {hostile}".strip()]
                write_run(
                    folder / f"concept.seed-{concept}_seed-{seed}_lr-{rate}",
                    [
                        f"seed={seed}",
                        f"concept.seed={concept}",
                        f"stages.s1.optimizer.lr={rate}",
                        "trainer.max_epochs=3",
                    ],
                    scores | before | losses | counts | {"unifybench/judge": 1.0},
                    config_of(rate, concept, seed, tags),
                )
    broken = config_of("0.01", 9, 0)
    failed = f"RuntimeError: no memory {hostile}".strip()
    write_run(
        folder / "deep" / "er" / "failed",
        ["concept.seed=9", f"+note={hostile or 'x'}"],
        {},
        broken,
        "failed",
        failed,
    )
    write_run(
        folder / "running", ["concept.seed=8"], {"unifybench/rec": 0.99}, config_of("0.01", 8, 0), "running"
    )
    write_run(folder / "damaged", [], {}, {})
    (folder / "damaged" / "metrics.json").write_text("{")
    drew = config_of("0.01", 0, 0) | {"task": {"_target_": "unictk.tasks.generate"}}
    write_run(folder / "drew", ["task=generate"], {}, drew)
    record = {"overrides": [], "objective": "unifybench/vqa", "jobs": []}
    (folder / "sweep.json").write_text(json.dumps(record))
    return folder
