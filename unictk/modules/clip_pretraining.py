"""Contrastive training of a small CLIP from nothing (Radford et al. 2021, section 2), by open_clip's loss."""

from __future__ import annotations

import math
from typing import Annotated, Any, cast

import torch
from annotated_types import Ge, Gt
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from unictk.metrics.clip_model import Clip
from unictk.modules.muon import MuonAndAdamW

Rate = Annotated[float, Gt(0)]

MOST_SCALE = math.log(100)
"""Upper bound of the logarithm of the logits' scale, as published; the lower bound is 0."""


def warmed_cosine(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate: a linear start, then one cosine fall to nothing at ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.5 * (1 + math.cos(math.pi * done))


class ClipPretraining(LightningModule):
    """Match pictures and texts within a batch.

    Args:
        clip: trains in place.
        lr: of Muon (matrices of the blocks) and AdamW (the rest); AdamW alone learns more slowly.
        table_lr: of the tables of tokens and positions.
        weight_decay: of all but the tables.
        warmup: steps of the linear start.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        clip: Clip,
        lr: Rate = 3e-3,
        table_lr: Rate = 6e-3,
        weight_decay: Annotated[float, Ge(0)] = 0.01,
        warmup: Annotated[int, Ge(0)] = 100,
    ) -> None:
        super().__init__()
        from open_clip.loss import ClipLoss

        self.clip = clip
        self.model: Any = clip.model.requires_grad_(True)
        self.criterion = ClipLoss()
        self.lr, self.table_lr, self.weight_decay, self.warmup = lr, table_lr, weight_decay, warmup
        settings: dict[str, Any] = cast(Any, self.model).visual.preprocess_cfg
        mean, std = (torch.tensor(settings[key]) for key in ("mean", "std"))
        self.register_buffer("mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("std", std.view(3, 1, 1), persistent=False)

    def on_fit_start(self) -> None:
        """The loss compares each picture with the texts of all processes, and each text with all pictures."""
        from open_clip.loss import ClipLoss

        self.criterion = ClipLoss(
            local_loss=True,
            gather_with_grad=True,
            rank=self.global_rank,
            world_size=self.trainer.world_size,
        )

    def training_step(self, batch: tuple[Tensor, list[str]], batch_idx: int) -> Tensor:
        """The contrastive loss of pixels (B, 3, S, S) uint8 and their texts."""
        pixels, texts = batch
        seen = self.clip.encode_image((pixels.float() / 255 - self.mean) / self.std)
        said = self.clip.encode_text(self.clip.tokenizer(texts))
        scale = self.model.logit_scale.exp()
        loss = self.criterion(seen, said, scale)
        with torch.no_grad():
            right = (seen @ said.T).argmax(1) == torch.arange(len(texts), device=seen.device)
            self.log_dict(
                {"clip/loss": loss, "clip/matched": right.float().mean(), "clip/scale": scale}, prog_bar=True
            )
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Keep the scale in its bounds."""
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, MOST_SCALE)

    def parameter_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
        """Matrices of the blocks, tables (tokens and positions), and everything else."""
        matrices = [p for name, p in self.model.named_parameters() if "resblocks" in name and p.ndim == 2]
        model = self.model
        tables = [
            model.token_embedding.weight,
            model.positional_embedding,
            model.visual.positional_embedding,
        ]
        taken = {id(p) for p in (*matrices, *tables)}
        return matrices, tables, [p for p in self.model.parameters() if id(p) not in taken]

    def configure_optimizers(self) -> Any:
        """Muon and AdamW under a warmed cosine."""
        matrices, tables, rest = self.parameter_groups()
        optimizer = MuonAndAdamW(matrices, rest, tables, self.lr, self.table_lr, self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: warmed_cosine(step, steps, self.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
