"""Instruction data as batches: mixed by weight, dealt to processes, resumed at the very next sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from annotated_types import Ge, Gt, Interval
from lightning import LightningDataModule
from torch.utils.data import Dataset

from unictk.backbones.base import Layout
from unictk.chance import seed_of
from unictk.datamodules.instructions.order import Ends, Order
from unictk.datamodules.instructions.sources import Opened, opened
from unictk.datamodules.mixture import Place, PlanLoader, PlanSampler, Share
from unictk.errors import DataError, UserError
from unictk.samples import Batch, Counts

if TYPE_CHECKING:
    from unictk.datamodules.instructions.files import InstructionData

TOLD = 10
"""So many problems of a source are printed; all are counted."""


@dataclass(slots=True)
class Fed:
    """A batch, and the records that should have been in it: their sources and what is wrong with them."""

    batch: Batch
    problems: tuple[tuple[str, str], ...]


class InstructionPlan(Dataset[Fed]):
    """Batches by place. The samples of an optimizer step are neighbours in the order, on all processes.

    The target counts of a step are those of all its records, a left out one included: they are known
    without reading any picture, and every process finds the same.
    """

    def __init__(
        self,
        layout: Layout,
        sources: Sequence[Opened],
        order: Order,
        batch_size: int,
        seed: Sequence[object],
        share: Share,
    ) -> None:
        self.layout, self.sources, self.order, self.seed = layout, sources, order, tuple(seed)
        self.batch_size, self.share = batch_size, share
        self.window = batch_size * share.world * share.accumulate
        self.steps = -(-order.length // self.window)
        self._known: tuple[Place, Counts] = ((-1, -1), Counts())

    def __len__(self) -> int:
        return self.steps * self.share.accumulate

    def __getitem__(self, place: Place) -> Fed:
        epoch, index = place
        samples, problems = [], []
        for position in self._positions(index):
            source, number, key, seed = self._named(epoch, position)
            try:
                sample = source.sample(number, key, seed)
                if reason := self.layout.supports(sample):
                    raise DataError(f"{source.index.place(number)}: {reason}")
            except DataError as error:
                problems.append((source.name, str(error)))
            else:
                samples.append(sample)
        images = sum(len(sample.images) for sample in samples)
        batch = replace(self.layout.collate(samples), images=images)
        if self.window > self.batch_size or problems:  # otherwise it knows all targets of the step itself
            batch = replace(batch, window=self._counts(epoch, index // self.share.accumulate))
        return Fed(batch, tuple(problems))

    def _positions(self, index: int) -> range:
        """Where in the order this process's batch of that number stands."""
        step, micro = divmod(index, self.share.accumulate)
        end = min((step + 1) * self.window, self.order.length)
        first = step * self.window + (micro * self.share.world + self.share.rank) * self.batch_size
        return range(first, min(first + self.batch_size, end))

    def _named(self, epoch: int, position: int) -> tuple[Opened, int, str, int]:
        """Source, record, and the sample's key and seed."""
        place, number, again = self.order.at(epoch, position)
        source = self.sources[place]
        key = f"{source.name}/{number}"
        return source, number, key, seed_of(*self.seed, epoch, key, again)

    def _counts(self, epoch: int, step: int) -> Counts:
        if self._known[0] != (epoch, step):
            total = Counts()
            for position in range(step * self.window, min((step + 1) * self.window, self.order.length)):
                source, number, key, seed = self._named(epoch, position)
                total = total + self.layout.counts(source.outline(number, key, seed))
            self._known = ((epoch, step), total)
        return self._known[1]


class InstructionLoader(PlanLoader):
    """Batches in order. A record that cannot be used ends the run, or is named, counted and left out.

    A checkpoint has how many batches were given out, and how many records were left out.
    """

    def __init__(self, plan: InstructionPlan, refuse: bool, num_workers: int) -> None:
        super().__init__(
            cast(Any, plan), batch_size=None, sampler=PlanSampler(len(plan)), num_workers=num_workers
        )
        self.refuse = refuse
        self.left_out: Counter[str] = Counter()
        self.window, self.records = plan.window, [len(one) for one in plan.sources]
        self.first = plan.share.rank == 0

    def __iter__(self) -> Any:
        for fed in super().__iter__():
            for source, problem in fed.problems:
                self._meet(source, problem)
            yield fed.batch

    def _meet(self, source: str, problem: str) -> None:
        if self.refuse:
            raise DataError(f"{problem}; datamodule.bad=skip leaves such records out")
        self.left_out[source] += 1
        if self.left_out[source] <= TOLD:
            print(f"{source}: left out, {problem}")
        elif self.left_out[source] == TOLD + 1:
            print(f"{source}: further ones are counted and not named")

    def state_dict(self) -> dict[str, Any]:
        """Batches that were given out of this epoch, records left out so far, and of what data."""
        given = super().state_dict()
        return {**given, "left_out": dict(self.left_out), "window": self.window, "records": self.records}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind them.

        Raises:
            UserError: a batch is not what it was, or the data is not.
        """
        if state["window"] != self.window:
            raise UserError(
                f"trainer.devices: the checkpoint was written with {state['window']} samples a step, now "
                f"there are {self.window}; resume with as many devices, or begin afresh with rerun=true"
            )
        if state["records"] != self.records:
            raise DataError(
                f"data: the checkpoint was written with {state['records']} records in the sources, now there "
                f"are {self.records}; put back the data, or begin afresh with rerun=true"
            )
        super().load_state_dict(state)
        if self.first:  # whose numbers they are: a checkpoint is the first process's
            self.left_out = Counter(state["left_out"])


class Instructions(LightningDataModule):
    """Feeds a stage conversations and pairs.

    The trainer must be made with ``use_distributed_sampler=False``: the plan knows the processes.

    Args:
        layout: collates samples, in loader workers.
        data: what there is.
        generation: share of the samples that come from sources of generation.
        batch_size: samples in a batch, per device.
        seed: the run's seed.
        stage: the stage's name, part of every draw's seed.
        num_workers: loader processes.
        bad: what becomes of a record that cannot be used: it ends the run, or is left out.
        shuffle: records among which the order is random; 1: as they stand.
        ends: what ends an epoch, the source that lasts ``longest`` (others start again) or ``shortest``.
        most_elongated: a picture whose long side is more times its short side cannot be used.
        index_folder: where tables of records are kept between runs, or None.
    """

    def __init__(
        self,
        layout: Layout,
        data: InstructionData,
        generation: Annotated[float, Interval(ge=0, le=1)],
        batch_size: Annotated[int, Ge(1)],
        seed: int,
        stage: str,
        num_workers: Annotated[int, Ge(0)] = 0,
        bad: Literal["refuse", "skip"] = "refuse",
        shuffle: Annotated[int, Ge(1)] = 10_000,
        ends: Ends = "longest",
        most_elongated: Annotated[float, Gt(1)] = 20.0,
        index_folder: str | None = None,
    ) -> None:
        super().__init__()
        self.layout, self.data, self.generation, self.batch_size = layout, data, generation, batch_size
        self.seed, self.stage, self.num_workers = seed, stage, num_workers
        self.refuse, self.shuffle, self.ends = bad == "refuse", shuffle, ends
        self.most_elongated = most_elongated
        self.index_folder = Path(index_folder) if index_folder else None
        self.loader: InstructionLoader | None = None
        self._sources: list[Opened] | None = None

    def prepare_data(self) -> None:
        """Write what is written on the fly, and find all records, in one process."""
        self.data.prepare()
        _ = self.sources

    @property
    def sources(self) -> list[Opened]:
        """The sources that are seen.

        Raises:
            DataError: a record that cannot be used, or no source of a task that has a share.
        """
        if self._sources is None:
            shares = {"understanding": 1 - self.generation, "generation": self.generation}
            wanted = {name: one for name, one in self.data.sources().items() if shares[one.task]}
            for task, share in shares.items():
                if share and not any(one.task == task and one.weight for one in wanted.values()):
                    raise DataError(
                        f"stages.{self.stage}.generation: {self.generation:g} leaves {share:g} of the "
                        f"samples to {task}, but no source of the data is for {task}"
                    )
            self._sources = opened(
                wanted, self.data.root, self.index_folder, self.most_elongated, self.refuse
            )
        return self._sources

    def order(self) -> Order:
        """Which record comes when."""
        whole: Counter[str] = Counter()
        for one in self.sources:
            whole[one.source.task] += one.source.weight  # type: ignore[assignment]
        shares = {"understanding": 1 - self.generation, "generation": self.generation}
        weights = [
            one.source.weight / whole[one.source.task] * shares[one.source.task] for one in self.sources
        ]
        sizes = [one.shard_sizes() for one in self.sources]
        return Order(sizes, weights, (self.seed, self.stage), self.shuffle, self.ends)

    def plan(self, share: Share) -> InstructionPlan:
        """The batches of one process."""
        return InstructionPlan(
            self.layout, self.sources, self.order(), self.batch_size, (self.seed, self.stage), share
        )

    def train_dataloader(self) -> InstructionLoader:
        """This process's batches."""
        trainer = self.trainer
        assert trainer is not None
        plan = self.plan(Share(trainer.global_rank, trainer.world_size, trainer.accumulate_grad_batches))
        self.loader = InstructionLoader(plan, self.refuse, self.num_workers)
        return self.loader

    def table(self) -> list[tuple[str, str, int, int, float, float]]:
        """Of each source: name, task, records, those left out so far, its share, passes in an epoch."""
        order, left_out = self.order(), self.left_out()
        return [
            (
                one.name,
                one.source.task,
                len(one),
                left_out[one.name],
                order.quotas[place] / sum(order.quotas),
                order.passes(place),
            )
            for place, one in enumerate(self.sources)
        ]

    def left_out(self) -> Counter[str]:
        """Records of each source that could not be used, of which this process knows."""
        found = Counter({one.name: one.index.problem_count for one in self.sources})
        return found + (self.loader.left_out if self.loader is not None else Counter())
