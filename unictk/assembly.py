"""How a task's parts are built, run and saved: backbone, concept, stage, trainer, report."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unictk.errors import UserError

if TYPE_CHECKING:
    from lightning import Callback, Trainer
    from lightning.pytorch.loggers import Logger
    from torch import nn

    from unictk.app.folder import RunFolder
    from unictk.backbones.base import Backbone
    from unictk.benchmarks.base import ModelBenchmark
    from unictk.concepts.tokens import ConceptTokens
    from unictk.concepts.told import ToldConcept
    from unictk.datamodules.concept_data import ConceptData
    from unictk.judges.answers import Grader
    from unictk.judges.base import Judge
    from unictk.modules.concept_stage import ConceptStage

ROWS = "concept"
ADAPTERS = "adapters.safetensors"


def data_folder(cfg: DictConfig) -> tuple[Path, str | None]:
    """The folder of the concept's data set, and the concept's name if one is given."""
    if "name" in cfg.concept:
        name = OmegaConf.select(cfg, "concept.name", throw_on_missing=False)
        return Path(cfg.concept.root), name
    data: ConceptData = instantiate(cfg.concept)  # one that we write: its folder is known when it is there
    return data.root, data.name


def first_rows(cfg: DictConfig, backbone: Backbone, data: ConceptData) -> ConceptTokens:
    """The concept that the first stage begins with: empty, or the one that ``rows`` names."""
    from unictk.concepts.tokens import ConceptTokens

    if cfg.rows is None:
        return ConceptTokens(data.name, backbone.row_shape)
    concept = read_back(Path(cfg.rows), backbone)
    check_name(concept, data, "rows", cfg.rows)
    return concept


def check_name(concept: ConceptTokens, data: ConceptData, key: str, directory: str) -> None:
    """Refuse a saved concept that is not the data set's."""
    if concept.name != data.name:
        raise UserError(f"{key}: {directory} holds {concept}, but the data set is of <{data.name}>")


def read_back(directory: Path, backbone: Backbone) -> ConceptTokens:
    """A saved concept, known to the backbone, with the adapters that lie beside it."""
    from unictk.concepts.files import load_concept
    from unictk.concepts.lora import read_adapters

    concept = load_concept(directory, backbone.row_shape)
    adapters = directory.parent / ADAPTERS
    if adapters.exists():
        read_adapters(backbone, adapters)
    backbone.attach([concept])
    return concept


def in_words(
    cfg: DictConfig, data: ConceptData, described: bool, facts: bool, called: str | None
) -> tuple[Backbone, ToldConcept]:
    """The backbone on the trainer's device, and the data set's concept without tokens of it."""
    from unictk.concepts.told import ToldConcept

    sentences = [data.description, *(data.facts if facts else ())] if described else []
    backbone = on_device(cfg)
    concept = ToldConcept(data.name, backbone.row_shape, called, sentences)
    backbone.attach([concept])
    return backbone, concept


def keep(
    directories: Sequence[Path],
    stage: ConceptStage,
    scores: Mapping[str, float],
    cfg: DictConfig,
    folder: RunFolder,
) -> None:
    """Save the concept, and beside its directories the language model's adapters where it has some.

    Loggers that keep files get the first of them.
    """
    from unictk.app.identity import portable
    from unictk.callbacks.loggers import log_concept
    from unictk.concepts.files import save_concept
    from unictk.concepts.hub import hub_id
    from unictk.concepts.lora import has_lora, lora_state, save_adapters, settings_of
    from unictk.tracking.origin import Origin

    snapshot = stage.concept.snapshot()  # on every rank: rows may be sharded
    adapters = lora_state(stage.backbone) if has_lora(stage.backbone) else {}
    if stage.global_rank > 0:
        return
    for directory in directories:
        if adapters:
            save_adapters(adapters, settings_of(stage.backbone), directory.parent / ADAPTERS)
        save_concept(
            directory,
            snapshot,
            backbone=str(cfg.backbone["_target_"]),
            seed=cfg.seed,
            config_hash=folder.request_hash,
            metrics=scores,
            class_noun=stage.data.class_noun,
            base_model=hub_id(cfg.backbone.get("weights")),
        )
    origin = Origin(portable(cfg)["backbone"], portable(cfg)["concept"], cfg.rows)
    log_concept(cast("list[Logger]", stage.loggers), directories[0], stage.stage_name, origin)


def on_device(cfg: DictConfig) -> Backbone:
    """The backbone on the trainer's device."""
    backbone: Backbone = instantiate(cfg.backbone)
    place(backbone, bare_trainer(cfg))
    return backbone


def bare_trainer(cfg: DictConfig) -> Trainer:
    """The configured Trainer without callbacks and loggers, for work that is no training.

    Where processes share one model to train it, each has its own here.
    """
    strategy = cfg.trainer.get("strategy")
    from unictk.app.task_check import SHARDED

    shares = OmegaConf.is_dict(strategy) and strategy.get("_target_") == SHARDED
    known: dict[str, object] = {"logger": False, "enable_checkpointing": False, "inference_mode": False}
    return _built(cfg, enable_progress_bar=False, **known, **({"strategy": "auto"} if shares else {}))


def with_saved(cfg: DictConfig, saved: str) -> tuple[Backbone, ConceptTokens]:
    """The backbone on the trainer's device, and a saved concept that it knows."""
    backbone = on_device(cfg)
    return backbone, read_back(Path(saved), backbone)


def with_several(cfg: DictConfig, saved: Sequence[str]) -> tuple[Backbone, list[ConceptTokens]]:
    """The backbone on the trainer's device, and any number of saved concepts that it knows together."""
    backbone = on_device(cfg)
    return backbone, attach_saved(backbone, saved)


def attach_saved(backbone: Backbone, saved: Sequence[str]) -> list[ConceptTokens]:
    """Make the backbone know several saved concepts at once.

    Raises:
        UserError: two concepts share a token, or one of several was trained with adapters, which the
            others were not.
    """
    from unictk.concepts.files import load_concept

    if len(saved) == 1:
        return [read_back(Path(saved[0]), backbone)]
    for directory in saved:
        without_adapters(directory, "other concepts were not trained with them; give it alone")
    concepts = [load_concept(directory, backbone.row_shape) for directory in saved]
    backbone.attach(concepts)
    return concepts


def without_adapters(directory: str, reason: str) -> None:
    """Refuse a concept that was trained with adapters of the language model: its rows alone are not it."""
    adapters = Path(directory).absolute().parent / ADAPTERS
    if adapters.exists():
        raise UserError(f"task.saved: {directory} needs the adapters in {adapters}; {reason}")


def make_judge(node: DictConfig | None, backbone: Backbone) -> Judge | Grader | None:
    """The configured judge; one whose signature asks for a ``backbone`` judges with the run's own."""
    if node is None:
        return None
    made = instantiate(node, _partial_=True)
    return made(backbone=backbone) if "backbone" in signature(made).parameters else made()


def make_stage(
    cfg: DictConfig, name: str, backbone: Backbone, concept: ConceptTokens, data: ConceptData
) -> ConceptStage:
    """The stage that the configuration describes."""
    from unictk.modules.concept_stage import StageRun

    last = name == list(map(str, cfg.stages))[-1]
    run = StageRun(name, backbone, concept, data, instantiate(cfg.sampling), cfg.seed, last)
    return instantiate(cfg.stages[name])(run)


def make_trainer(cfg: DictConfig, folder: RunFolder, stage: ConceptStage) -> Trainer:
    """A new Trainer for each stage, because a strategy serves one Trainer only."""
    epochs = min(cfg.trainer.max_epochs, stage.most_epochs or cfg.trainer.max_epochs)
    return trainer_for(cfg, folder, stage.stage_name, stage.backbone, max_epochs=epochs)


def trainer_for(
    cfg: DictConfig, folder: RunFolder, name: str, backbone: Backbone, **known: object
) -> Trainer:
    """The configured Trainer with the run's callbacks and loggers; ``known`` replaces what it says."""
    return _built(
        cfg,
        default_root_dir=str(folder.path),
        callbacks=_callbacks(cfg, backbone),
        logger=_loggers(cfg, _log_name(folder.path, name)),
        enable_progress_bar=bool(cfg.callbacks),
        **known,
    )


def _built(cfg: DictConfig, **known: object) -> Trainer:
    """The configured Trainer, or why this machine cannot have it."""
    _quiet()
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return instantiate(cfg.trainer, **known)
    except Exception as error:  # Hydra wraps what the Trainer raises
        if isinstance(error.__cause__, MisconfigurationException):
            raise UserError(f"trainer: {' '.join(str(error.__cause__).split())}") from error
        raise


def place(backbone: Backbone, trainer: Trainer) -> None:
    """Move the backbone to the trainer's device."""
    cast("nn.Module", backbone).to(trainer.strategy.root_device)


def fit(cfg: DictConfig, folder: RunFolder, stage: ConceptStage, trainer: Trainer) -> dict[str, float]:
    """Train one stage, from its last checkpoint if there is one; its last losses and scores."""
    from unictk.resuming import fit_from

    mixture = instantiate(cfg.datamodule)(
        layout=stage.backbone.layout, flows=stage.flows(), seed=cfg.seed, stage=stage.stage_name
    )
    fit_from(trainer, stage, mixture, folder.checkpoint_dir(stage.stage_name))
    found = trainer.callback_metrics.items()
    return {name.removesuffix("_epoch"): float(value) for name, value in found if not name.endswith("_step")}


def _quiet() -> None:
    """Leave out Lightning's lines that our own plan and bars already say, or that are no news here."""
    import lightning.pytorch  # sets the level when it is first imported

    logging.getLogger(lightning.pytorch.__name__).setLevel(logging.WARNING)
    for told in (
        "Checkpoint directory .* exists",
        "does not have many workers",
        "in eval mode at the start",
        "smaller than the logging interval",
    ):
        warnings.filterwarnings("ignore", message=f".*{told}")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")


def _callbacks(cfg: DictConfig, backbone: Backbone) -> Sequence[Callback]:
    nodes = [node for node in (cfg.callbacks or {}).values() if node is not None]
    return [_with_judge(node, backbone) if "judge" in node else instantiate(node) for node in nodes]


def _with_judge(node: DictConfig, backbone: Backbone) -> Callback:
    """A callback whose judge may need the backbone; the rest of it is built as always."""
    rest = OmegaConf.merge(node, {"judge": None})
    return instantiate(rest, _partial_=True)(judge=make_judge(node.judge, backbone))


def judged_by(trainer: Trainer) -> dict[str, str]:
    """``unifybench/judge`` and its like: who judged what the trainer's callbacks measured."""
    from unictk.callbacks.benchmark import BenchmarkCallback

    found = [one.judged_by for one in trainer.callbacks if isinstance(one, BenchmarkCallback)]  # type: ignore[attr-defined]
    return {name: judge for each in found for name, judge in each.items()}


def _log_name(folder: Path, stage: str) -> str:
    """``s2``, or ``s2-2``, ``s2-3``, ... when it was begun before: a CSV logger deletes what it finds."""
    later = (f"{stage}-{n}" for n in itertools.count(2))
    return next(name for name in itertools.chain([stage], later) if not (folder / "logs" / name).exists())


def _loggers(cfg: DictConfig, stage: str) -> Sequence[Logger]:
    """The loggers; what they keep per stage (a CSV file) carries the stage's name."""
    nodes = [OmegaConf.merge(node) for node in (cfg.logger or {}).values() if node is not None]
    return [instantiate(node, **({"version": stage} if "version" in node else {})) for node in nodes]


def model_benchmark(cfg: DictConfig, weights: Path | None = None) -> ModelBenchmark:
    """The configured benchmark, which must not need a concept; ``weights``: of the run itself."""
    from unictk.benchmarks.base import ModelBenchmark

    own = {"known": str(weights / "known.safetensors")} if weights and "known" in cfg.benchmark else {}
    benchmark = instantiate(cfg.benchmark, **own)
    if not isinstance(benchmark, ModelBenchmark):
        raise UserError("benchmark: this task needs one without a concept, for example benchmark=sprites")
    if benchmark.needs_judge and cfg.judge is None:
        raise UserError(f"judge: {benchmark.name} needs one; choose one, for example judge=oracle")
    return benchmark


def measured(
    cfg: DictConfig, folder: RunFolder, backbone: Backbone, benchmark: ModelBenchmark
) -> dict[str, float]:
    """Ask the backbone the benchmark, record and print its scores."""
    from unictk.benchmarks.recording import recorded
    from unictk.report.terminal import print_scores

    judge = make_judge(cfg.judge, backbone)
    ask = partial(benchmark.evaluate, backbone, judge, instantiate(cfg.sampling), cfg.seed)
    result = recorded(folder, "measure", partial(ask, folder=folder.path))
    name = f"{benchmark.name}/judge"
    if benchmark.needs_judge and judge is not None:
        folder.write_metrics({name: judge.name})
    judged = judge.name if benchmark.needs_judge and judge is not None else result.remarks.get(name)
    print_scores(f"{benchmark.name}{f', judged by {judged}' if judged else ''}", result.metrics)
    return dict(result.metrics)


def write_report(folder: RunFolder, data_root: Path | None = None) -> None:
    """Write ``report.html`` and say where it is (first rank)."""
    from unictk.app.folder import process_rank
    from unictk.report.build import build_report

    if process_rank() == 0:
        folder.finish()  # the report says so; should it fail, the run has failed after all
        print(f"report: {build_report(folder.path, data_root)}")
