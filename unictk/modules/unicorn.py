"""UniCorn: the model proposes, draws and judges in Lightning's predict loop, and learns from it in fit.

No step of the predict loop talks to other processes: each works on steps of its own, of which there may be
more or fewer than another's, and all meet in the records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, cast

from annotated_types import Ge, Lt
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from unictk.backbones.base import Backbone
from unictk.concepts.rewriting import Wanted, rewritten
from unictk.modules.normaliser import mean_over_window
from unictk.samples import Batch
from unictk.selfplay.judges import RolloutJudge
from unictk.selfplay.pictures import keep
from unictk.selfplay.proposer import propose
from unictk.selfplay.proposers import Proposer
from unictk.selfplay.proposing import Ask, Stream
from unictk.selfplay.rollouts import Batch as Rollouts
from unictk.selfplay.rollouts import Rollout
from unictk.selfplay.rows import JudgementRow
from unictk.selfplay.shards import content_key
from unictk.selfplay.stores import Stores
from unictk.sharding import shard

Told = Callable[[Stream], None]
"""Hears of every batch of answers of a stream."""

Judged = Callable[[list[JudgementRow], int, float], None]
"""Hears of every batch that is done: its judgements, and how many pictures were drawn in how many seconds."""


class Proposing(LightningModule):
    """The proposer: a step is a category, whole (UniCorn, section 3.3.1).

    Args:
        backbone: the model, for its device.
        proposer: who writes.
        stores: where the records go.
        batch_size: questions a call.
        made_by: what the answers depend on beside the questions.
        told: hears of progress.
    """

    def __init__(
        self,
        backbone: Backbone,
        proposer: Proposer,
        stores: Stores,
        batch_size: Annotated[int, Ge(1)],
        made_by: str,
        told: Told,
    ) -> None:
        super().__init__()
        self.backbone, self.proposer, self.stores = backbone, proposer, stores
        self.batch_size, self.made_by, self.told = batch_size, made_by, told

    def predict_step(self, batch: Stream, batch_idx: int) -> int:
        """Bring the category's stream to its end; what is recorded is not asked again. Gives its prompts."""

        def say(asks: Iterable[Ask]) -> list[str]:
            self.told(batch)
            return self.proposer.say(list(asks), batch.category.name)

        stores = self.stores
        propose(batch, stores.proposals, stores.ratings, say, self.batch_size, self.made_by)
        self.told(batch)
        return len(batch.accepted)


class DrawingAndJudging(LightningModule):
    """Solver and judge: a step is a batch of prompts with all their rollouts.

    Args:
        backbone: who draws.
        solver: its name, in records.
        judge: who scores.
        stores: where the records go.
        drawn_by: what pictures depend on beside what was asked.
        judged_by: what scores depend on beside the pictures.
        told: hears of progress.
    """

    def __init__(
        self,
        backbone: Backbone,
        solver: str,
        judge: RolloutJudge,
        stores: Stores,
        drawn_by: str,
        judged_by: str,
        told: Judged,
    ) -> None:
        super().__init__()
        self.backbone, self.solver, self.judge, self.stores = backbone, solver, judge, stores
        self.drawn_by, self.judged_by, self.told = drawn_by, judged_by, told

    def predict_step(self, batch: Rollouts, batch_idx: int) -> int:
        """Draw and judge what has no shard yet; gives the number of pictures.

        Judging reads the shard: it may be an earlier process's.
        """
        drawn, started = 0, time.monotonic()
        content = batch.content(self.drawn_by)
        if not self.stores.rollouts.has(batch.name, content):
            self._draw(batch, content)
            drawn = len(batch.rollouts)
        content = content_key(content, self.judged_by)
        if not self.stores.judgements.has(batch.name, content):
            rows = self.judge.judge(list(self.stores.rollouts.read(batch.name)))
            self.stores.judgements.write(batch.name, rows, content)
        else:
            rows = list(self.stores.judgements.read(batch.name))
        self.told(rows, drawn, time.monotonic() - started)
        return len(rows)

    def _draw(self, batch: Rollouts, content: str) -> None:
        started = time.monotonic()
        plans = self._plans(batch.rollouts)
        drawn = self.backbone.generate_images(
            [one.request(plan) for one, plan in zip(batch.rollouts, plans, strict=True)]
        )
        seconds = (time.monotonic() - started) / len(drawn)
        rows = [
            keep(one, picture, self.stores.root, self.solver, seconds, plan)
            for one, picture, plan in zip(batch.rollouts, drawn, plans, strict=True)
        ]
        self.stores.rollouts.write(batch.name, rows, content)

    def _plans(self, rollouts: Sequence[Rollout]) -> list[str]:
        """What the model says of each picture before it draws it (``selfplay.planned``); empty: nothing."""
        sampling = rollouts[0].sampling
        if sampling.rewrite == "none":
            return [""] * len(rollouts)
        wanted = [Wanted(one.prompt.text, f"{one.sample_id}/plan", one.seed) for one in rollouts]
        return rewritten(self.backbone, (), wanted, sampling, sampling.rewrite)


class SelfTraining(LightningModule):
    """Fine-tuning on the lessons of a round (UniCorn, section 3.3.2 and table 5).

    All of the backbone trains but its image tokenizer, which says what a picture is made of. The loss is
    ``text_weight`` times the mean over text tokens (captions, judgements) plus ``image_weight`` times the
    mean over image positions (generation, reflection). How often each kind is seen follows from the lessons.

    Args:
        backbone: trains in place.
        name: of the stage, in logs and checkpoints.
        optimizer: makes the optimizer from the trainable parameters.
        batch_size: lessons in a batch, per device; kinds have the share that they have of the lessons.
        text_weight: weight of the mean text loss.
        image_weight: weight of the mean image loss.
        warmup: steps in which the learning rate rises to its constant value.
        most_steps: stop here even if the trainer allows more; None leaves it to the trainer.
        average: decay of a running average of the weights, which is then what is kept; None: none.
    """

    def __init__(
        self,
        backbone: Backbone,
        name: str,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        batch_size: Annotated[int, Ge(1)] = 28,
        text_weight: Annotated[float, Ge(0)] = 0.1,
        image_weight: Annotated[float, Ge(0)] = 1.0,
        warmup: Annotated[int, Ge(0)] = 50,
        most_steps: Annotated[int, Ge(1)] | None = None,
        average: Annotated[float, Ge(0), Lt(1)] | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.stage_name = backbone, name
        self.make_optimizer, self.warmup = optimizer, warmup
        self.batch_size, self.most_steps, self.average = batch_size, most_steps, average
        self.text_weight, self.image_weight = text_weight, image_weight
        for part, module in backbone.parts().items():
            module.requires_grad_(part != "tokenizer")

    def configure_model(self) -> None:
        """Cut the parameters up, where the strategy has processes share them."""
        shard(self)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The two weighted means of the whole optimizer step."""
        trainer = self.trainer
        found = self.backbone.loss(batch)
        mean = mean_over_window(found, batch.window, trainer.world_size, trainer.accumulate_grad_batches)
        total = self.text_weight * mean.text + self.image_weight * mean.image
        if not batch.size:  # every rank needs gradients of the same parameters, if only zeros
            total = total + 0.0 * sum(p.sum() for p in self.trainable())
        for name, value in (("loss", total), ("text_loss", mean.text), ("image_loss", mean.image)):
            self.log(
                f"{self.stage_name}/train_{name}",
                value.detach(),
                on_step=True,
                on_epoch=True,
                batch_size=1,
                sync_dist=trainer.world_size > 1,
                prog_bar=name == "loss",
            )
        return total

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that move."""
        return [p for p in cast(nn.Module, self.backbone).parameters() if p.requires_grad]

    def on_train_epoch_start(self) -> None:
        """Nothing here behaves otherwise in training."""
        cast(nn.Module, self.backbone).eval()

    def configure_optimizers(self) -> Any:
        """The optimizer with its warm-up."""
        optimizer = self.make_optimizer(self.trainable())
        rising = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / max(1, self.warmup)))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rising, "interval": "step"}}
