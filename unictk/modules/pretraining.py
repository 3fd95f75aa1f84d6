"""Training a whole unified model from nothing on lessons of many kinds, on any backbone.

A lesson is a sample; its kind says how much it counts. The recipe knows nothing of the world that writes
the lessons or of the backbone that lays them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, cast

import torch
from annotated_types import Ge, Gt, Interval
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrize
from torch.optim.lr_scheduler import LambdaLR

from unictk.backbones.base import Backbone
from unictk.concepts.slots import KnownConcepts
from unictk.modules.muon import MuonAndAdamW
from unictk.modules.normaliser import mean_over_window
from unictk.modules.tokenizer_pretraining import decayed
from unictk.samples import Batch

Rate = Annotated[float, Gt(0)]


@dataclass(slots=True)
class Step:
    """One optimizer step: a batch per kind of lesson, and which known concepts sit in the slots."""

    batches: dict[str, Batch]
    seated: tuple[int, ...]


class LanguagePretraining(LightningModule):
    """Train tables and language layers on text and image targets.

    Args:
        backbone: trains in place, without its image tokenizer.
        known: concepts whose rows train along; their slots get attached. None: no personal tokens.
        weights: of each kind of lesson; a kind that is not listed weighs 1.
        image_weight: of the mean image loss beside the mean text loss of a kind.
        lr: of Muon (block matrices) and AdamW (the rest).
        table_lr: of the tables and of the known concepts' rows.
        weight_decay: of all but the tables.
        warmup: steps of the linear start.
        decay: share of the steps in which the learning rate falls, at the end.
    """

    def __init__(
        self,
        backbone: Backbone,
        known: KnownConcepts | None = None,
        weights: Mapping[str, float] | None = None,
        image_weight: Annotated[float, Ge(0)] = 1.0,
        lr: Rate = 3e-3,
        table_lr: Rate = 6e-3,
        weight_decay: Annotated[float, Ge(0)] = 0.01,
        warmup: Annotated[int, Ge(0)] = 100,
        decay: Annotated[float, Interval(ge=0, le=1)] = 0.3,
    ) -> None:
        super().__init__()
        self.backbone, self.known = backbone, known
        self.weights, self.image_weight = dict(weights or {}), image_weight
        self.lr, self.table_lr, self.weight_decay = lr, table_lr, weight_decay
        self.warmup, self.decay = warmup, decay
        for name, part in backbone.parts().items():
            part.requires_grad_(name != "tokenizer")
        if known is not None:
            backbone.attach(known.slots)

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Sum over kinds of weight x (mean text loss + image_weight x mean image loss).

        Means are over the whole step: gradients are averaged over processes that have a share of it each.
        """
        if self.known is not None:
            self.known.seat(batch.seated)
        total = torch.zeros((), device=self.device)
        # The plain kernel is the faster one for short sequences on a processor.
        kernel = sdpa_kernel(SDPBackend.MATH) if self.device.type == "cpu" else nullcontext()
        with parametrize.cached(), kernel:
            for kind, lessons in batch.batches.items():
                found = self.backbone.loss(lessons)
                mean = mean_over_window(found, lessons.window, self.trainer.world_size, 1)
                total = total + self.weights.get(kind, 1.0) * (mean.text + self.image_weight * mean.image)
                for name, value, count in (
                    ("text", mean.text, found.text_count),
                    ("image", mean.image, found.image_count),
                ):
                    if count:
                        self.log(f"pretrain/{kind}_{name}", value.detach())
        self.log("pretrain/loss", total.detach(), prog_bar=True)
        return total

    def parameter_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
        """Matrices of the blocks, tables with the known concepts' rows, and everything else that trains."""
        matrices = [p for block in self.backbone.blocks() for p in block.parameters() if p.ndim == 2]
        tables = [*self.backbone.parts()["tables"].parameters()]
        if self.known is not None:
            tables.append(self.known.table)
        taken = {id(p) for p in (*matrices, *tables)}
        rest = [
            p for p in cast(nn.Module, self.backbone).parameters() if p.requires_grad and id(p) not in taken
        ]
        return matrices, tables, rest

    def configure_optimizers(self) -> Any:
        """Muon and AdamW under one schedule with one fall at the end."""
        matrices, tables, rest = self.parameter_groups()
        optimizer = MuonAndAdamW(matrices, rest, tables, self.lr, self.table_lr, self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: decayed(step, steps, self.warmup, self.decay))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
