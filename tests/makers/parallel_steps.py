"""Trains small modules for some steps with several strategies, and keeps what they went through.

``python parallel_steps.py FOLDER JOBS``: every process of a group runs all jobs (a JSON list of :class:`Job`)
one after the other; ``LOCAL_RANK`` and ``WORLD_SIZE`` say which process it is of how many. The first writes
``FOLDER/<job>.pt`` (losses, the whole gradient of the first step, the parameters at the end) and a checkpoint
``FOLDER/<job>@<step>.ckpt`` after every second step.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bagel_makers import make_bagel
from janus_makers import make_janus
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from showo_makers import make_showo, picture
from stage_makers import concept_data, make_stage, small_backbone
from torch.distributed.tensor import DTensor
from unitoken_makers import make_unitoken

from unictk.backbones.unitoken.backbone import UniToken
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.mixture import Flow, Mixture
from unictk.modules.unicorn import SelfTraining
from unictk.samples import Image, Sample, Text
from unictk.sharded_strategy import FullyShardedStrategy
from unictk.sharding import joined_up, mend

GLOBAL_BATCH = 4
DRAWN = [Sample(Text(f"A cup {n}."), Image(picture(n), target=True), key=f"g{n}") for n in range(8)]
TOLD = [
    Sample(Image(picture(n)), Text("What is it?"), Text(f"A cup {n}.", target=True), key=f"c{n}")
    for n in range(8)
]


def calm_unitoken() -> UniToken:
    """Random weights a fifth as lively: the maker's turn rounding of 1e-7 into 1e-2 within five steps."""
    backbone = make_unitoken()
    with torch.no_grad():
        for parameter in backbone.network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.2)
    return backbone


MAKERS = {"showo": make_showo, "janus": make_janus, "unitoken": calm_unitoken, "bagel": make_bagel}


@dataclass(frozen=True)
class Job:
    """What is trained, how, for how long and from where.

    ``what``: a backbone that trains wholly, or ``rows``: concept rows beside a frozen Show-o. ``remembers``:
    the optimizer has a state, and gradients are clipped. For rows that is AdamW, for a whole model momentum:
    a parameter without gradient (the bias of a key) would follow the signs of its rounding under AdamW.
    """

    name: str
    what: str
    strategy: str
    steps: int = 5
    accumulate: int = 1
    remembers: bool = False
    start: str | None = None


class Watch(Callback):
    """Keeps each step's loss, the first gradient, and which parameters this process has only a part of."""

    def __init__(self) -> None:
        self.losses: list[torch.Tensor] = []
        self.gradient: dict[str, torch.Tensor] = {}
        self.cut: list[str] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        named = pl_module.named_parameters()
        self.cut = [n for n, p in named if isinstance(p, DTensor) and p.to_local().numel() < p.numel()]

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        # The share of one process and batch: their mean over both is the step's loss.
        self.losses.append(loss.detach() * trainer.accumulate_grad_batches)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        if not self.gradient:
            named = pl_module.named_parameters()
            self.gradient = {name: joined_up(p.grad) for name, p in named if p.grad is not None}


def made(job: Job, folder: Path, batch: int) -> tuple[LightningModule, Mixture]:
    """The module and what it is fed: drawings and answers in each batch."""
    optimizer: Any = partial(torch.optim.SGD, lr=0.01, momentum=0.9 if job.remembers else 0.0)
    if job.remembers and job.what == "rows":
        optimizer = partial(torch.optim.AdamW, lr=1e-3)
    if job.what == "rows":
        data, backbone = concept_data(folder), small_backbone()
        first = make_stage("s1", backbone, ConceptTokens("bo", backbone.row_shape), data)
        first.begin()
        stage = make_stage("s2", backbone, first.concept, data, text_batch=batch, image_batch=batch)
        stage.make_optimizer = optimizer
        stage.begin()
        return stage, Mixture(backbone.layout, stage.flows(), 0, "s2")
    whole_model = MAKERS[job.what]()
    module = SelfTraining(whole_model, "learn", optimizer, warmup=0, text_weight=1.0)
    flows = [Flow("g", DRAWN, batch), Flow("c", TOLD, batch)]
    return module, Mixture(whole_model.layout, flows, 5, "learn")


def run(job: Job, folder: Path, devices: int) -> None:
    """One job."""
    torch.manual_seed(0)
    module, data = made(job, folder, GLOBAL_BATCH // (devices * job.accumulate))
    watch = Watch()
    points = ModelCheckpoint(
        folder, f"{job.name}@{{step}}", auto_insert_metric_name=False, every_n_train_steps=2, save_top_k=-1
    )
    trainer = Trainer(
        max_steps=job.steps,
        max_epochs=-1,
        accelerator="cpu",
        devices=devices,
        strategy={"single": "auto", "ddp": "ddp", "fsdp": FullyShardedStrategy()}[job.strategy],
        accumulate_grad_batches=job.accumulate,
        gradient_clip_val=1.0 if job.remembers else None,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[watch, points],
        default_root_dir=folder,
    )
    point = None if job.start is None else folder / f"{job.start}.ckpt"
    trainer.fit(module, datamodule=data, ckpt_path=point, weights_only=True)
    losses = trainer.strategy.reduce(torch.stack(watch.losses), reduce_op="mean")
    mend(module)
    if trainer.is_global_zero:
        ends = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
        found = {"losses": losses.view(-1, job.accumulate).mean(1), "gradient": watch.gradient, "ends": ends}
        torch.save({**found, "cut": watch.cut, "world": trainer.world_size}, folder / f"{job.name}.pt")
    print(f"{job.name}: done", flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # Lightning removes it after a fit
    for one in json.loads(sys.argv[2]):
        run(Job(**one), Path(sys.argv[1]), processes)
