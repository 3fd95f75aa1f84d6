"""``task=instruct``: stages in which a whole model learns from instruction data (UniToken's three)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from hydra.utils import instantiate
from omegaconf import DictConfig

from unictk.errors import UserError

if TYPE_CHECKING:
    from lightning import Trainer

    from unictk.app.folder import RunFolder
    from unictk.backbones.base import Backbone
    from unictk.datamodules.instructions.stream import Instructions
    from unictk.modules.unitoken import InstructionStage

IMAGE_TOKENIZER = "image_tokenizer"
"""Below ``weights``: the image tokenizer, where it came from no file."""


def instruct(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Train every stage with a Trainer of its own; the weights of each go to ``weights/<stage>/``.

    A stage begins with what the one before has written. One that an earlier process finished is left out;
    one that it began goes on from its last checkpoint with the next sample.

    Raises:
        UserError: nothing to train, or data that cannot be used.
    """
    from unictk.app.folder import process_rank
    from unictk.assembly import measured, model_benchmark, write_report

    if not cfg.stages:
        raise UserError("experiment: it has no stages to train; choose one, for example experiment=unitoken")
    benchmark = None if cfg.benchmark is None else model_benchmark(cfg)
    backbone: Backbone = instantiate(cfg.backbone)
    if process_rank() == 0:
        _keep_tokenizer(cfg, backbone, folder.directory("weights") / IMAGE_TOKENIZER)
    before: Path | None = None
    for name in map(str, cfg.stages):
        kept = folder.path / "weights" / name
        if not folder.stage_is_done(name):
            if before is not None:
                backbone.read_weights(before)
            _stage(cfg, folder, name, backbone, kept)
            folder.stage_done(name)
        before = kept
    if benchmark is not None and before is not None and process_rank() == 0:
        backbone.read_weights(before)
        measured(cfg, folder, backbone, benchmark)
    write_report(folder)
    return folder.scores()


def _stage(cfg: DictConfig, folder: RunFolder, name: str, backbone: Backbone, kept: Path) -> None:
    """Train one stage, from its last checkpoint if there is one, and write its weights."""
    from unictk.app.folder import process_rank
    from unictk.assembly import place, trainer_for
    from unictk.resuming import fit_from

    stage: InstructionStage = instantiate(cfg.stages[name])(backbone=backbone, name=name)
    data: Instructions = instantiate(cfg.datamodule)(
        layout=backbone.layout,
        data=stage.data,
        generation=stage.generation,
        batch_size=stage.batch_size,
        seed=cfg.seed,
        stage=name,
    )
    if process_rank() == 0:  # data that cannot be used is told before anything has begun
        data.prepare_data()
        _print_data(data, name)
    trainer = trainer_for(cfg, folder, name, backbone)
    place(backbone, trainer)
    folder.stage_started(name, trainer.world_size)
    fit_from(trainer, stage, data, folder.checkpoint_dir(name))
    folder.write_metrics(_found(trainer, data, name))
    if trainer.is_global_zero:
        print(f"weights: {backbone.write_weights(kept)}")
    trainer.strategy.barrier()


def _found(trainer: Trainer, data: Instructions, name: str) -> dict[str, float]:
    """The last losses, and how many records of each source were left out, on all processes."""
    import torch

    found = {
        key.removesuffix("_epoch"): float(value)
        for key, value in trainer.callback_metrics.items()
        if not key.endswith("_step")
    }
    met = data.loader.left_out if data.loader is not None else {}
    for one in data.sources:
        here = torch.tensor(float(met.get(one.name, 0)), device=trainer.strategy.root_device)
        count = one.index.problem_count + float(trainer.strategy.reduce(here, reduce_op="sum"))
        if count:
            found[f"{name}/left_out/{one.name}"] = count
    return found


def _print_data(data: Instructions, name: str) -> None:
    """What the stage is fed."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{name}: data", box=box.SIMPLE, title_justify="left")
    for column in ("source", "for", "records", "left out", "share", "passes an epoch"):
        table.add_column(column, justify="left" if column in ("source", "for") else "right")
    for source, task, records, left_out, share, passes in data.table():
        table.add_row(source, task, f"{records:,}", f"{left_out:,}", f"{share:.1%}", f"{passes:.2f}")
    Console().print(table, markup=False)


def _keep_tokenizer(cfg: DictConfig, backbone: Backbone, folder: Path) -> None:
    """Write an image tokenizer that came from no file: the weights alone could not be used again."""
    from unictk.backbones.base import WritesTokenizer

    if cfg.backbone.get("image_weights") is None and isinstance(backbone, WritesTokenizer):
        cast(WritesTokenizer, backbone).write_image_tokenizer(folder)
