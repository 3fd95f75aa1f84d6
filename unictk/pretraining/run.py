"""One part of pretraining in a run folder: its trainer, its checkpoints, its last losses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from unictk.assembly import place, trainer_for
from unictk.resuming import fit_from

if TYPE_CHECKING:
    from unictk.app.folder import RunFolder
    from unictk.backbones.base import Backbone
    from unictk.pretraining.base import Part


KERNELS = 16384
"""Products oneDNN keeps compiled, each about 150 kB; its own 1,024 hold the lengths of some thirty steps.

Lessons are as long as their words, so many products of a step have a shape of their own, and compiling them
anew takes a good part of its time.
"""


def fit_part(
    cfg: DictConfig, folder: RunFolder, name: str, part: Part, backbone: Backbone, weights: Path
) -> dict[str, float]:
    """Train the part from its last checkpoint, if there is one, and keep its weights in ``weights``.

    The first process writes them, all read them: what follows is trained on what is kept. Returns the last
    losses, and what was measured of the weights.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))  # read at the first product
    steps = part.steps if cfg.trainer.max_steps == -1 else cfg.trainer.max_steps
    trainer = trainer_for(
        cfg,
        folder,
        name,
        backbone,
        max_steps=steps,
        max_epochs=-1,
        precision=part.precision,
        gradient_clip_val=part.clip,
    )
    place(backbone, trainer)
    folder.stage_started(name, trainer.world_size)
    checkpoints = folder.checkpoint_dir(name)
    module, data = part.begin(backbone, cfg.seed, checkpoints, weights)
    setattr(module, "stage_name", name)  # noqa: B010 - read by the progress bar and the checkpoints
    fit_from(trainer, module, data, checkpoints)
    found = {f"{name}/{key}": float(value) for key, value in trainer.callback_metrics.items()}
    if trainer.is_global_zero:
        found |= part.write(weights)
    trainer.strategy.barrier()
    part.read(weights, backbone)
    return found
