"""What the UniCTokens stages share: rows, losses, optimizer, checkpoints of a few kilobytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from annotated_types import Ge
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from unictk.backbones.base import Backbone
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.concept_data import ConceptData
from unictk.datamodules.mixture import Flow, Mixture
from unictk.errors import UserError
from unictk.modules.normaliser import MeanLoss, mean_over_window
from unictk.samples import Batch, Sampling
from unictk.sharding import shard, whole

Weight = Annotated[float, Ge(0)]
BatchSize = Annotated[int, Ge(0)]


@dataclass(frozen=True, slots=True)
class StageRun:
    """What a stage is run on.

    ``name``: of the stage in the run (``s1``); seeds, logs and folders carry it. ``concept``: the rows so
    far. ``data``: the concept's photos, conversations and conditions. ``sampling``, ``seed``: the run's.
    ``is_last``: of the run's stages.
    """

    name: str
    backbone: Backbone
    concept: ConceptTokens
    data: ConceptData
    sampling: Sampling
    seed: int
    is_last: bool = True


class ConceptStage(LightningModule, ABC):
    """One stage of teaching a frozen model a concept: which rows train, on what, and how losses add up.

    Args:
        run: the backbone, the concept and what else the stage is run on.
        optimizer: makes the optimizer from the trainable parameters.
        text_weight: weight of the mean text loss.
        image_weight: weight of the mean image loss.
        text_batch: understanding samples per batch; 0 leaves them out.
        image_batch: drawings per batch; 0 leaves them out.
        anchor: weight of the squared distance of the identifier's rows to their start (published option).
        most_epochs: stop here even if the trainer allows more; None leaves it to the trainer.
    """

    trains: tuple[str, ...] = ()
    """Groups of rows that change."""

    needs: tuple[str, ...] = ()
    """Groups that must be there when the stage begins."""

    adds: tuple[str, ...] = ()
    """Groups that must not be there yet: those the stage grows, and later ones."""

    def __init__(
        self,
        run: StageRun,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        text_weight: Weight,
        image_weight: Weight,
        text_batch: BatchSize,
        image_batch: BatchSize,
        anchor: Weight = 0.0,
        most_epochs: Annotated[int, Ge(1)] | None = None,
    ) -> None:
        super().__init__()
        self.stage_name, self.seed, self.sampling = run.name, run.seed, run.sampling
        self.is_last = run.is_last
        self.backbone, self.concept, self.data = run.backbone, run.concept, run.data
        self.make_optimizer = optimizer
        self.text_weight, self.image_weight = text_weight, image_weight
        self.text_batch, self.image_batch = text_batch, image_batch
        self.anchor = anchor
        self.most_epochs = most_epochs
        self.strict_loading = False  # checkpoints hold what this stage may change, not the frozen model
        self._start: list[Tensor] = []

    # -- what a stage says -----------------------------------------------------------------------------

    @abstractmethod
    def grow(self) -> None:
        """Add this stage's rows to the concept, with their starting values."""

    @abstractmethod
    def flows(self) -> Sequence[Flow]:
        """What the stage is fed."""

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """How the mean losses of :meth:`mean` add up; returned through :meth:`logged`."""

    # -- what stages share -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Grow the rows, let the backbone know them, and freeze all but this stage's.

        Raises:
            UserError: the stage's data or start is not there, or a sample does not fit the backbone.
        """
        missing = [group for group in self.needs if group not in self.concept.groups]
        if missing:
            raise UserError(
                f"rows: stage {self.stage_name} builds on a concept that has {missing[0]} rows, "
                f"{self.concept} has none; give rows=<concept directory of the stage before>"
            )
        there = [group for group in self.adds if group in self.concept.groups]
        if there:
            raise UserError(
                f"stages.{self.stage_name}: {self.concept} has {there[0]} rows already; each stage runs once"
            )
        cast(nn.Module, self.backbone).requires_grad_(False)
        self.backbone.attach([self.concept])  # growing may draw with the rows so far, on the model's device
        self.grow()
        self.backbone.attach([self.concept])
        self.concept.train_only(group for group in self.trains if group in self.concept.groups)
        self._start = [p.detach().clone() for p in self._identifier()] if self.anchor else []
        for flow in self.flows():
            for sample in flow.samples:
                if reason := self.backbone.layout.supports(sample):
                    raise UserError(f"{self.stage_name}: sample {sample.key!r} does not fit: {reason}")

    def configure_model(self) -> None:
        """Cut the parameters up, where the strategy has processes share them."""
        shard(self)

    def on_fit_start(self) -> None:
        """Compute image codes once, before loader workers start."""
        mixture: Mixture = cast(Any, self.trainer).datamodule
        with whole(self):
            self.backbone.prepare(mixture.images())

    def mean(self, batch: Batch) -> MeanLoss:
        """The backbone's sums through the one normaliser."""
        trainer = self.trainer
        return mean_over_window(
            self.backbone.loss(batch), batch.window, trainer.world_size, trainer.accumulate_grad_batches
        )

    def logged(self, batch: Batch, mean: MeanLoss, total: Tensor) -> Tensor:
        """``total`` with the anchor added, after logging it and its parts under the stage's name."""
        if self.anchor:
            moved = zip(self._identifier(), self._start, strict=True)
            total = total + self.anchor * sum(((p - start.to(p)) ** 2).sum() for p, start in moved)
        if not batch.size:  # every rank needs gradients of the same parameters, if only zeros
            total = total + 0.0 * sum(p.sum() for p in self.trainable())
        values = {"loss": total.detach()}
        if batch.window.text:
            values["text_loss"] = mean.text.detach()
        if batch.window.image:
            values["image_loss"] = mean.image.detach()
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
        return total

    def _identifier(self) -> list[nn.Parameter]:
        return list(self.concept.get_submodule("identifier").parameters())

    def trainable(self) -> list[nn.Parameter]:
        """The parameters this stage moves."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def configure_optimizers(self) -> Optimizer:
        """The optimizer over the trainable parameters only."""
        return self.make_optimizer(self.trainable())

    def owned(self) -> set[str]:
        """Names of what a checkpoint holds: the concept's rows, and adapters where there are some."""
        return {
            name
            for name, parameter in self.named_parameters()
            if parameter.requires_grad or name.startswith("concept.")
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the frozen model out: kilobytes instead of gigabytes."""
        owned = self.owned()
        checkpoint["state_dict"] = {
            name: value for name, value in checkpoint["state_dict"].items() if name in owned
        }

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Read a checkpoint of this stage.

        Raises:
            UserError: the checkpoint lacks a tensor of this stage, or has one that has no place here.
        """
        result = super().load_state_dict(state_dict, strict=False, assign=assign)
        lost = self.owned() & set(result.missing_keys)
        if result.unexpected_keys or lost:
            raise UserError(
                f"{self.stage_name}: the checkpoint is of another stage; unexpected: "
                f"{', '.join(result.unexpected_keys) or 'none'}; missing: {', '.join(sorted(lost)) or 'none'}"
            )
        return result

    def on_train_epoch_start(self) -> None:
        """Frozen parts stay in evaluation mode."""
        cast(nn.Module, self.backbone).eval()
