"""What ``run.py`` can be asked to do: plain functions from a composed request to metrics.

The only place that reads the configuration; everything below is built from plain values.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unictk.errors import DataError, UserError

if TYPE_CHECKING:
    from lightning import Callback, Trainer
    from lightning.pytorch.loggers import Logger

    from unictk.app.folder import RunFolder
    from unictk.backbones.base import Backbone
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData
    from unictk.modules.concept_stage import ConceptStage

LAST = "last.ckpt"
ROWS = "concept"
ADAPTERS = "adapters.safetensors"


def train(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Run every stage of the experiment with a new Trainer each, then report.

    A stage that an earlier process finished is read back; one that it began goes on from its last
    checkpoint.
    """
    if not cfg.stages:
        raise UserError(
            "experiment: it has no stages to train; choose one, for example experiment=unictokens"
        )
    data: ConceptData = instantiate(cfg.concept)
    backbone: Backbone = instantiate(cfg.backbone)
    concept = _first_rows(cfg, backbone, data)
    for name in map(str, cfg.stages):
        kept = folder.checkpoint_dir(name) / ROWS
        if folder.stage_is_done(name):
            concept = _read_back(kept, backbone)
            continue
        stage = _stage(cfg, name, backbone, concept, data)
        stage.begin()
        folder.stage_started(name, int(cfg.trainer.devices))
        scores = _scores(_fit(cfg, folder, stage))
        folder.write_metrics(scores)
        for directory in (kept, folder.path / ROWS):
            _keep(directory, stage, scores, cfg, folder)
        folder.stage_done(name)
        concept = stage.concept
    _report(folder, data.root)
    return {name: value for name, value in folder.metrics().items() if value is not None}


def evaluate(cfg: DictConfig, folder: RunFolder, saved: str) -> dict[str, float]:
    """Ask a saved concept the benchmark's questions; what was answered before is not asked again."""
    from unictk.callbacks.meter import Meter
    from unictk.records import FILE, merge_records, read_records

    if cfg.benchmark is None:
        raise UserError("benchmark: none evaluates nothing; choose one, for example benchmark=unifybench")
    data: ConceptData = instantiate(cfg.concept)
    backbone, concept = _with_saved(cfg, saved)
    _check_name(concept, data, "task.saved", saved)
    records = folder.path / FILE
    folder.stage_started("evaluate")
    with Meter("evaluate", None) as meter:

        def progress(answered: int, total: int) -> None:
            meter.total = total
            meter.show(answered)

        result = instantiate(cfg.benchmark).evaluate(
            backbone,
            concept,
            data,
            instantiate(cfg.sampling),
            cfg.seed,
            phase="evaluate",
            done=read_records(records),
            save=lambda new: merge_records(records, new),
            progress=progress,
        )
    folder.write_metrics(result.metrics)
    folder.stage_done("evaluate")
    _report(folder, data.root)
    return dict(result.metrics)


def generate(cfg: DictConfig, folder: RunFolder, saved: str, prompt: str, count: int) -> dict[str, float]:
    """Draw ``count`` images of a saved concept into ``samples/generate/``."""
    from unictk.chance import seed_of
    from unictk.concepts.prompts import expand
    from unictk.samples import Request, Text

    backbone, concept = _with_saved(cfg, saved)
    text = Text(expand(prompt, concept))
    sampling = instantiate(cfg.sampling)
    seeds = [seed_of(cfg.seed, "generate", prompt, i) for i in range(count)]
    folder.stage_started("generate")
    place = folder.directory("samples/generate")
    images = backbone.generate_images([Request(text, seed=seed, sampling=sampling) for seed in seeds])
    for i, image in enumerate(images):
        image.as_pil().save(place / f"{i:03d}.png")
    folder.stage_done("generate")
    print(f"{count} images in {place}")
    return {}


def chat(cfg: DictConfig, folder: RunFolder, saved: str, image: str | None = None) -> dict[str, float]:
    """Answer questions about a picture (or none) with a saved concept; an empty line ends."""
    from unictk.concepts.prompts import ask
    from unictk.datamodules.pictures import open_picture
    from unictk.datamodules.writers import BLACK
    from unictk.samples import Image, Request, Text

    picture = Image(BLACK, key="black") if image is None else Image(open_picture(image), key=image)
    backbone, concept = _with_saved(cfg, saved)
    sampling = instantiate(cfg.sampling)
    print(f"Ask about {concept}; an empty line ends.")
    while question := _line("> "):
        request = Request(picture, Text(ask(concept, question)), seed=cfg.seed, sampling=sampling)
        print(backbone.generate_text([request])[0], flush=True)
    return {}


def check_data(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """List everything wrong with a data set at once.

    Raises:
        DataError: there is something wrong; each problem was printed.
    """
    from unictk.datamodules.check import check_dataset

    root = Path(cfg.concept.root)
    name = OmegaConf.select(cfg, "concept.name", throw_on_missing=False)
    problems = check_dataset(root, name)
    for problem in problems:
        print(problem)
    if problems:
        raise DataError(f"{root}: {len(problems)} problems, listed above")
    print(f"{root}: nothing wrong" + (f" with {name}" if name else ""))
    return {}


def export(cfg: DictConfig, folder: RunFolder, saved: str, epoch: int) -> dict[str, float]:
    """Write a saved concept in the published three-file form into ``published/``."""
    from unictk.concepts.files import load_concept
    from unictk.concepts.published import export_published

    for path in export_published(load_concept(saved), folder.directory("published"), epoch):
        print(path)
    return {}


def adopt(
    cfg: DictConfig, folder: RunFolder, published: str, name: str, epoch: int | None
) -> dict[str, float]:
    """Read the published three-file form and write it as a concept directory, ``concept/``."""
    from unictk.concepts.files import save_concept
    from unictk.concepts.published import import_published

    backbone: Backbone = instantiate(cfg.backbone)
    concept = import_published(published, name, epoch, shape=backbone.row_shape)
    place = save_concept(
        folder.path / ROWS,
        concept,
        backbone=str(cfg.backbone["_target_"]),
        seed=cfg.seed,
        config_hash=folder.request_hash,
        metrics={},
        class_noun="",
    )
    print(f"{concept}, stage {concept.stage}, in {place}")
    return {}


def report(cfg: DictConfig, folder: RunFolder, run: str) -> dict[str, float]:
    """Build the report of a run folder again."""
    from unictk.report.build import build_report

    if not Path(run, "status.json").is_file():
        raise UserError(f"task.run: {run!r} is not a run folder; expected one with a status.json")
    print(build_report(Path(run)))
    return {}


# -- the parts -------------------------------------------------------------------------------------------


def _first_rows(cfg: DictConfig, backbone: Backbone, data: ConceptData) -> ConceptTokens:
    from unictk.concepts.tokens import ConceptTokens

    if cfg.rows is None:
        return ConceptTokens(data.name, backbone.row_shape)
    concept = _read_back(Path(cfg.rows), backbone)
    _check_name(concept, data, "rows", cfg.rows)
    return concept


def _check_name(concept: ConceptTokens, data: ConceptData, key: str, directory: str) -> None:
    if concept.name != data.name:
        raise UserError(f"{key}: {directory} holds {concept}, but the data set is of <{data.name}>")


def _read_back(directory: Path, backbone: Backbone) -> ConceptTokens:
    """A saved concept, known to the backbone, with the adapters that lie beside it."""
    from unictk.concepts.files import load_concept
    from unictk.concepts.lora import read_adapters

    concept = load_concept(directory, backbone.row_shape)
    adapters = directory.parent / ADAPTERS
    if adapters.exists():
        read_adapters(backbone, adapters)
    backbone.attach([concept])
    return concept


def _keep(
    directory: Path, stage: ConceptStage, scores: Mapping[str, float], cfg: DictConfig, folder: RunFolder
) -> None:
    """Save the concept, and beside its directory the language model's adapters where it has some."""
    from unictk.concepts.files import save_concept
    from unictk.concepts.lora import has_lora, lora_state, save_adapters, settings_of

    snapshot = stage.concept.snapshot()  # on every rank: rows may be sharded
    adapters = lora_state(stage.backbone) if has_lora(stage.backbone) else {}
    if stage.global_rank > 0:
        return
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
    )


def _with_saved(cfg: DictConfig, saved: str) -> tuple[Backbone, ConceptTokens]:
    backbone: Backbone = instantiate(cfg.backbone)
    return backbone, _read_back(Path(saved), backbone)


def _stage(
    cfg: DictConfig, name: str, backbone: Backbone, concept: ConceptTokens, data: ConceptData
) -> ConceptStage:
    return instantiate(cfg.stages[name])(
        stage_name=name,
        backbone=backbone,
        concept=concept,
        data=data,
        sampling=instantiate(cfg.sampling),
        seed=cfg.seed,
    )


def _fit(cfg: DictConfig, folder: RunFolder, stage: ConceptStage) -> Trainer:
    """Train one stage; a new Trainer each time, because a strategy serves one Trainer only."""
    _quiet()
    mixture = instantiate(cfg.datamodule)(
        layout=stage.backbone.layout, flows=stage.flows(), seed=cfg.seed, stage=stage.stage_name
    )
    trainer: Trainer = instantiate(
        cfg.trainer,
        max_epochs=min(cfg.trainer.max_epochs, stage.most_epochs or cfg.trainer.max_epochs),
        default_root_dir=str(folder.path),
        callbacks=_callbacks(cfg),
        logger=_loggers(cfg, stage.stage_name),
        enable_progress_bar=bool(cfg.callbacks),
    )
    last = folder.checkpoint_dir(stage.stage_name) / LAST
    trainer.fit(stage, datamodule=mixture, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    return trainer


def _quiet() -> None:
    """Leave out Lightning's lines that our own plan and bars already say, or that are no news here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for told in (
        "does not have many workers",
        "in eval mode at the start",
        "smaller than the logging interval",
    ):
        warnings.filterwarnings("ignore", message=f".*{told}")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")


def _callbacks(cfg: DictConfig) -> Sequence[Callback]:
    return [instantiate(node) for node in (cfg.callbacks or {}).values() if node is not None]


def _loggers(cfg: DictConfig, stage: str) -> Sequence[Logger]:
    """The loggers; what they keep per stage (a CSV file) carries the stage's name."""
    nodes = [OmegaConf.merge(node) for node in (cfg.logger or {}).values() if node is not None]
    return [instantiate(node, **({"version": stage} if "version" in node else {})) for node in nodes]


def _scores(trainer: Trainer) -> dict[str, float]:
    """The last value of everything the stage logged per epoch, and the benchmark's scores."""
    found = trainer.callback_metrics.items()
    return {name.removesuffix("_epoch"): float(value) for name, value in found if not name.endswith("_step")}


def _report(folder: RunFolder, data_root: Path) -> None:
    """Write ``report.html`` and say where it is (first rank)."""
    from unictk.app.folder import process_rank
    from unictk.report.build import build_report

    if process_rank() == 0:
        folder.finish()  # the report says so; should it fail, the run has failed after all
        print(f"report: {build_report(folder.path, data_root)}")


def _line(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        return ""
