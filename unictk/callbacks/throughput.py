"""How fast a stage trains, where its time goes, and what share of the machine it uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import lightning.pytorch as pl
import torch
from annotated_types import Ge
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unictk.app.folder import as_json, read_json, write_text
from unictk.callbacks.loggers import log_scores
from unictk.callbacks.matmul_peak import matmul_peak
from unictk.samples import Batch

FILE = "throughput.json"
"""In the run folder: a section for each stage, as of its last process."""

PHASES = ("data", "forward", "backward", "rest")
SAMPLING = ("generate_text", "generate_images", "drafts", "choose")


class Throughput(Callback):
    """Logs ``throughput/*`` every ``every_n_steps`` and keeps the stage's means in ``throughput.json``.

    Per second, over all processes: ``samples``, ``images`` (pictures in them) and ``tokens`` (positions that
    went through the model's first layer, whatever they hold). ``share_of_peak``: a batch's operations over
    its time, as a share of what one large matrix product reaches on the same device in the same type.
    Operations are counted of one batch in ``count_every``; that slows it, so its time is left out. Seconds a
    batch: ``data`` (waiting for it), ``forward``, ``backward``, ``rest`` (optimizer and callbacks). In all:
    ``sampling``, in which the model was asked or drew before, between and after the steps.

    On a GPU each phase waits for the device, so that its time is its own.

    Args:
        every_n_steps: optimizer steps between two entries of the loggers.
        count_every: batches of which one's operations are counted.
        skip: batches at the start that count for nothing: kernels are chosen and compiled in them.
    """

    def __init__(
        self,
        every_n_steps: Annotated[int, Ge(1)] = 50,
        count_every: Annotated[int, Ge(2)] = 50,
        skip: Annotated[int, Ge(0)] = 3,
    ) -> None:
        self.every_n_steps, self.count_every, self.skip = every_n_steps, count_every, skip
        self.peak = 0.0
        self._reset()

    def _reset(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.amounts = dict.fromkeys(("samples", "images", "tokens"), 0)
        self.timed = self.seen = self.counted = 0
        self.operations = 0.0
        self.sampling = {"seconds": 0.0, "images": 0}
        self._mark = time.perf_counter()
        self._counter: FlopCounterMode | None = None
        self._forward = self._inside = False
        self._now: dict[str, float] = {}
        self._batch = dict.fromkeys(self.amounts, 0)
        self._undo: list[Callable[[], None]] = []

    # -- around the stage ------------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begin to watch how long the backbone is asked, and what goes through its first layer."""
        self._reset()
        backbone = getattr(pl_module, "backbone", None)
        if backbone is None:
            return
        for name in SAMPLING:
            if hasattr(backbone, name):
                self._watch(backbone, name)
        layer: nn.Module = backbone.blocks()[0]
        self._undo.append(layer.register_forward_pre_hook(self._through, with_kwargs=True).remove)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Watch no longer."""
        while self._undo:
            self._undo.pop()()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find out how fast the device multiplies matrices."""
        self.peak = matmul_peak(pl_module.device, _product_type(trainer))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What was between epochs is not waiting for data."""
        self._mark = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the stage's means, and say them."""
        found = self.means(trainer.world_size)
        if not found or not trainer.is_global_zero:
            return
        name = str(getattr(pl_module, "stage_name", type(pl_module).__name__))
        file = Path(trainer.default_root_dir) / FILE
        write_text(file, as_json(dict(sorted((read_json(file) | {name: found}).items()))))
        print(f"{name}: {sentence(found)}")

    # -- a step ----------------------------------------------------------------------------------------

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The batch is there."""
        self._count(batch)
        self.seen += 1
        self._forward = True
        # The last of those that are skipped is the first whose operations are counted.
        if self.seen >= self.skip and (self.seen - self.skip) % self.count_every == 0:
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()
        self._phase("data", pl_module)

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """The loss is there."""
        self._forward = False
        self._phase("forward", pl_module)

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The gradients are there."""
        self._phase("backward", pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The step is over: it counts, unless it was among the first or its operations were counted."""
        self._phase("rest", pl_module)
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            self.operations += self._counter.get_total_flops()
            self.counted += 1
            self._counter = None
        elif self.seen > self.skip:
            self.timed += 1
            for name, value in self._now.items():
                self.seconds[name] += value
            for name, amount in self._batch.items():
                self.amounts[name] += amount
        if trainer.global_step % self.every_n_steps == 0 and self.timed:
            told = {f"throughput/{name}": value for name, value in self.means(trainer.world_size).items()}
            log_scores(trainer.loggers, told, trainer.global_step)
        self._now = {}

    def means(self, world_size: int) -> dict[str, float]:
        """The numbers so far; empty before a batch was timed."""
        spent = sum(self.seconds.values())
        if not self.timed or not spent:
            return {}
        found = {f"{name}_per_second": amount * world_size / spent for name, amount in self.amounts.items()}
        found |= {f"{name}_seconds": value / self.timed for name, value in self.seconds.items()}
        found["sampling_seconds_in_all"] = self.sampling["seconds"]
        if self.sampling["seconds"]:
            found["sampled_images_per_second"] = self.sampling["images"] / self.sampling["seconds"]
        if self.counted and self.peak:
            speed = self.operations / self.counted / (spent / self.timed)
            found |= {
                "operations_per_batch": self.operations / self.counted,
                "share_of_peak": speed / self.peak,
            }
            found["peak_operations_per_second"] = self.peak
        return {name: float(f"{value:.5g}") for name, value in found.items()}

    def _count(self, batch: Any) -> None:
        parts = list(batch.batches.values()) if hasattr(batch, "batches") else [batch]
        known = [part for part in parts if isinstance(part, Batch)]
        self._batch = {
            "samples": sum(part.size for part in known),
            "images": sum(part.images for part in known),
            "tokens": 0,
        }
        self._now = {}

    def _phase(self, name: str, module: pl.LightningModule) -> None:
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        now = time.perf_counter()
        self._now[name] = self._now.get(name, 0.0) + now - self._mark
        self._mark = now

    def _through(self, layer: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """The first layer's input is (batch, length, hidden) or (positions, hidden)."""
        if self._forward:
            states = next(one for one in (*arguments, *named.values()) if isinstance(one, Tensor))
            self._batch["tokens"] += states.numel() // states.shape[-1]

    def _watch(self, backbone: Any, name: str) -> None:
        """Time a method; of calls inside each other the outermost counts."""
        asked, before = getattr(backbone, name), vars(backbone).get(name)

        def timed(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return asked(*arguments, **named)
            begun, self._inside = time.perf_counter(), True
            try:
                found = asked(*arguments, **named)
            finally:
                self._inside = False
                self.sampling["seconds"] += time.perf_counter() - begun
            if name in ("generate_images", "drafts"):
                self.sampling["images"] += len(found)
            return found

        def undo() -> None:
            vars(backbone).pop(name)
            if before is not None:
                vars(backbone)[name] = before

        vars(backbone)[name] = timed
        self._undo.append(undo)


def sentence(found: Mapping[str, float]) -> str:
    """The means in a line."""
    words = [f"{found[f'{name}_per_second']:.4g} {name}/s" for name in ("samples", "tokens", "images")]
    parts = ", ".join(f"{name} {found[f'{name}_seconds'] * 1000:.3g}" for name in PHASES)
    words.append(f"a batch in ms: {parts}")
    if "share_of_peak" in found:
        words.append(f"{found['share_of_peak']:.1%} of the peak")
    return ", ".join(words)


def _product_type(trainer: pl.Trainer) -> torch.dtype:
    """The type of the run's matrix products."""
    name = str(trainer.precision)
    if name.startswith("bf16"):
        return torch.bfloat16
    return torch.float16 if name.startswith("16") else torch.float32
