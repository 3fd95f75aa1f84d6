"""UnifyBench of one concept: our batches against one call at a time, same model, questions and scores.

    python -m benchmarks.unifybench [--concept-seed 3] [--pairs 5] [--saved FOLDER] [overrides ...]

Both arms go through the same protocol of the same backbone. One asks each question in a call of its own, as
the published evaluation does; ours asks batches in which the questions about one picture share its prefix.
No prefix is kept from one call to the next, in either arm; image codes are, in both. Before anything is
timed both must give the same answers and scores; then they take turns in one process.

Without ``--saved`` the concept has as many rows as after stage 3, at their starting values. Overrides are
those of ``run.py``: ``judge=oracle benchmark.pictures.looks=8`` draws as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from benchmarks.timing import ROOT, Comparison, as_json, interleave, machine, show
from unictk.app.resolvers import register
from unictk.backbones.base import Backbone
from unictk.benchmarks.base import Benchmark, Result
from unictk.concepts.files import load_concept
from unictk.concepts.tokens import DEFAULT_SIZES, ConceptTokens
from unictk.datamodules.concept_data import ConceptData

PHASE = "timing"


def request(seed: int, overrides: Sequence[str]) -> DictConfig:
    """The request to evaluate sprite ``seed``, as ``run.py`` composes it, without pictures."""
    register()
    own = ["task=evaluate", "benchmark=unifybench", "judge=none", f"concept.seed={seed}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", overrides=[*own, "backbone.prefix_cache_mb=0", *overrides])


def starting_rows(backbone: Backbone, name: str) -> ConceptTokens:
    """A concept with the published number of rows."""
    rows = backbone.fresh_rows(sum(DEFAULT_SIZES.values()))
    return ConceptTokens.from_rows(name, backbone.row_shape, DEFAULT_SIZES, rows)


class Evaluation:
    """The evaluation of one concept in one backbone, with any number of items a call."""

    def __init__(self, cfg: DictConfig, saved: Path | None) -> None:
        self.cfg = cfg
        self.data: ConceptData = instantiate(cfg.concept)
        self.backbone: Backbone = instantiate(cfg.backbone)
        self.concept = (
            starting_rows(self.backbone, self.data.name)
            if saved is None
            else load_concept(saved, self.backbone.row_shape)
        )
        self.backbone.attach([self.concept])
        self.judge, self.sampling = instantiate(cfg.judge), instantiate(cfg.sampling)

    @property
    def items(self) -> int:
        """How many questions are asked and pictures drawn."""
        bench: Benchmark = instantiate(self.cfg.benchmark)
        return bench.pending(self.data, PHASE, (), self.judge)

    def run(self, batch_size: int) -> Result:
        """Everything the benchmark asks and draws, ``batch_size`` items a call."""
        bench: Benchmark = instantiate(self.cfg.benchmark, batch_size=batch_size)
        return bench.evaluate(
            self.backbone,
            self.concept,
            self.data,
            self.sampling,
            self.cfg.seed,
            phase=PHASE,
            judge=self.judge,
        )


def check_equal(single: Result, ours: Result) -> str:
    """What was compared, in one line.

    Raises:
        RuntimeError: the first item with another answer, or scores that differ.
    """
    found = {record.key: record for record in ours.items}
    for record in single.items:
        other = found[record.key]
        if (record.answer, record.score) != (other.answer, other.score):
            raise RuntimeError(f"{record.key}: {record.answer!r} alone, {other.answer!r} in a batch")
    if single.metrics != ours.metrics:
        raise RuntimeError(f"scores differ: {single.metrics} alone, {ours.metrics} in batches")
    return (
        f"Equal before timing: {len(single.items)} records and {len(single.metrics)} metrics, to the digit."
    )


def main() -> None:
    """Check equality, measure, print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unifybench", description=__doc__)
    parser.add_argument("--concept-seed", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=5, help="rounds in which both arms run once")
    parser.add_argument("--saved", type=Path, help="a concept folder of this seed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    options, overrides = parser.parse_known_args()
    torch.set_num_threads(options.threads)
    console = Console(width=None if sys.stdout.isatty() else 120)
    cfg = request(options.concept_seed, overrides)
    evaluation, size = Evaluation(cfg, options.saved), int(cfg.benchmark.batch_size)
    console.print("checking that both arms give the same ...")
    equal = check_equal(evaluation.run(1), evaluation.run(size))
    console.print("timing ...")
    arms = [partial(evaluation.run, 1), partial(evaluation.run, size)]
    times = interleave(arms, options.pairs, warm_up=False)
    line = Comparison(f"evaluation of {evaluation.concept}, {evaluation.items} items", "s", *times)
    setting = {**machine(options.threads), "rounds": options.pairs, "batch_size": size}
    notes = [
        equal,
        f"{options.pairs} pairs; {len(evaluation.concept)} rows; batches of {size}; "
        f"{setting['processor']}, threads: {options.threads}, torch {setting['torch']}.",
    ]
    title = "UnifyBench: one call at a time and in batches, median (lowest..highest)"
    show(title, [line], notes, console, plain="one at a time")
    if options.json:
        options.json.write_text(as_json([line], notes, setting))


if __name__ == "__main__":
    main()
