"""What ``run.py`` can be asked to do: plain functions from a composed request to metrics.

Only here and in :mod:`unictk.assembly` is the configuration read; everything below is built from plain
values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from annotated_types import Ge, Le
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unictk.assembly import (
    ROWS,
    attach_saved,
    check_name,
    first_rows,
    fit,
    judged_by,
    keep,
    make_judge,
    make_stage,
    make_trainer,
    on_device,
    place,
    read_back,
    with_saved,
    write_report,
)
from unictk.errors import DataError, UserError

Count = Annotated[int, Ge(1)]
Epoch = Annotated[int, Ge(0)]
Port = Annotated[int, Ge(1), Le(65535)]
LayoutName = Literal["plain", "tiif", "dpg", "geneval", "wise", "oneig", "compbench"]

if TYPE_CHECKING:
    from unictk.app.folder import RunFolder
    from unictk.backbones.base import Backbone
    from unictk.benchmarks.base import ModelBenchmark, Result
    from unictk.datamodules.concept_data import ConceptData
    from unictk.judges.base import Judge


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
    concept = first_rows(cfg, backbone, data)
    for name in map(str, cfg.stages):
        kept = folder.checkpoint_dir(name) / ROWS
        if folder.stage_is_done(name):
            concept = read_back(kept, backbone)
            continue
        stage = make_stage(cfg, name, backbone, concept, data)
        trainer = make_trainer(cfg, folder, stage)
        place(backbone, trainer)  # starting values are worked out where training will be
        stage.begin()
        folder.stage_started(name, trainer.world_size)
        scores = fit(cfg, folder, stage, trainer)
        folder.write_metrics({**scores, **judged_by(trainer)})
        for directory in (kept, folder.path / ROWS):
            keep(directory, stage, scores, cfg, folder)
        folder.stage_done(name)
        concept = stage.concept
    write_report(folder, data.root)
    return folder.scores()


def pretrain(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Train the parts of a small model from nothing, one after another; their weights go to ``weights/``.

    A part that an earlier process finished is read back; one that it began goes on from its last checkpoint.

    Raises:
        UserError: nothing to train.
    """
    from unictk.app.folder import process_rank
    from unictk.pretraining.run import fit_part

    if not cfg.stages:
        raise UserError(
            "experiment: it has no parts to train; choose one, for example experiment=pretrain/sprites"
        )
    backbone: Backbone = instantiate(cfg.backbone)
    weights = folder.directory("weights")
    benchmark = None if cfg.benchmark is None else _model_benchmark(cfg, weights)
    for name in map(str, cfg.stages):
        part = instantiate(cfg.stages[name])
        if folder.stage_is_done(name):
            part.read(weights, backbone)
            continue
        folder.write_metrics(fit_part(cfg, folder, name, part, backbone, weights))
        folder.stage_done(name)
    if benchmark is not None and process_rank() == 0:
        _measured(cfg, folder, backbone, benchmark)
    write_report(folder)
    return folder.scores()


def evaluate(cfg: DictConfig, folder: RunFolder, saved: str) -> dict[str, float]:
    """Ask a saved concept the benchmark's questions; what was answered before is not asked again."""
    from unictk.benchmarks.base import ModelBenchmark

    if cfg.benchmark is None:
        raise UserError("benchmark: none evaluates nothing; choose one, for example benchmark=unifybench")
    benchmark = instantiate(cfg.benchmark)
    if isinstance(benchmark, ModelBenchmark):
        raise UserError(
            f"benchmark: {benchmark.name} evaluates no concept; use task=measure, or benchmark=unifybench"
        )
    data: ConceptData = instantiate(cfg.concept)
    backbone, concept = with_saved(cfg, saved)
    check_name(concept, data, "task.saved", saved)
    judge = make_judge(cfg.judge, backbone)
    ask = partial(benchmark.evaluate, backbone, concept, data, instantiate(cfg.sampling), cfg.seed)
    ask = partial(ask, judge=judge, folder=folder.path)
    result = _recorded(folder, "evaluate", ask)
    if judge is not None:
        folder.write_metrics({f"{benchmark.name}/judge": judge.name})
    write_report(folder, data.root)
    return dict(result.metrics)


def measure(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Ask the backbone itself a benchmark that needs no concept; what was answered before is kept."""
    benchmark = _model_benchmark(cfg)
    scores = _measured(cfg, folder, on_device(cfg), benchmark)
    write_report(folder)
    return scores


def _model_benchmark(cfg: DictConfig, weights: Path | None = None) -> ModelBenchmark:
    """The configured benchmark, which must not need a concept; ``weights``: of the run itself."""
    from unictk.benchmarks.base import ModelBenchmark

    own = {"known": str(weights / "known.safetensors")} if weights and "known" in cfg.benchmark else {}
    benchmark = instantiate(cfg.benchmark, **own)
    if not isinstance(benchmark, ModelBenchmark):
        raise UserError("benchmark: this task needs one without a concept, for example benchmark=sprites")
    if benchmark.needs_judge and cfg.judge is None:
        raise UserError(f"judge: {benchmark.name} needs one; choose one, for example judge=oracle")
    return benchmark


def _measured(
    cfg: DictConfig, folder: RunFolder, backbone: Backbone, benchmark: ModelBenchmark
) -> dict[str, float]:
    from unictk.report.terminal import print_scores

    judge = cast("Judge", make_judge(cfg.judge, backbone))
    ask = partial(benchmark.evaluate, backbone, judge, instantiate(cfg.sampling), cfg.seed)
    result = _recorded(folder, "measure", ask)
    judged = ""
    if benchmark.needs_judge and judge is not None:
        folder.write_metrics({f"{benchmark.name}/judge": judge.name})
        judged = f", judged by {judge.name}"
    print_scores(f"{benchmark.name}{judged}", result.metrics)
    return dict(result.metrics)


def _recorded(folder: RunFolder, phase: str, ask: Callable[..., Result]) -> Result:
    """Ask with a meter; every batch of answers is kept, and what was answered before is not asked again."""
    from unictk.callbacks.meter import Meter
    from unictk.records import FILE, merge_records, read_records

    records = folder.path / FILE
    folder.stage_started(phase)
    with Meter(phase, None) as meter:

        def progress(answered: int, total: int) -> None:
            meter.total = total
            meter.show(answered)

        result = ask(
            phase=phase,
            done=read_records(records),
            save=lambda new: merge_records(records, new),
            progress=progress,
        )
    folder.write_metrics(result.metrics)
    folder.stage_done(phase)
    return result


def generate(
    cfg: DictConfig,
    folder: RunFolder,
    saved: str | None = None,
    prompt: str = "A photo of <sks>.",
    prompts: str | None = None,
    count: Count | None = None,
    layout: LayoutName = "plain",
    model: str = "unictk",
    batch_size: Count = 16,
) -> dict[str, float]:
    """Draw a prompt, or a file of them, into ``samples/generate/``; what is there already is not drawn again.

    ``saved`` None: the model itself. ``count`` None: as many of each prompt as the layout's scorer expects.

    Raises:
        UserError: a prompt names a concept, but none is given.
    """
    from unictk.callbacks.meter import Meter
    from unictk.drawing.draw import draw_sheets
    from unictk.drawing.layouts import LAYOUTS, unique
    from unictk.drawing.prompt_files import PromptRow, read_prompts
    from unictk.drawing.wording import wording

    tree = LAYOUTS[layout](model)
    rows = [PromptRow(0, prompt)] if prompts is None else read_prompts(Path(prompts), tree.columns)
    sheets = unique(tree.sheets(rows, count or tree.count))
    backbone, concept = (on_device(cfg), None) if saved is None else with_saved(cfg, saved)
    words = wording(concept, named=prompts is None)
    for row in rows:
        words(row.text)  # a wrong one is told before any is drawn
    folder.stage_started("generate")
    target = folder.directory("samples/generate")
    for path, text in tree.texts(rows).items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n", encoding="utf-8")
    with Meter("generate", None) as meter:

        def progress(there: int, total: int) -> None:
            meter.total = total
            meter.show(there)

        sampling = instantiate(cfg.sampling)
        drawn = draw_sheets(backbone, sheets, words, sampling, cfg.seed, target, batch_size, progress)
    folder.stage_done("generate")
    files = f"{len(sheets)} file{'' if len(sheets) == 1 else 's'}"
    print(f"{files} in {target}" + (f", {drawn} of them new" if drawn < len(sheets) else ""))
    return {}


def chat(
    cfg: DictConfig,
    folder: RunFolder,
    saved: str | list[str] | None = None,
    image: str | None = None,
    page: bool = False,
    port: Port = 7860,
) -> dict[str, float]:
    """Talk to the model, with saved concepts or without, in the terminal or on a page in the browser.

    Raises:
        UserError: the page needs gradio, or another port; or a concept does not fit.
    """
    from unictk.conversation.commands import Commands
    from unictk.conversation.conversation import Conversation
    from unictk.conversation.page import check_page, serve
    from unictk.conversation.terminal import converse

    if page:
        check_page(port)
    backbone = on_device(cfg)
    attach_saved(backbone, [saved] if isinstance(saved, str) else saved or [])
    conversation = Conversation(
        backbone, instantiate(cfg.sampling), cfg.seed, folder.path / "samples" / "chat"
    )
    if image is not None:
        conversation.look(image)
    if page:
        serve(Commands(conversation), port)
    else:
        converse(Commands(conversation))
    return {}


def check_data(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """List everything wrong with a data set at once.

    Raises:
        DataError: there is something wrong; each problem was printed.
    """
    from unictk.datamodules.check import check_dataset

    if "name" in cfg.concept:
        root, name = Path(cfg.concept.root), OmegaConf.select(cfg, "concept.name", throw_on_missing=False)
    else:  # a concept that we write: its folder is known when it is there
        data: ConceptData = instantiate(cfg.concept)
        root, name = data.root, data.name
    problems = check_dataset(root, name)
    for problem in problems:
        print(problem)
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(f"{root}: {count}, listed above")
    print(f"{root}: nothing wrong" + (f" with {name}" if name else ""))
    return {}


def export(cfg: DictConfig, folder: RunFolder, saved: str, epoch: Epoch) -> dict[str, float]:
    """Write a saved concept in the published three-file form into ``published/``."""
    from unictk.concepts.files import load_concept
    from unictk.concepts.published import export_published

    for path in export_published(load_concept(saved), folder.directory("published"), epoch):
        print(path)
    return {}


def adopt(
    cfg: DictConfig, folder: RunFolder, published: str, name: str, epoch: Epoch | None
) -> dict[str, float]:
    """Read the published three-file form and write it as a concept directory, ``concept/``."""
    from unictk.concepts.files import save_concept
    from unictk.concepts.published import import_published
    from unictk.concepts.tokens import SPELLING

    concept = import_published(published, name, epoch, spelling=SPELLING)
    target = save_concept(
        folder.path / ROWS,
        concept,
        backbone=str(cfg.backbone["_target_"]),
        seed=cfg.seed,
        config_hash=folder.request_hash,
        metrics={},
        class_noun="",
    )
    print(f"{concept}, stage {concept.stage}, in {target}")
    return {}


def report(cfg: DictConfig, folder: RunFolder, run: str) -> dict[str, float]:
    """Build the report of a run folder again."""
    from unictk.report.build import build_report

    if not Path(run, "status.json").is_file():
        raise UserError(f"task.run: {run!r} is not a run folder; expected one with a status.json")
    print(build_report(Path(run)))
    return {}
