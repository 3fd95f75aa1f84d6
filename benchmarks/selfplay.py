"""Rollouts and judgements of self-play: in batches against one at a time, and memory over the prompts.

    python -m benchmarks.selfplay [--prompts 8] [--pairs 3] [overrides ...]

Both arms ask the same backbone for the same pictures and scores through the same protocol, one request a
call and all of a batch in one. Prompts come from the grammar, so that both have the same. Before anything is
timed, both must give the same codes and scores. Memory is the peak of a fresh process that draws and judges,
less what is resident after loading, for some prompts and for four times as many. Overrides are those of
``run.py``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from benchmarks.timing import ROOT, Comparison, as_json, extra_memory, interleave, machine, show
from unictk.app.resolvers import register
from unictk.modules.unicorn import DrawingAndJudging
from unictk.samples import GeneratedImage
from unictk.selfplay.acceptance import ACCEPTED
from unictk.selfplay.answers import read_proposal
from unictk.selfplay.judges import codes_of
from unictk.selfplay.judging import judge_seed
from unictk.selfplay.pictures import keep
from unictk.selfplay.players import Players
from unictk.selfplay.proposers import GrammarProposer
from unictk.selfplay.proposing import Ask
from unictk.selfplay.rollouts import Batch, Prompt
from unictk.selfplay.rows import JudgementRow, RolloutRow
from unictk.selfplay.stores import Stores
from unictk.selfplay.wording import Question

TIMES = 4
"""So many more prompts in the larger memory measurement."""


def request(overrides: Sequence[str]) -> DictConfig:
    """The request whose players are timed."""
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        own = ["experiment=unicorn", "benchmark=none", "backbone.prefix_cache_mb=0"]
        return compose("config", overrides=[*own, *overrides])


class Round:
    """Drawing and judging prompts of the grammar in a folder of their own."""

    def __init__(self, prompts: int, overrides: Sequence[str]) -> None:
        self.folder = Path(tempfile.mkdtemp())
        cfg = request(overrides)
        self.players = Players(cfg, instantiate(cfg.backbone), self.folder)
        self.prompts = list(self._prompts(prompts))
        plan, rules = self.players.plan(), self.players.rules
        self.batches: list[Batch] = list(plan.batches(self.prompts, cfg.seed, rules.batch_size))

    def _prompts(self, count: int) -> Sequence[Prompt]:
        names = self.players.categories.names
        found = []
        for number in range(count):
            name = names[number % len(names)]
            ask = Ask((number, 0), Question(""), judge_seed(name, number, 0), 1.0)
            (said,) = GrammarProposer().say([ask], name)
            text = read_proposal(said).prompt
            found.append(Prompt(f"00-{ACCEPTED}-{number:05d}", 0, name, "", text))
        return found

    @property
    def pictures(self) -> int:
        """How many are drawn."""
        return sum(len(batch.rollouts) for batch in self.batches)

    def draw(self, single: bool) -> list[GeneratedImage]:
        """Every rollout."""
        draw = self.players.backbone.generate_images
        requests = [[one.request() for one in batch.rollouts] for batch in self.batches]
        if single:
            return [draw([one])[0] for batch in requests for one in batch]
        return [picture for batch in requests for picture in draw(batch)]

    def kept(self) -> list[RolloutRow]:
        """Every rollout as a record, its picture on disk."""
        rollouts = [one for batch in self.batches for one in batch.rollouts]
        pairs = zip(rollouts, self.draw(single=False), strict=True)
        return [keep(one, picture, self.folder, "self", 0.0) for one, picture in pairs]

    def judge(self, rows: Sequence[RolloutRow], single: bool) -> list[JudgementRow]:
        """Every record scored."""
        size = 1 if single else self.players.rules.batch_size
        parts = [rows[first : first + size] for first in range(0, len(rows), size)]
        return [row for part in parts for row in self.players.judge.judge(part)]


def work(prompts: int, overrides: list[str]) -> Callable[[], object]:
    """What is measured in a fresh process: all batches, one after the other, as a run does them."""
    one = Round(prompts, overrides)
    players = one.players
    module = DrawingAndJudging(
        players.backbone,
        "self",
        players.judge,
        Stores(one.folder),
        "m",
        "j",
        lambda rows, drawn, seconds: None,
    )

    @torch.no_grad()
    def run() -> None:
        for number, batch in enumerate(one.batches):
            module.predict_step(batch, number)

    return run


def check_equal(timed: Round, rows: Sequence[RolloutRow]) -> str:
    """What was compared, in one line.

    Raises:
        RuntimeError: a picture or a score that differs.
    """
    for alone, row in zip(timed.draw(single=True), rows, strict=True):
        drawn = codes_of(row)
        if drawn is None or not torch.equal(alone.codes.reshape(-1), drawn.reshape(-1)):
            raise RuntimeError(f"{row.sample_id}: alone it is another picture than in a batch")
    batched = timed.judge(rows, single=False)
    for one, other in zip(timed.judge(rows, single=True), batched, strict=True):
        if (one.score, one.analysis) != (other.score, other.analysis):
            raise RuntimeError(f"{one.sample_id}: score {one.score} alone, {other.score} in a batch")
    return (
        f"Equal before timing: the codes of {len(rows)} pictures, {len(batched)} scores with their reasons."
    )


def main() -> None:
    """Check equality, measure, print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selfplay", description=__doc__)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=3, help="rounds in which both arms run once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    options, overrides = parser.parse_known_args()
    torch.set_num_threads(options.threads)
    console = Console(width=None if sys.stdout.isatty() else 120)
    timed = Round(options.prompts, overrides)
    console.print("checking that both arms give the same ...")
    rows = timed.kept()
    equal = check_equal(timed, rows)
    console.print("timing ...")
    drawing = interleave(
        [partial(timed.draw, True), partial(timed.draw, False)], options.pairs, warm_up=False
    )
    judging = interleave(
        [partial(timed.judge, rows, True), partial(timed.judge, rows, False)], options.pairs, warm_up=False
    )
    settings = {"prompts": options.prompts, "overrides": overrides}
    more = settings | {"prompts": TIMES * options.prompts}
    memory = [
        extra_memory("benchmarks.selfplay:work", one, options.threads, repeats=1) for one in (more, settings)
    ]
    lines = [
        Comparison(f"draw {timed.pictures} rollouts", "s", *drawing),
        Comparison(f"judge {timed.pictures} rollouts", "s", *judging),
        Comparison(f"memory, {TIMES} times the prompts against {options.prompts}", "MiB", *memory),
    ]
    each = [timed.pictures / line.ours.median for line in lines[:2]]
    setting = {
        **machine(options.threads),
        "rounds": options.pairs,
        "batch_size": timed.players.rules.batch_size,
    }
    notes = [
        equal,
        f"Ours: {each[0]:.1f} rollouts and {each[1]:.1f} judgements a second.",
        f"{options.pairs} pairs; {len(timed.prompts)} prompts; batches of {setting['batch_size']}; "
        f"{setting['processor']}, threads: {options.threads}, torch {setting['torch']}.",
    ]
    title = "Self-play: one request a call and in batches, median (lowest..highest)"
    show(title, lines, notes, console, plain="one at a time")
    if options.json:
        options.json.write_text(as_json(lines, notes, setting))


if __name__ == "__main__":
    main()
