"""What self-play needs of a request, told before anything is imported that takes time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unictk.app.task_check import (
    ANSWER_JUDGES,
    CONCEPT_BENCHMARKS,
    MODEL_BENCHMARKS,
    SELF_TRAINING,
    SELFPLAY,
    target_of,
)
from unictk.errors import UserError
from unictk.selfplay.categories import load_categories

ORACLE = "unictk.judges.oracle.OracleJudge"
SPRITES = "sprites"


def selfplay_of_the_task(plain: Mapping[str, Any]) -> None:
    """Raises UserError where ``task=selfplay`` cannot run; other tasks are let through."""
    if target_of(plain, "task") != SELFPLAY:
        return
    rules = plain.get("selfplay")
    if not isinstance(rules, Mapping):
        raise UserError("selfplay: null, but task=selfplay needs its rules; nearest: experiment=unicorn")
    _stages(plain.get("stages") or {})
    _judge(plain, rules)
    _examiner(plain, rules)
    _prompts(rules)
    _compared(rules)


def _stages(stages: Mapping[str, Any]) -> None:
    """Exactly one stage, and that trains on lessons."""
    if len(stages) != 1:
        found = ", ".join(stages) or "none"
        raise UserError(
            f"stages: {found}; task=selfplay has one stage, which learns; "
            "nearest: experiment=unicorn, or +stage@stages.learn=self_training"
        )
    ((key, node),) = stages.items()
    if target_of(stages, key) != SELF_TRAINING:
        name = target_of(stages, key).rpartition(".")[2] or str(node)
        raise UserError(
            f"stages.{key}: {name} learns nothing from self-play; nearest: stage@stages.{key}=self_training"
        )


def _judge(plain: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    """Somebody who sees, and knows no more than anybody may."""
    judge = target_of(plain, "judge")
    if not judge or judge in ANSWER_JUDGES:
        found = judge.rpartition(".")[2] or "none"
        raise UserError(f"judge: {found} scores no drawings, which self-play needs; nearest: judge=self")
    if judge == ORACLE and rules.get("allow_oracle") is not True:
        raise UserError(
            "judge: OracleJudge knows what no model can, so self-play does not take it; nearest: judge=self "
            "(to see what a perfect judge would be worth: selfplay.allow_oracle=true)"
        )


def _examiner(plain: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    """The benchmark is about the model, and the examiner can see."""
    benchmark = target_of(plain, "benchmark")
    if benchmark in CONCEPT_BENCHMARKS:
        name = benchmark.rpartition(".")[2]
        raise UserError(
            f"benchmark: {name} evaluates a concept; task=selfplay needs one without; "
            "nearest: benchmark=sprites_drawing, or benchmark=none"
        )
    examiner = target_of(rules, "examiner")
    if benchmark in MODEL_BENCHMARKS and examiner in ANSWER_JUDGES:
        name = examiner.rpartition(".")[2]
        raise UserError(
            f"selfplay.examiner: {name} scores no drawings; nearest: judge@selfplay.examiner=oracle"
        )


def _prompts(rules: Mapping[str, Any]) -> None:
    """Categories that are there, words and a proposer that know them, and lessons to learn."""
    which, only = rules.get("categories"), rules.get("only")
    if isinstance(which, str) and (only is None or isinstance(only, list)):
        load_categories(which).only(only)
    for key, value in (("wording", SPRITES), ("proposer", "grammar")):
        if rules.get(key) == value and which != SPRITES:
            other = "paper" if key == "wording" else "self"
            raise UserError(
                f"selfplay.{key}: {value} knows the sprites world's categories only, and selfplay.categories "
                f"is {which!r}; nearest: selfplay.{key}={other}"
            )
    quotas = rules.get("quotas")
    if isinstance(quotas, Mapping):
        numbers = [value for key, value in quotas.items() if key != "_target_"]
        if numbers and all(value == 0 for value in numbers):
            raise UserError("selfplay.quotas: all are 0, so nothing would be learnt; expected one above 0")


def _compared(rules: Mapping[str, Any]) -> None:
    """What runs share, who chooses and what is learnt instead go together."""
    if rules.get("records") and rules.get("rounds") not in (None, 1):
        raise UserError(
            f"selfplay.rounds: {rules['rounds']} with selfplay.records: from the second round on every run "
            "draws with a model of its own; nearest: selfplay.records=null"
        )
    if rules.get("selector") == "examiner":
        examiner = target_of(rules, "examiner")
        if not examiner:
            raise UserError(
                "selfplay.selector: examiner, but there is none; nearest: judge@selfplay.examiner=oracle"
            )
        if examiner == ORACLE and rules.get("allow_oracle") is not True:
            raise UserError(
                "selfplay.selector: examiner is OracleJudge, which knows what no model can; "
                "nearest: selfplay.allow_oracle=true"
            )
    if rules.get("control") is not None and rules.get("categories") != SPRITES:
        raise UserError(
            f"selfplay.control: {rules['control']} is of the sprites world, and selfplay.categories is "
            f"{rules.get('categories')!r}; nearest: selfplay.control=null"
        )
