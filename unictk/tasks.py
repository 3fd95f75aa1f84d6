"""What ``run.py`` can be asked to do: plain functions from a composed request to metrics.

Only here and in :mod:`unictk.assembly` is the configuration read; everything below is built from plain
values.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le, MinLen
from hydra.utils import instantiate
from omegaconf import DictConfig

from unictk.assembly import (
    ROWS,
    check_name,
    data_folder,
    first_rows,
    fit,
    in_words,
    judged_by,
    keep,
    make_judge,
    make_stage,
    make_trainer,
    measured,
    model_benchmark,
    on_device,
    place,
    read_back,
    with_saved,
    with_several,
    without_adapters,
    write_report,
)
from unictk.errors import DataError, UserError
from unictk.selfplay.task import selfplay as selfplay

Count = Annotated[int, Ge(1)]
Epoch = Annotated[int, Ge(0)]
Folders = Annotated[list[str], MinLen(1)]
Port = Annotated[int, Ge(1), Le(65535)]
LayoutName = Literal["plain", "tiif", "dpg", "geneval", "wise", "oneig", "compbench"]

if TYPE_CHECKING:
    from unictk.app.folder import RunFolder
    from unictk.backbones.base import Backbone
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData


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
        keep((kept, folder.path / ROWS), stage, scores, cfg, folder)
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
    benchmark = None if cfg.benchmark is None else model_benchmark(cfg, weights)
    for name in map(str, cfg.stages):
        part = instantiate(cfg.stages[name])
        if folder.stage_is_done(name):
            part.read(weights, backbone)
            continue
        folder.write_metrics(fit_part(cfg, folder, name, part, backbone, weights))
        folder.stage_done(name)
    if benchmark is not None and process_rank() == 0:
        measured(cfg, folder, backbone, benchmark)
    write_report(folder)
    return folder.scores()


def evaluate(
    cfg: DictConfig,
    folder: RunFolder,
    saved: str | None = None,
    described: bool = False,
    facts: bool = True,
    called: str | None = None,
) -> dict[str, float]:
    """Ask the benchmark's questions about a concept; what was answered before is not asked again.

    ``saved`` None: of the model before any training, which has no tokens of the concept. Prompts then say
    ``called`` (None: its name) in place of ``<name>``, and with ``described`` begin with what the data set
    tells of it: the description and, with ``facts``, the facts that may be taught.

    Raises:
        UserError: no benchmark, one that needs no concept, or a saved concept of another name.
    """
    from unictk.benchmarks.base import ModelBenchmark
    from unictk.benchmarks.recording import recorded

    if cfg.benchmark is None:
        raise UserError("benchmark: none evaluates nothing; choose one, for example benchmark=unifybench")
    benchmark = instantiate(cfg.benchmark)
    if isinstance(benchmark, ModelBenchmark):
        raise UserError(
            f"benchmark: {benchmark.name} evaluates no concept; use task=measure, or benchmark=unifybench"
        )
    data: ConceptData = instantiate(cfg.concept)
    if saved is None:
        backbone, told = in_words(cfg, data, described, facts, called)
        print(told.summary())
        concept: ConceptTokens = told
    else:
        backbone, concept = with_saved(cfg, saved)
        check_name(concept, data, "task.saved", saved)
    ask = partial(benchmark.evaluate, backbone, concept, data, instantiate(cfg.sampling), cfg.seed)
    judge = make_judge(cfg.judge, backbone)
    ask = partial(ask, judge=judge, folder=folder.path)
    result = recorded(folder, "evaluate", ask)
    if judge is not None:
        folder.write_metrics({f"{benchmark.name}/judge": judge.name})
    write_report(folder, data.root)
    return dict(result.metrics)


def measure(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Ask the backbone itself a benchmark that needs no concept; what was answered before is kept."""
    benchmark = model_benchmark(cfg)
    scores = measured(cfg, folder, on_device(cfg), benchmark)
    write_report(folder)
    return scores


def generate(
    cfg: DictConfig,
    folder: RunFolder,
    saved: str | Folders | None = None,
    prompt: str = "A photo of <sks>.",
    prompts: str | None = None,
    count: Count | None = None,
    layout: LayoutName = "plain",
    model: str = "unictk",
    batch_size: Count = 16,
) -> dict[str, float]:
    """Draw a prompt, or a file of them, into ``samples/generate/``; what is there already is not drawn again.

    ``saved`` None: the model itself; several: all of them in one model. ``count`` None: as many of each
    prompt as the layout's scorer expects. A listing says what each file was drawn from: with
    ``sampling.replay`` that is what the model made of the prompt.

    Raises:
        UserError: a prompt names a concept that is not given.
    """
    from unictk.callbacks.meter import Meter
    from unictk.drawing.layouts import LAYOUTS
    from unictk.drawing.order import Order
    from unictk.drawing.prompt_files import PromptRow, read_prompts

    tree = LAYOUTS[layout](model)
    rows = [PromptRow(0, prompt)] if prompts is None else read_prompts(Path(prompts), tree.columns)
    backbone, concepts = with_several(cfg, [saved] if isinstance(saved, str) else saved or [])
    order = Order(tree, rows, count or tree.count, concepts, must_name=prompts is None)
    folder.stage_started("generate")
    target = folder.directory("samples/generate")
    with Meter("generate", None) as meter:

        def progress(there: int, total: int) -> None:
            meter.total = total
            meter.show(there)

        drawn = order.draw(backbone, instantiate(cfg.sampling), cfg.seed, target, batch_size, progress)
    folder.stage_done("generate")
    files = f"{len(order.sheets)} file{'' if len(order.sheets) == 1 else 's'}"
    print(f"{files} in {target}" + (f", {drawn} of them new" if drawn < len(order.sheets) else ""))
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
    backbone, _ = with_several(cfg, [saved] if isinstance(saved, str) else saved or [])
    pictures = folder.path / "samples" / "chat"
    conversation = Conversation(backbone, instantiate(cfg.sampling), cfg.seed, pictures)
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

    root, name = data_folder(cfg)
    problems = check_dataset(root, name)
    for problem in problems:
        print(problem)
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(f"{root}: {count}, listed above")
    print(f"{root}: nothing wrong" + (f" with {name}" if name else ""))
    return {}


def export(
    cfg: DictConfig,
    folder: RunFolder,
    saved: str,
    form: Literal["published", "hub"] = "published",
    epoch: Epoch = 20,
    base_model: str | None = None,
    license: str = "other",
    push: str | None = None,
) -> dict[str, float]:
    """Write a saved concept for others: in the published three-file form, or as a folder for the hub.

    ``epoch`` stands in the published file names. ``base_model`` (None: as recorded in training) and
    ``license`` stand in the hub's card; ``push`` uploads to that repository with the token of ``HF_TOKEN``.

    Raises:
        UserError: the form cannot hold the concept, or the hub did not take it.
    """
    from unictk.concepts.files import load_concept
    from unictk.concepts.hub import push_hub, write_hub
    from unictk.concepts.published import export_published

    if form == "published":
        written = export_published(load_concept(saved), folder.directory(form), epoch)
    else:
        without_adapters(saved, "a folder for the hub holds rows only")
        written = write_hub(saved, folder.directory(form), base_model, license, push)
    for path in written:
        print(path)
    if push is not None:
        folder.stage_started("push")
        print(push_hub(folder.directory(form), push, os.environ["HF_TOKEN"]))
        folder.stage_done("push")
    return {}


def adopt(
    cfg: DictConfig, folder: RunFolder, published: str, name: str, epoch: Epoch | None
) -> dict[str, float]:
    """Read the published three-file form and write it as a concept directory, ``concept/``."""
    from unictk.concepts.files import save_concept
    from unictk.concepts.hub import hub_id
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
        base_model=hub_id(cfg.backbone.get("weights")),
    )
    print(f"{concept}, stage {concept.stage}, in {target}")
    return {}


def report(
    cfg: DictConfig, folder: RunFolder, run: str | None = None, runs: str | list[str] | None = None
) -> dict[str, float]:
    """Build the report of one run again, or a page that compares all runs below a folder or several.

    The comparison of one folder is written into it, that of several into this run's own folder.

    Exactly one of ``run`` and ``runs`` is given: the check of the request sees to it.
    """
    from unictk.report.build import REPORT, build_report
    from unictk.report.compare import build_comparison
    from unictk.report.concept_card import find_data_root
    from unictk.report.sources import read_settings

    if run is not None:
        paths = {str(name): str(value) for name, value in cfg.paths.items()}
        root = find_data_root(read_settings(Path(run, "config.yaml")), paths)
        print(build_report(Path(run), root))
        return {}
    places = [Path(one) for one in ([runs] if isinstance(runs, str) else runs or [])]
    target = places[0] if len(places) == 1 else folder.path
    print(build_comparison(places, target / REPORT))
    return {}
