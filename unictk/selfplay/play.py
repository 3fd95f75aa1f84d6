"""Self-play in a run folder: takes each round through its stages.

The stages of round 0 are ``propose-00``, ``draw-00``, ``learn-00`` and, where there is a benchmark,
``after-00``; before the first comes ``base``. A stage that an earlier process finished is left out, one that
it began goes on. Every stage but the measuring ends on all processes together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from omegaconf import DictConfig

from unictk.app.folder import RunFolder, process_rank
from unictk.assembly import bare_trainer, model_benchmark, place, trainer_for
from unictk.backbones.base import Backbone
from unictk.callbacks.averaging import WeightAverage
from unictk.callbacks.loggers import log_scores, log_table
from unictk.callbacks.meter import Meter
from unictk.datamodules.selfplay import Work, fitting, lesson_flows
from unictk.errors import UserError
from unictk.modules.unicorn import DrawingAndJudging, Proposing, SelfTraining
from unictk.resuming import fit_from
from unictk.selfplay.audit import audit
from unictk.selfplay.controls import control_flows
from unictk.selfplay.groups import read_groups
from unictk.selfplay.measuring import BEFORE, measure, suffix_of, tell_change
from unictk.selfplay.players import Players
from unictk.selfplay.progress import JudgedTally, ProposalTally, print_round
from unictk.selfplay.proposer import streams
from unictk.selfplay.rollouts import accepted, mine
from unictk.selfplay.selectors import by_examiner, by_lot
from unictk.selfplay.similarity import normal_form
from unictk.selfplay.stores import Stores
from unictk.selfplay.summary import round_metrics, summary
from unictk.selfplay.training_set import reconstruct
from unictk.tracking.tables import groups_table


class Play:
    """A run of self-play.

    Args:
        cfg: the whole request.
        folder: of the run.

    Raises:
        UserError: categories, words or benchmark that do not go together.
    """

    def __init__(self, cfg: DictConfig, folder: RunFolder) -> None:
        self.cfg, self.folder, self.seed = cfg, folder, int(cfg.seed)
        self.benchmark = None if cfg.benchmark is None else model_benchmark(cfg)
        self.backbone: Backbone = instantiate(cfg.backbone)
        records = cfg.selfplay.get("records")
        self.stores = Stores(folder.path, Path(records) if records else None)
        self.players = Players(cfg, self.backbone, self.stores.root)
        self.rules = self.players.rules
        self.first = process_rank() == 0
        self.model_round = -1
        self.trainer: Trainer | None = None
        prompts = getattr(self.benchmark, "prompts", None)  # of benchmarks that draw: not to be trained on
        self.held_out = frozenset(map(normal_form, prompts(self.backbone, self.seed) if prompts else ()))

    def begin(self) -> None:
        """Remove what killed processes left, and measure the model as it was."""
        who = {"selfplay/proposer": self.rules.proposer, "selfplay/judge": self.players.judge.name}
        self.folder.write_metrics(who)
        if self.first:
            self.stores.begin()
        self.measure("base", -1, BEFORE)

    def round(self, number: int) -> None:
        """All stages of a round."""
        if not self.done("learn", number):
            self.become(number - 1)
            if not self.done("propose", number):
                self.propose(number)
            if not self.done("draw", number):
                self.draw(number)
            self.learn(number)
        self.measure(f"after-{number:02d}", number, suffix_of(number, self.rules.rounds))

    # -- stages ----------------------------------------------------------------------------------------

    def propose(self, number: int) -> None:
        """The proposer writes the round's prompts."""
        rules, players = self.rules, self.players
        proposer, made_by = players.proposer()
        quotas = players.categories.shares(rules.prompts)
        deal = partial(
            streams,
            *(players.categories, quotas, players.wording, rules.proposing, self.seed, number, self.held_out),
        )

        def run(trainer: Trainer, meter: Meter | None) -> None:
            told = ProposalTally(meter).told
            module = Proposing(self.backbone, proposer, self.stores, rules.questions, made_by, told)
            trainer.predict(module, datamodule=Work(deal), return_predictions=False)

        self.stage("propose", number, lambda world: sum(one.quota for one in deal(0, world)), run)

    def draw(self, number: int) -> None:
        """The solver draws each prompt, the judge scores each picture, and lessons are chosen."""
        rules, players = self.rules, self.players
        plan, prompts = players.plan(), list(accepted(self.stores.proposals.of_round(number)))
        drawn_by, judged_by = players.model(), players.judged_by()

        def deal(rank: int, world: int) -> Any:
            return mine(plan.batches(prompts, self.seed, rules.batch_size), rank, world)

        def run(trainer: Trainer, meter: Meter | None) -> None:
            tally = JudgedTally(meter, rules.selection.threshold, rules.selection.least_valid)
            module = DrawingAndJudging(
                self.backbone, "self", players.judge, self.stores, drawn_by, judged_by, tally.told
            )
            trainer.predict(module, datamodule=Work(deal), return_predictions=False)

        total = len(prompts) * rules.rollouts
        self.stage("draw", number, lambda world: total // world, run, self.choose)

    def choose(self, number: int) -> None:
        """Choose and write the lessons, and tell what came of the round (first process)."""
        stores, rules, players = self.stores, self.rules, self.players
        reconstruct(
            *(stores.rollouts, stores.judgements, stores.lessons, players.categories, players.wording),
            *(rules.selection, self.seed, number, rules.quotas, self.held_out),
            **self.chooser(),
        )
        groups = partial(read_groups, stores.rollouts, stores.judgements, number)
        limits = rules.selection.threshold, rules.selection.least_valid
        lines = summary(stores.proposals.of_round(number), groups(), stores.lessons.of_round(number), *limits)
        print_round(f"self-play, round {number}, judged by {players.judge.name}", lines)
        found = round_metrics(lines)
        if rules.audit:
            self.folder.write_metrics({"selfplay/audit_judge": players.examiner.name})
            found |= audit(groups(), players.examiner, players.wording, stores.root, rules.audit)
        self.folder.write_metrics(self.named(found, number))

    def chooser(self) -> dict[str, Any]:
        """Who chooses among the drawings, and the name that the records give it."""
        rules, players = self.rules, self.players
        if rules.selector == "judge":
            return {"selected_by": players.judge.name}
        if rules.selector == "random":
            lot = partial(by_lot, rules=rules.selection, seed=self.seed)
            return {"selector": lot, "selected_by": rules.selector}
        knows = partial(
            by_examiner,
            rules=rules.selection,
            examiner=players.examiner,
            wording=players.wording,
            root=self.stores.root,
        )
        return {"selector": knows, "selected_by": players.examiner.name}

    def learn(self, number: int) -> None:
        """Fine-tune on the lessons; the first process writes the weights, and every one reads them."""
        name = f"learn-{number:02d}"
        (node,) = self.cfg.stages.values()
        module: SelfTraining = instantiate(node)(backbone=self.backbone, name=name)
        data = self.mixture(number, name, module.batch_size)
        steps = [n for n in (module.most_steps, self.cfg.trainer.max_steps) if n not in (None, -1)]
        trainer = trainer_for(self.cfg, self.folder, name, self.backbone, max_steps=min(steps, default=-1))
        self.folder.stage_started(name, trainer.world_size)
        average = None if module.average is None else WeightAverage(module.average)
        told = LambdaCallback(on_train_start=partial(self.log_found, number=number))
        trainer.callbacks[:0] = [told] if average is None else [told, average]  # type: ignore[attr-defined]
        fit_from(trainer, module, data, self.folder.checkpoint_dir(name))
        if average is not None:
            average.apply(module)
        losses = {key: float(value) for key, value in trainer.callback_metrics.items()}
        self.folder.write_metrics(
            {k.removesuffix("_epoch"): v for k, v in losses.items() if k[-5:] != "_step"}
        )
        if self.first:
            print(f"weights: {self.backbone.write_weights(self.weights(number))}")
        trainer.strategy.barrier()
        self.trainer = trainer
        self.backbone.read_weights(self.weights(number))  # what follows is asked of what is kept
        self.model_round = number
        self.folder.stage_done(name)

    def mixture(self, number: int, name: str, batch_size: int) -> Any:
        """The lessons as a data module.

        Raises:
            UserError: there are none.
        """
        root, layout = self.stores.root, self.backbone.layout
        lessons, refused = fitting(self.stores.lessons.of_round(number), root, layout)
        for kind, (count, reason) in refused.items() if self.first else ():
            print(f"{kind}: {count} lessons are left out, this backbone cannot be taught them: {reason}")
        if not lessons:
            raise UserError(
                f"selfplay: round {number} left nothing to learn; it depends on selfplay.prompts, "
                "selfplay.selection.threshold and selfplay.quotas"
            )
        if self.rules.control is None:
            flows = lesson_flows(lessons, root, batch_size)
        else:
            count = sum(map(len, lessons.values()))
            flows = control_flows(self.rules.control, self.backbone, count, batch_size, self.seed)
        return instantiate(self.cfg.datamodule)(layout=layout, flows=flows, seed=self.seed, stage=name)

    def measure(self, phase: str, number: int, suffix: str) -> None:
        """The benchmark asks the model of after that round (-1: of before), in the first process."""
        if self.benchmark is None or not self.first or self.folder.stage_is_done(phase):
            return
        self.become(number)
        trainer = bare_trainer(self.cfg)
        place(self.backbone, trainer)
        sampling = instantiate(self.cfg.sampling)
        loggers = self.trainer.loggers if self.trainer is not None else ()
        measure(
            *(self.folder, self.benchmark, self.backbone, self.players.examiner, sampling, self.seed),
            *(phase, suffix, trainer.world_size, loggers, number + 1),
        )

    def tell_change(self) -> None:
        """Scores before and after, side by side."""
        if self.benchmark is not None and self.first:
            tell_change(self.folder, self.benchmark.name, self.rules.rounds)

    # -- what stages share -----------------------------------------------------------------------------

    def stage(
        self,
        kind: str,
        number: int,
        share: Callable[[int], int],
        run: Callable[[Trainer, Meter | None], None],
        afterwards: Callable[[int], None] | None = None,
    ) -> None:
        """Run a stage of the predict loop on all processes.

        Args:
            kind: its name without the round.
            number: of the round.
            share: how much of the work the first of so many processes has, for its meter.
            run: the stage.
            afterwards: what the first process does then, while the others wait.
        """
        name = f"{kind}-{number:02d}"
        trainer = bare_trainer(self.cfg)
        place(self.backbone, trainer)
        self.folder.stage_started(name, trainer.world_size)
        if self.first:
            with Meter(name, share(trainer.world_size)) as meter:
                run(trainer, meter)
        else:
            run(trainer, None)
        trainer.strategy.barrier()
        if afterwards is not None and self.first:
            afterwards(number)
        trainer.strategy.barrier()
        self.folder.stage_done(name)

    def done(self, stage: str, number: int) -> bool:
        """Whether an earlier process has finished this stage."""
        return self.folder.stage_is_done(f"{stage}-{number:02d}")

    def become(self, number: int) -> None:
        """Be the model of after that round; -1: of before the first."""
        if self.model_round != number:
            self.backbone.read_weights(self.weights(number))
            self.model_round = number

    def weights(self, number: int) -> Path:
        """Where the weights of after a round lie: those of the last in ``weights`` itself."""
        last = number + 1 == self.rules.rounds
        return self.folder.path / "weights" if last else self.folder.path / "weights" / f"round-{number:02d}"

    def log_found(self, trainer: Trainer, module: LightningModule, number: int) -> None:
        """What came of the round, for the loggers."""
        scores = {key: value for key, value in self.folder.scores().items() if key.startswith("selfplay/")}
        log_scores(trainer.loggers, scores, trainer.global_step)
        if self.first:
            log_table(trainer.loggers, f"selfplay/round-{number:02d}", partial(self.prompts_table, number))

    def prompts_table(self, number: int) -> tuple[list[str], list[Any]]:
        """The round's prompts with their best and worst pictures."""
        chosen, stores = self.rules.selection, self.stores
        count = sum(1 for _ in accepted(stores.proposals.of_round(number)))
        groups = read_groups(stores.rollouts, stores.judgements, number)
        return groups_table(groups, self.folder.path, chosen.threshold, chosen.least_valid, count)

    def named(self, found: dict[str, float], number: int) -> dict[str, float]:
        """Metrics of a round: the last one's by plain names; each with its number if there are several."""
        plain = {f"selfplay/{key}": value for key, value in found.items()}
        if self.rules.rounds == 1:
            return plain
        each = {f"selfplay/round{number}/{key}": value for key, value in found.items()}
        return each | (plain if number + 1 == self.rules.rounds else {})
