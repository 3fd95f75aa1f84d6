"""Draws the concept after each stage, with the same seeds every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import lightning.pytorch as pl
from annotated_types import Ge
from lightning.pytorch.callbacks import Callback
from PIL import Image as PILImage

from unictk.callbacks.evaluating import evaluating
from unictk.callbacks.grid import captioned_grid
from unictk.callbacks.loggers import log_picture, log_table
from unictk.callbacks.meter import Meter
from unictk.callbacks.stage import Stage, stage_of
from unictk.chance import seed_of
from unictk.concepts import prompts
from unictk.samples import Request, Sampling, Text
from unictk.sharding import whole
from unictk.tracking.tables import samples_table

LIST = "samples.json"
"""Beside the pictures of a stage: each one's file, prompt, rollout and seed, and the sampling settings."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture to draw: its file in the stage's folder, its prompt, and what makes it unlike the others."""

    file: str
    prompt: str
    rollout: int
    seed: int


class SampleGrid(Callback):
    """Pictures of the concept's own conditions, its identity prompt first, under ``samples/<stage>/``.

    The first ``max_prompts`` conditions are drawn ``images_per_prompt`` times each, ``batch_size``
    pictures a call. A picture's seed comes from ``seed``, its prompt and its rollout, so that the pictures
    of two stages differ by what was learnt. Every logger that takes pictures gets ``grid.png``; W&B also gets
    a table of them.
    """

    def __init__(
        self,
        images_per_prompt: Annotated[int, Ge(1)] = 4,
        max_prompts: Annotated[int, Ge(1)] = 4,
        batch_size: Annotated[int, Ge(1)] = 4,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> None:
        self.images_per_prompt = images_per_prompt
        self.max_prompts = max_prompts
        self.batch_size = batch_size
        self.seed = seed
        self.sampling = sampling or Sampling()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw, save and log the stage's pictures (rank zero; the others wait)."""
        with whole(pl_module):
            if trainer.is_global_zero:
                self._save_and_log(trainer, pl_module)
            trainer.strategy.barrier("samples")

    def _save_and_log(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stage = stage_of(pl_module)
        folder = Path(trainer.default_root_dir) / "samples" / stage.stage_name
        plan = self.plan(stage)
        with evaluating(pl_module):
            pictures, grid = self._draw(stage, plan, folder)
        caption = f"{stage.concept} after {stage.stage_name}"
        name = f"samples/{stage.stage_name}"
        log_picture(trainer.loggers, name, grid, caption, trainer.global_step)
        rows = [
            (drawn.file, drawn.prompt, drawn.rollout, drawn.seed, picture)
            for drawn, picture in zip(plan, pictures, strict=True)
        ]
        log_table(trainer.loggers, f"{name}/pictures", lambda: samples_table(rows))

    def plan(self, stage: Stage) -> list[Drawn]:
        """What is drawn, in order: the same list after every stage."""
        conditions = stage.data.conditions
        chosen = (conditions.identity, *conditions.knowledge)[: self.max_prompts]
        return [
            Drawn(
                f"{index:02d}-{rollout:02d}.png",
                prompt,
                rollout,
                seed_of(self.seed, "samples", prompt, rollout),
            )
            for index, prompt in enumerate(chosen)
            for rollout in range(self.images_per_prompt)
        ]

    def _draw(
        self, stage: Stage, plan: list[Drawn], folder: Path
    ) -> tuple[list[PILImage.Image], PILImage.Image]:
        folder.mkdir(parents=True, exist_ok=True)
        pictures: list[PILImage.Image] = []
        with Meter(f"samples ({folder.name})", len(plan)) as meter:
            for picture, drawn in zip(self._pictures(stage, plan), plan, strict=True):
                picture.save(folder / drawn.file)
                pictures.append(picture)
                meter.show(len(pictures))
        per_row = self.images_per_prompt
        rows = [(plan[i].prompt, pictures[i : i + per_row]) for i in range(0, len(plan), per_row)]
        grid = captioned_grid(rows)
        grid.save(folder / "grid.png")
        listing = {"sampling": asdict(self.sampling), "images": [asdict(drawn) for drawn in plan]}
        (folder / LIST).write_text(json.dumps(listing, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return pictures, grid

    def _pictures(self, stage: Stage, plan: list[Drawn]) -> Iterator[PILImage.Image]:
        requests = [
            Request(
                Text(prompts.expand(drawn.prompt, stage.concept)),
                key=f"samples/{drawn.file}",
                seed=drawn.seed,
                sampling=self.sampling,
            )
            for drawn in plan
        ]
        for start in range(0, len(requests), self.batch_size):
            for generated in stage.backbone.generate_images(requests[start : start + self.batch_size]):
                yield generated.as_pil()
