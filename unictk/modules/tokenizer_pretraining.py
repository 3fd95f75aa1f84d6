"""Training of an image tokenizer with look-up-free codes on pictures whose characters matter most."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Interval
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from unictk.backbones.showo.magvit import MagvitV2

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


def binary(hidden: Tensor) -> Tensor:
    """Signs as -1 and 1, with the gradient of tanh (straight-through; MAGVIT-v2, section 3.1)."""
    soft = torch.tanh(hidden)
    return soft + (torch.where(hidden > 0, 1.0, -1.0) - soft).detach()


def decayed(step: int, steps: int, warmup: int, decay: float) -> float:
    """Factor of the learning rate: a linear start, a plateau, and one cosine fall over the last ``decay``."""
    begin, start = steps * (1 - decay), min(1.0, (step + 1) / max(1, warmup))
    done = min(1.0, max(0.0, step - begin) / max(1.0, steps - begin))
    return start * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


class TokenizerPretraining(LightningModule):
    """Reconstruct pictures through binary codes: L1 + L2, characters weighted.

    Args:
        tokenizer: trains in place.
        optimizer: makes the optimizer of its parameters.
        character_weight: weight of a pixel of a character; others weigh 1.
        entropy: weight of the bonus for bits that are 1 half of the time, per cell channel.
        warmup: steps of the linear start.
        decay: share of the steps in which the learning rate falls.
    """

    def __init__(
        self,
        tokenizer: MagvitV2,
        optimizer: MakeOptimizer,
        character_weight: Annotated[float, Gt(0)] = 4.0,
        entropy: Annotated[float, Ge(0)] = 0.02,
        warmup: Annotated[int, Ge(0)] = 100,
        decay: Annotated[float, Interval(ge=0, le=1)] = 1.0,
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer.requires_grad_(True)
        self.make_optimizer = optimizer
        self.character_weight, self.entropy = character_weight, entropy
        self.warmup, self.decay = warmup, decay

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Weighted mean of absolute and squared differences, pixels in [-1, 1]."""
        pixels, characters = batch
        wanted = pixels.float() / 127.5 - 1
        hidden = self.tokenizer.encode(wanted).float()
        made = self.tokenizer.decoder(binary(hidden)).float()
        weight = 1 + (self.character_weight - 1) * characters[:, None].float()
        wrong = (made - wanted).abs()
        loss = (weight * (wrong + wrong.square())).sum() / (3 * weight.sum())
        usage = torch.tanh(hidden).mean((0, 2, 3))
        with torch.no_grad():
            noise = (wrong / 2).square().mean()
            self.log_dict(
                {
                    "tokenizer/psnr": -10 * noise.log10(),
                    "tokenizer/loss": loss,
                    "tokenizer/bias": usage.abs().max(),
                },
                prog_bar=True,
            )
        return loss + self.entropy * usage.square().mean()

    def configure_optimizers(self) -> Any:
        """The optimizer with its one fall at the end."""
        optimizer = self.make_optimizer(self.tokenizer.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: decayed(step, steps, self.warmup, self.decay))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
