"""Training of an image tokenizer with look-up-free codes on pictures whose characters matter most."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Interval
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from unictk.backbones.showo.magvit import MagvitV2
from unictk.modules.code_alignment import CodeAlignment, Shown

Weight = Annotated[float, Ge(0)]
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


@dataclass(frozen=True, slots=True)
class AlignmentWeights:
    """Weights of the readouts of :class:`~unictk.modules.code_alignment.CodeAlignment`; 0 for none."""

    attributes: Weight = 1.0
    character: Weight = 0.3
    colour: Weight = 0.3
    setting: Weight = 0.1


class TokenizerPretraining(LightningModule):
    """Reconstruct pictures through binary codes: L1 + L2, characters weighted; and align the codes.

    Args:
        tokenizer: trains in place.
        optimizer: makes the optimizer of its parameters.
        alignment: readouts that train along.
        weights: of the readouts' losses beside the reconstruction's.
        character_weight: weight of a pixel of a character; others weigh 1.
        entropy: weight of the bonus for bits that are 1 half of the time, per cell channel.
        warmup: steps of the linear start.
        decay: share of the steps in which the learning rate falls.
    """

    def __init__(
        self,
        tokenizer: MagvitV2,
        optimizer: MakeOptimizer,
        alignment: CodeAlignment,
        weights: AlignmentWeights | None = None,
        character_weight: Annotated[float, Gt(0)] = 4.0,
        entropy: Weight = 0.02,
        warmup: Annotated[int, Ge(0)] = 100,
        decay: Annotated[float, Interval(ge=0, le=1)] = 1.0,
    ) -> None:
        super().__init__()
        self.tokenizer, self.alignment = tokenizer.requires_grad_(True), alignment
        self.make_optimizer = optimizer
        self.weights = asdict(weights or AlignmentWeights())
        self.character_weight, self.entropy = character_weight, entropy
        self.warmup, self.decay = warmup, decay

    def training_step(self, batch: tuple[Tensor, Shown], batch_idx: int) -> Tensor:
        """Weighted mean of absolute and squared differences, pixels in [-1, 1], and the readouts' losses."""
        pixels, shown = batch
        wanted = pixels.float() / 127.5 - 1
        hidden = self.tokenizer.encode(wanted).float()
        code = binary(hidden)
        made = self.tokenizer.decoder(code).float()
        weight = 1 + (self.character_weight - 1) * shown.anybody[:, None].float()
        wrong = (made - wanted).abs()
        drawn = (weight * (wrong + wrong.square())).sum() / (3 * weight.sum())
        usage = torch.tanh(hidden).mean((0, 2, 3))
        read = self.alignment(code, wanted, weight, shown)
        loss = drawn + self.entropy * usage.square().mean()
        loss = loss + sum(value * read[name] for name, value in self.weights.items())
        with torch.no_grad():
            noise = (wrong / 2).square().mean()
            told = {"psnr": -10 * noise.log10(), "loss": drawn, "bias": usage.abs().max(), **read}
            for name, value in told.items():
                self.log(f"tokenizer/{name}", value.detach(), prog_bar=name in ("psnr", "loss", "attributes"))
        return loss

    def configure_optimizers(self) -> Any:
        """The optimizer with its one fall at the end."""
        optimizer = self.make_optimizer(self.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: decayed(step, steps, self.warmup, self.decay))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
