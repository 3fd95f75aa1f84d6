"""Requests for a whole run of self-play on a small Show-o of random weights: seconds, no command line.

Such a model proposes nothing that parses, so the grammar proposes; and it finds nothing right, so every group
is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from showo_makers import make_showo

from unictk.app.folder import RunFolder, forget_decision
from unictk.backbones.showo.backbone import Showo

COUNTS = {"prompts": 4, "rollouts": 3, "batch_size": 6}


def small_showo(weights: str | None = None) -> Showo:
    """Made by name from a request; ``weights``: a folder that a run wrote."""
    backbone = make_showo(max_text=64)
    if weights is not None:
        backbone.read_weights(Path(weights).parent)
    return backbone


def request(**changes: Any) -> DictConfig:
    """A request as Hydra composes it; ``changes`` by dotted names with two underscores for each dot."""
    plain = {
        "seed": 3,
        "backbone": {"_target_": "selfplay_requests.small_showo"},
        "task": {"_target_": "unictk.tasks.selfplay"},
        "judge": {
            "_target_": "unictk.judges.self_judge.SelfJudge",
            "mode": "points",
            "question": None,
            "max_new_tokens": 16,
        },
        "benchmark": {
            "_target_": "unictk.benchmarks.sprites_drawing.SpritesDrawing",
            "one": 2,
            "two": 1,
            "questions": 0,
        },
        "sampling": {"_target_": "unictk.samples.Sampling", "steps": 2, "guidance": 1.0, "max_new_tokens": 4},
        "datamodule": {"_target_": "unictk.datamodules.mixture.Mixture", "_partial_": True},
        "trainer": {
            "_target_": "lightning.pytorch.Trainer",
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": 3,
            "max_steps": -1,
            "use_distributed_sampler": False,
            "enable_model_summary": False,
            "log_every_n_steps": 1,
        },
        "callbacks": {
            "checkpoint": {"_target_": "unictk.callbacks.step_checkpoint.StepCheckpoint", "every_n_steps": 1}
        },
        "logger": {},
        "stages": {
            "learn": {
                "_target_": "unictk.modules.unicorn.SelfTraining",
                "_partial_": True,
                "batch_size": 8,
                "warmup": 1,
                "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-3},
            }
        },
        "selfplay": {
            "_target_": "unictk.selfplay.settings.SelfPlay",
            "categories": "sprites",
            "only": ["single", "counting"],
            "wording": "sprites",
            "proposer": "grammar",
            **COUNTS,
            "guidance": [0.0, 1.0],
            "proposal_tokens": 8,
            "audit": 2,
            "examiner": {"_target_": "unictk.judges.oracle.OracleJudge"},
            "selection": {
                "_target_": "unictk.selfplay.choosing.ReconstructionRules",
                "threshold": 0.0,
                "least_valid": 1,
                "min_gap": 1.0,
                "backfill_gap": 1.0,
            },
        },
    }
    cfg = OmegaConf.create(plain)
    for name, value in changes.items():
        OmegaConf.update(cfg, name.replace("__", "."), value, force_add=True)
    return cfg


def claimed(path: Path) -> RunFolder:
    """The run folder, taken or taken again by a process that another one's end left free."""
    folder = RunFolder.claim(path, "hash", [], rerun=False)
    forget_decision()  # it is told to child processes, and this one has none
    assert folder is not None
    return folder
