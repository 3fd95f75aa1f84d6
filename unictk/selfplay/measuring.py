"""The benchmark before self-play and after each round, with the same prompts and the same noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unictk.app.folder import RunFolder
from unictk.backbones.base import Backbone
from unictk.benchmarks.base import ModelBenchmark, Result
from unictk.benchmarks.recording import recorded
from unictk.callbacks.loggers import log_scores
from unictk.judges.base import Judge
from unictk.samples import Sampling
from unictk.selfplay.progress import print_change

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

BEFORE = "/base"


def measure(
    folder: RunFolder,
    benchmark: ModelBenchmark,
    backbone: Backbone,
    examiner: Judge,
    sampling: Sampling,
    seed: int,
    phase: str,
    suffix: str,
    world_size: int,
    loggers: Iterable[Logger],
    step: int,
) -> None:
    """Ask what was not asked yet in this phase; the scores carry the suffix, and go to the loggers too."""

    def ask(**how: Any) -> Result:
        found = benchmark.evaluate(backbone, examiner, sampling, seed, **how)
        return replace(found, metrics=suffixed(found.metrics, suffix))

    result = recorded(folder, phase, ask, world_size)
    folder.write_metrics({f"{benchmark.name}/judge": examiner.name})
    for logger in loggers:
        log_scores([logger], result.metrics, step)
        logger.save()


def suffix_of(number: int, rounds: int) -> str:
    """Of the scores of after a round: the last one's are the run's, and have none."""
    return "" if number + 1 == rounds else f"/round{number}"


def suffixed(metrics: Mapping[str, float], suffix: str) -> dict[str, float]:
    """Every score with the suffix; counts, which end in ``/n``, as they are."""
    return {f"{key}{'' if key.endswith('/n') else suffix}": value for key, value in metrics.items()}


def tell_change(folder: RunFolder, name: str, rounds: int) -> None:
    """Scores before, after each round, and the change, as a table."""
    scores = {key: value for key, value in folder.scores().items() if key.startswith(f"{name}/")}
    endings = {"before": BEFORE} | {f"round {n}": suffix_of(n, rounds) for n in range(rounds - 1)}
    columns = {head: with_ending(scores, ending) for head, ending in endings.items()}
    earlier = {f"{key}{ending}" for ending in endings.values() for key in columns["before"]}
    columns["after"] = {key: value for key, value in scores.items() if key not in earlier}
    print_change(f"{name}, judged by {folder.metrics().get(f'{name}/judge')}", columns)


def with_ending(scores: Mapping[str, float], ending: str) -> dict[str, float]:
    """The scores that have the ending, by their plain names."""
    return {key.removesuffix(ending): value for key, value in scores.items() if key.endswith(ending)}
