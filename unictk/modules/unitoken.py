"""UniToken's three stages (arXiv 2504.04423, section 3.3): alignment, joint training, instruction tuning.

They differ in what trains, what they are fed and how fast they learn. The loss is the same: the mean over
all targets, words and image codes alike, of cross entropy and z-loss, which the backbone adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, cast

import torch
from annotated_types import Ge, Interval
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from unictk.backbones.base import Backbone
from unictk.datamodules.instructions.files import InstructionData
from unictk.datamodules.instructions.stream import Instructions
from unictk.datamodules.mixture import Share
from unictk.errors import UserError
from unictk.modules.freezing import by_name, freeze, optimizer_groups, print_summary
from unictk.modules.normaliser import MeanLoss, mean_over_window
from unictk.samples import Batch, Loss
from unictk.sharding import shard

FROZEN = ("tokenizer", "vision.embeddings", "vision.head")
"""What never trains, as published: the tower's patches and positions; its pooling head has no gradient."""

Scale = Annotated[float, Ge(0)]


class InstructionStage(LightningModule):
    """One stage: a model learns from instruction data.

    Args:
        backbone: trains in place.
        name: of the stage, in logs and checkpoints.
        optimizer: makes the optimizer from groups of parameters.
        data: what there is to learn from.
        trains: rules for what trains (:mod:`unictk.modules.freezing`); None: the stage's own.
        freezes: rules for what does not, whatever ``trains`` says.
        rates: by rule, what the learning rate is multiplied by.
        undecayed: rules for what has no weight decay (published: everything decays).
        generation: share of samples that come from sources of generation.
        batch_size: samples in a batch, per device.
        mean: over all targets of a step (``token``, as published: one picture outweighs hundreds of
            answers), or over those of answers and of pictures apart, which are then added (``task``).
        text_weight: weight of the losses of words.
        image_weight: weight of the losses of drawn pictures.
        warmup: epochs in which the learning rate rises from 0; it falls to 0 like a cosine afterwards.
    """

    trains: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        backbone: Backbone,
        name: str,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        data: InstructionData,
        trains: Sequence[str] | None = None,
        freezes: Sequence[str] = FROZEN,
        rates: Mapping[str, Scale] | None = None,
        undecayed: Sequence[str] = (),
        generation: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        batch_size: Annotated[int, Ge(1)] = 16,
        mean: Literal["token", "task"] = "token",
        text_weight: Scale = 1.0,
        image_weight: Scale = 1.0,
        warmup: Annotated[float, Ge(0)] = 0.01,
    ) -> None:
        super().__init__()
        self.backbone, self.stage_name, self.data = backbone, name, data
        self.make_optimizer, self.warmup = optimizer, warmup
        self.generation, self.batch_size = generation, batch_size
        self.mean, self.text_weight, self.image_weight = mean, text_weight, image_weight
        self.named = freeze(
            backbone,
            f"stages.{name}",
            [str(rule) for rule in (self.trains if trains is None else trains)],
            [str(rule) for rule in freezes],
            {str(rule): float(rate) for rule, rate in (rates or {}).items()},
            [str(rule) for rule in undecayed],
        )

    def configure_model(self) -> None:
        """Cut the parameters up, where the strategy has processes share them."""
        shard(self)

    # -- the loss --------------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """This batch's share of the mean loss of the optimizer step.

        Every parameter that trains has a gradient in every process, if only zeros: a batch may show no
        picture, or have lost all its records.
        """
        none = torch.zeros((), device=self.device)
        found = self.backbone.loss(batch) if batch.size else Loss(none, 0, none, 0)
        trainer = self.trainer
        mean = mean_over_window(found, batch.window, trainer.world_size, trainer.accumulate_grad_batches)
        total = self.total(mean, batch)
        self._tell(found, mean, total, batch)
        return total + 0.0 * sum((p.sum() for p in self.trainable()), none)

    def total(self, mean: MeanLoss, batch: Batch) -> Tensor:
        """The weighted losses, over all targets of the step or over each task's own."""
        text, image = 1.0, 1.0
        if self.mean == "token":
            whole = max(1, batch.window.text + batch.window.image)
            text, image = batch.window.text / whole, batch.window.image / whole
        return self.text_weight * text * mean.text + self.image_weight * image * mean.image

    def _tell(self, found: Loss, mean: MeanLoss, loss: Tensor, batch: Batch) -> None:
        values = {"loss": loss.detach()}
        if batch.window.text:
            values["text_loss"] = mean.text.detach()
        if batch.window.image:
            values["image_loss"] = mean.image.detach()
        targets = max(1, batch.window.text + batch.window.image)
        share = self.trainer.world_size * self.trainer.accumulate_grad_batches / targets
        values["z_loss"] = found.extras.get("z_loss", torch.zeros_like(values["loss"])) * share
        for name, value in values.items():
            self.log(
                f"{self.stage_name}/train_{name}",
                value,
                on_step=True,
                on_epoch=True,
                batch_size=1,
                sync_dist=self.trainer.world_size > 1,
                prog_bar=name == "loss",
            )

    # -- what moves, and how fast ----------------------------------------------------------------------

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that move, as they are now: they may have been cut up."""
        now = by_name(self.backbone)
        return [now[one.name] for one in self.named if one.trains]

    def on_fit_start(self) -> None:
        """Say what trains (first process)."""
        if self.trainer.is_global_zero:
            print_summary(self.named, f"{self.stage_name}: {type(self).__name__}")

    def on_train_epoch_start(self) -> None:
        """Nothing here behaves otherwise in training."""
        cast(nn.Module, self.backbone).eval()

    def configure_optimizers(self) -> Any:
        """The optimizer over its groups, and its schedule by optimizer steps."""
        now = by_name(self.backbone)
        groups = optimizer_groups([replace(one, parameter=now[one.name]) for one in self.named])
        optimizer = self.make_optimizer([{"params": parameters} for parameters, _, _ in groups])
        for made, (_, rate, decayed) in zip(optimizer.param_groups, groups, strict=True):
            made["lr"] *= rate
            if not decayed:
                made["weight_decay"] = 0.0
        steps, epoch = self._steps()
        schedule = LambdaLR(
            optimizer, lambda step: learning_rate((step + 0.5) / epoch, self.warmup, steps / epoch)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _steps(self) -> tuple[int, int]:
        """Optimizer steps of the stage, and of an epoch.

        The data module is asked, not the trainer: Lightning would make the loader for it, before it has read
        in a checkpoint how far the loader was, and then forget to tell it.

        Raises:
            UserError: the stage has no end, up to which the learning rate would fall.
        """
        trainer = self.trainer
        data = cast(Instructions, cast(Any, trainer).datamodule)
        batches = len(data.plan(Share(0, trainer.world_size, trainer.accumulate_grad_batches)))
        limit = trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        epoch = max(1, math.ceil(batches / trainer.accumulate_grad_batches))
        ends = [steps for steps in (trainer.max_steps, epoch * (trainer.max_epochs or -1)) if steps > 0]
        if not ends:
            raise UserError(
                "trainer.max_epochs: -1, and trainer.max_steps is -1; expected one of them above 0"
            )
        return min(ends), epoch

    # -- checkpoints -----------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out what is frozen: it is what the stage began with."""
        owned = self.owned()
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value for name, value in state.items() if name in owned}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Read a checkpoint of this stage.

        Raises:
            UserError: the checkpoint lacks a tensor that trains here, or has one that does not.
        """
        owned = self.owned()
        wrong = sorted(owned ^ set(state_dict))
        if wrong:
            raise UserError(
                f"stages.{self.stage_name}: the checkpoint is of a stage that trains something else "
                f"({wrong[0]}{', ...' if len(wrong) > 1 else ''}); start afresh with rerun=true"
            )
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def owned(self) -> set[str]:
        """Names, as a checkpoint has them, of what trains."""
        return {name for name, parameter in self.named_parameters() if parameter.requires_grad}


class Alignment(InstructionStage):
    """Stage I: vision tower and adapter learn to speak to a frozen language model, from captions.

    What is drawn does not depend on either, so ``generation`` is 0.
    """

    trains = ("vision", "connector")


class JointTraining(InstructionStage):
    """Stage II: all of it learns to understand and to generate, about as much of each."""

    trains = ("vision", "connector", "tables", "language")


class InstructionTuning(InstructionStage):
    """Stage III: as stage II, on little and good data: dialogues, documents, chosen text-image pairs."""

    trains = ("vision", "connector", "tables", "language")


def learning_rate(done: float, warmup: float, epochs: float) -> float:
    """The share of the learning rate after ``done`` of ``epochs`` epochs: a line up, then half a cosine."""
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / max(1e-9, epochs - warmup))))
