"""A small real stage for callback tests: it trains one number, answers and draws by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import GeneratedImage, Request


@dataclass(frozen=True)
class Item:
    metric: str
    item_id: str
    image: Path | None
    question: str
    reference: str


@dataclass
class Data:
    items: Sequence[Item]
    name: str = "bo"
    class_noun: str = "dog"
    conditions: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(
            identity="A photo of <bo>.",
            knowledge=(
                "A photo of <bo> wearing its hat.",
                "A photo of <bo> [asleep] <script>.",
                "Never drawn <bo>.",
            ),
        )
    )

    def picture_key(self, path: Path) -> str:
        return path.as_posix()


class Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layout = SimpleNamespace(image_size=8)
        self.weight = nn.Parameter(torch.zeros(()))
        self.frozen = nn.Dropout(0.5).eval()
        self.asked: list[str] = []
        self.drawn: list[Request] = []

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.asked += [request.key for request in requests]
        return [f"after {int(self.weight.item())} steps" for _ in requests]

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        assert not self.training
        self.drawn += requests
        return [GeneratedImage(self._pixels(request), torch.zeros(4), {}) for request in requests]

    def _pixels(self, request: Request) -> Tensor:
        noise = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(request.seed))
        return (noise + 0.01 * self.weight.detach()).clamp(0, 1)


class TinyStage(pl.LightningModule):
    """Adds one to its weight each step, so that an answer tells when it was given."""

    def __init__(self, stage_name: str = "s1", steps: int = 2) -> None:
        super().__init__()
        self.stage_name, self.seed, self.steps = stage_name, 3, steps
        self.is_last = False
        self.backbone = Backbone()
        self.concept = ConceptTokens("bo", RowShape(4, False))
        self.concept.grow("identifier", Rows(torch.ones(1, 4), torch.ones(1, 4), None))
        self.concept.grow("shared", Rows(torch.ones(2, 4), torch.ones(2, 4), None))
        self.data = Data([Item("vqa", str(i), None, f"How far {i}?", "After 4 steps.") for i in range(3)])

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        assert self.backbone.training
        assert not self.backbone.frozen.training
        self.log("train/loss", float(batch_idx), prog_bar=True)
        return -self.backbone.weight

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.backbone.weight], lr=1.0)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(torch.zeros(self.steps, 1))


def fit(module: TinyStage, folder: Path, *callbacks: pl.Callback, **settings: object) -> pl.Trainer:
    """Train the stage for two epochs of two steps, unless told otherwise."""
    bar = any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks)
    options = {"max_epochs": 2, "logger": False, "enable_checkpointing": False} | settings
    resume = options.pop("ckpt_path", None)
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=list(callbacks),
        enable_progress_bar=bar,
        enable_model_summary=False,
        log_every_n_steps=1,
        **options,
    )
    trainer.fit(module, ckpt_path=resume)
    return trainer
