"""A stage's loss before and after training, with the same draws both times."""

from __future__ import annotations

from typing import Annotated, Any, cast

import lightning.pytorch as pl
import torch
from annotated_types import Ge
from torch import Tensor

from unictk.callbacks.before_after import BeforeAndAfter
from unictk.callbacks.evaluating import evaluating
from unictk.callbacks.stage import stage_of
from unictk.datamodules.mixture import Mixture, Share
from unictk.modules.concept_stage import ConceptStage
from unictk.sharding import whole


class FixedLoss(BeforeAndAfter):
    """Logs ``<stage>/loss``, ``text_loss`` and ``image_loss``, with ``/base`` before the first step.

    The loss of a training step depends on which cells its draws mask, far more than on what was learnt.
    Here ``passes`` epochs that are never trained on are planned once, so before and after differ by the
    rows alone.
    """

    def __init__(self, passes: Annotated[int, Ge(1)] = 1) -> None:
        super().__init__()
        self.passes = passes

    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, float]:
        """Mean losses; the sums are those of all processes."""
        stage = cast(ConceptStage, pl_module)
        mixture = cast(Mixture, cast(Any, trainer).datamodule)
        share = Share(trainer.global_rank, trainer.world_size, trainer.accumulate_grad_batches)
        plan = mixture.plan(share)
        sums = torch.zeros(4, device=pl_module.device)
        with whole(pl_module), evaluating(pl_module), trainer.precision_plugin.forward_context():
            for epoch in range(-self.passes, 0):  # no epoch of the training
                for index in range(len(plan)):
                    sums += self._sums(stage, plan[epoch, index].to(pl_module.device))
        text, text_count, image, image_count = trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        found = {"loss": 0.0}
        for name, total, count, weight in (
            ("text_loss", text, text_count, stage.text_weight),
            ("image_loss", image, image_count, stage.image_weight),
        ):
            if count:
                found[name] = total / count
                found["loss"] += weight * found[name]
        return {f"{stage_of(pl_module).stage_name}/{name}": value for name, value in found.items()}

    @staticmethod
    def _sums(stage: ConceptStage, batch: Any) -> Tensor:
        loss = stage.backbone.loss(batch)
        text, image = loss.text_sum.float(), loss.image_sum.float()
        counts = text.new_tensor([loss.text_count, loss.image_count])
        return torch.stack([text, counts[0], image, counts[1]])
