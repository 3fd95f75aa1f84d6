"""Which task, stages, benchmark and judge go together, told before anything is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unictk.errors import UserError

JUDGED_BENCHMARKS = (
    "unictk.benchmarks.sprites.bench.SpritesBenchmark",
    "unictk.benchmarks.sprites_drawing.SpritesDrawing",
)
"""They evaluate a backbone itself, and a judge scores its drawings."""

GRADED_BENCHMARKS = ("unictk.benchmarks.unicycle.bench.UniCycle",)
"""They evaluate a backbone itself, and a judge, if there is one, grades its answers."""

MODEL_BENCHMARKS = (
    *JUDGED_BENCHMARKS,
    *GRADED_BENCHMARKS,
    "unictk.benchmarks.unicycle.bench.SpritesUniCycle",
)
"""They evaluate a backbone itself."""

CONCEPT_BENCHMARKS = ("unictk.benchmarks.unifybench.bench.UnifyBench",)
"""They evaluate a concept in a backbone."""

ANSWER_JUDGES = ("unictk.judges.rules.RulesJudge",)
"""They grade answers and cannot see."""

PICTURE_JUDGES = ("unictk.judges.oracle.OracleJudge",)
"""They see and grade no answers."""

MEASURE, PRETRAIN = "unictk.tasks.measure", "unictk.tasks.pretrain"
SELFPLAY = "unictk.tasks.selfplay"
TRAIN, EVALUATE, GENERATE = "unictk.tasks.train", "unictk.tasks.evaluate", "unictk.tasks.generate"
CONCEPT_STAGES, PARTS = "unictk.modules.unictokens.", "unictk.pretraining."
SELF_TRAINING = "unictk.modules.unicorn.SelfTraining"
INSTRUCT, INSTRUCTION_STAGES = "unictk.instruct.instruct", "unictk.modules.unitoken."
INSTRUCTIONS = "unictk.datamodules.instructions.stream.Instructions"
SHARDED = "unictk.sharded_strategy.FullyShardedStrategy"
ASK_A_MODEL = {MEASURE: "measure", PRETRAIN: "pretrain", INSTRUCT: "instruct"}
ASK_A_CONCEPT = {TRAIN: "train", EVALUATE: "evaluate"}


def stages_of_the_task(plain: Mapping[str, Any]) -> None:
    """Raises UserError where the task cannot train a stage; targets not known here are let through."""
    task = target_of(plain, "task")
    for key, node in (plain.get("stages") or {}).items():
        target = str(node.get("_target_", "")) if isinstance(node, Mapping) else ""
        name = target.rpartition(".")[2]
        if task == PRETRAIN and target.startswith(CONCEPT_STAGES):
            raise UserError(
                f"stages.{key}: {name} trains a concept, but task=pretrain trains parts of a model; "
                f"nearest: experiment=pretrain/sprites"
            )
        if task in (TRAIN, PRETRAIN) and target == SELF_TRAINING:
            raise UserError(
                f"stages.{key}: {name} trains a model on what it taught itself, but task="
                f"{task.rpartition('.')[2]} has it teach nothing; nearest: task=selfplay"
            )
        if task in (TRAIN, PRETRAIN, SELFPLAY) and target.startswith(INSTRUCTION_STAGES):
            raise UserError(
                f"stages.{key}: {name} trains a model on instruction data, which task="
                f"{task.rpartition('.')[2]} has none of; nearest: task=instruct"
            )
        if task == INSTRUCT and target.startswith((CONCEPT_STAGES, PARTS, SELF_TRAINING)):
            raise UserError(
                f"stages.{key}: {name} learns nothing from instruction data; nearest: experiment=unitoken"
            )
        if task == TRAIN and target.startswith(PARTS):
            raise UserError(
                f"stages.{key}: {name} is a part of pretraining, but task=train trains a concept; "
                f"nearest: task=pretrain"
            )


def strategy_of_the_task(plain: Mapping[str, Any]) -> None:
    """Raises UserError where parameters cannot be cut up over processes."""
    trainer = plain.get("trainer") or {}
    strategy = trainer.get("strategy")
    if not isinstance(strategy, Mapping) or strategy.get("_target_") != SHARDED:
        return
    if target_of(plain, "task") == PRETRAIN:
        raise UserError(
            "strategy: fsdp has a part of each matrix in each process, but task=pretrain trains with whole "
            "ones (Muon); nearest: strategy=ddp"
        )
    if trainer.get("precision") == "16-mixed":
        raise UserError(
            "trainer.precision: '16-mixed' scales losses, which strategy=fsdp has no place for; "
            "nearest: bf16-mixed"
        )


def instruction_data(plain: Mapping[str, Any]) -> None:
    """Raises UserError where instruction data and task do not go together."""
    task, fed = target_of(plain, "task"), target_of(plain, "datamodule")
    if task == INSTRUCT and fed != INSTRUCTIONS:
        raise UserError(
            f"datamodule: {fed.rpartition('.')[2] or 'none'} reads no instruction data, but task=instruct "
            f"has nothing else; nearest: datamodule=instructions"
        )
    if task != INSTRUCT and fed == INSTRUCTIONS:
        raise UserError(
            f"datamodule: Instructions reads instruction data, which task={task.rpartition('.')[2]} has "
            f"none of; nearest: datamodule=default"
        )


def benchmark_and_judge(plain: Mapping[str, Any]) -> None:
    """Raises UserError where the task cannot use the benchmark; targets not known here are let through."""
    task, benchmark = target_of(plain, "task"), target_of(plain, "benchmark")
    name = benchmark.rpartition(".")[2]
    if task in ASK_A_CONCEPT and benchmark in MODEL_BENCHMARKS:
        raise UserError(
            f"benchmark: {name} evaluates no concept, but task={ASK_A_CONCEPT[task]} asks about one; "
            f"nearest: task=measure, or benchmark=unifybench"
        )
    if task not in ASK_A_MODEL or (task in (PRETRAIN, INSTRUCT) and not benchmark):
        return
    if not benchmark or benchmark in CONCEPT_BENCHMARKS:
        found = f"{name} evaluates a concept" if benchmark else "none measures nothing"
        raise UserError(
            f"benchmark: {found}; task={ASK_A_MODEL[task]} needs one without; nearest: benchmark=sprites"
        )
    judge = target_of(plain, "judge")
    if benchmark in JUDGED_BENCHMARKS and (not judge or judge in ANSWER_JUDGES):
        found = judge.rpartition(".")[2] or "none"
        raise UserError(f"judge: {found} scores no drawings, but {name} has some; nearest: judge=oracle")
    if benchmark in GRADED_BENCHMARKS and judge in PICTURE_JUDGES:
        found = judge.rpartition(".")[2]
        raise UserError(
            f"judge: {found} grades no answers, and {name} has nothing else; nearest: judge=rules"
        )
    known = plain["benchmark"].get("known")
    if known is not None and not Path(str(known)).is_file():
        raise UserError(f"benchmark.known: {str(known)!r} is not a file; expected rows of known characters")


def rewriting_of_the_task(plain: Mapping[str, Any]) -> None:
    """Raises UserError where ``sampling.rewrite`` would do nothing, or has no concept to know of."""
    sampling = plain.get("sampling")
    how = sampling.get("rewrite", "none") if isinstance(sampling, Mapping) else "none"
    if how == "none":
        return
    task = target_of(plain, "task")
    if task in (TRAIN, MEASURE, PRETRAIN, EVALUATE, SELFPLAY, INSTRUCT):
        name = task.rpartition(".")[2]
        raise UserError(
            f"sampling.rewrite: {how}, but task={name} draws no prompt of yours; nearest: "
            "sampling.rewrite=none (benchmark.pictures.replay measures replay, benchmark=sprites plans)"
        )
    if task == GENERATE and how == "replay" and plain["task"].get("saved") is None:
        raise UserError(
            "sampling.rewrite: replay, but no concept is given to know of; give task.saved=<concept folder>"
        )


def target_of(plain: Mapping[str, Any], key: str) -> str:
    """The ``_target_`` of a section, or an empty text."""
    node = plain.get(key)
    return str(node.get("_target_", "")) if isinstance(node, Mapping) else ""
