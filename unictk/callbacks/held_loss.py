"""A stage's loss on the same batches of instruction data before and after it."""

from __future__ import annotations

from typing import Annotated, Any, cast

import lightning.pytorch as pl
import torch
from annotated_types import Ge

from unictk.callbacks.before_after import BeforeAndAfter
from unictk.callbacks.evaluating import evaluating
from unictk.datamodules.instructions.stream import Instructions
from unictk.datamodules.mixture import Share
from unictk.modules.unitoken import InstructionStage
from unictk.sharding import whole


class HeldLoss(BeforeAndAfter):
    """Logs ``<stage>/text_loss`` and ``image_loss``, with ``/base`` before the first step.

    The batches are the first of an epoch that is never trained on: other draws and another order of the
    same records.

    Args:
        batches: how many, of every process.
    """

    def __init__(self, batches: Annotated[int, Ge(1)] = 8) -> None:
        super().__init__()
        self.batches = batches

    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, float]:
        """Mean losses; the sums are those of all processes."""
        stage = cast(InstructionStage, pl_module)
        plan = cast(Instructions, cast(Any, trainer).datamodule).plan(
            Share(trainer.global_rank, trainer.world_size)
        )
        sums = torch.zeros(4, dtype=torch.float64, device=pl_module.device)
        with whole(pl_module), evaluating(pl_module), trainer.precision_plugin.forward_context():
            for index in range(min(self.batches, len(plan))):
                batch = plan[-1, index].batch  # no epoch of the training; bad records are met there
                if batch.size:
                    loss = stage.backbone.loss(batch.to(pl_module.device))
                    sums += torch.stack(
                        [
                            loss.text_sum.double(),
                            sums.new_tensor(loss.text_count),
                            loss.image_sum.double(),
                            sums.new_tensor(loss.image_count),
                        ]
                    )
        text, words, image, codes = trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        means = (("text_loss", text, words), ("image_loss", image, codes))
        return {f"{stage.stage_name}/{name}": total / count for name, total, count in means if count}
