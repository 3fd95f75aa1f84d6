"""One part of pretraining in a run folder: its trainer, its checkpoints, its last losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from unictk.assembly import LAST, place, trainer_for
from unictk.errors import UserError

if TYPE_CHECKING:
    from unictk.app.folder import RunFolder
    from unictk.backbones.base import Backbone
    from unictk.pretraining.base import Part


def fit_part(
    cfg: DictConfig, folder: RunFolder, name: str, part: Part, backbone: Backbone
) -> dict[str, float]:
    """Train the part from its last checkpoint, if there is one; the last losses it logged."""
    steps = part.steps if cfg.trainer.max_steps == -1 else cfg.trainer.max_steps
    trainer = trainer_for(
        cfg,
        folder,
        name,
        max_steps=steps,
        max_epochs=-1,
        precision=part.precision,
        gradient_clip_val=part.clip,
    )
    if trainer.world_size > 1:
        raise UserError(
            f"trainer.devices: {trainer.world_size} processes would train on the same lessons; expected 1"
        )
    place(backbone, trainer)
    folder.stage_started(name)
    checkpoints = folder.checkpoint_dir(name)
    module, data = part.begin(backbone, cfg.seed, checkpoints)
    setattr(module, "stage_name", name)  # noqa: B010 - read by the progress bar and the checkpoints
    last = checkpoints / LAST
    trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    return {f"{name}/{key}": float(value) for key, value in trainer.callback_metrics.items()}
