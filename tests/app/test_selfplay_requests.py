# ruff: noqa: E501  (a whole message is one line)
"""What self-play asks of a request: refused in one line before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from unictk.app.main import run

UNICORN = "experiment=unicorn"
WRONG = [
    ([UNICORN, "judge=oracle"], "judge: OracleJudge knows what no model can, so self-play does not take it; nearest: judge=self (to see what a perfect judge would be worth: selfplay.allow_oracle=true)"),
    ([UNICORN, "judge=oracle", "selfplay.allow_oracle=maybe"], "selfplay.allow_oracle: 'maybe' is not allowed, expected true or false"),
    ([UNICORN, "judge=rules"], "judge: RulesJudge scores no drawings, which self-play needs; nearest: judge=self"),
    ([UNICORN, "judge=none"], "judge: none scores no drawings, which self-play needs; nearest: judge=self"),
    ([UNICORN, "judge@selfplay.examiner=rules"], "selfplay.examiner: RulesJudge scores no drawings; nearest: judge@selfplay.examiner=oracle"),
    ([UNICORN, "benchmark=unifybench"], "benchmark: UnifyBench evaluates a concept; task=selfplay needs one without; nearest: benchmark=sprites_drawing, or benchmark=none"),
    ([UNICORN, "selfplay.records=here", "selfplay.rounds=2"], "selfplay.rounds: 2 with selfplay.records: from the second round on every run draws with a model of its own; nearest: selfplay.records=null"),
    ([UNICORN, "selfplay.selector=examiner"], "selfplay.selector: examiner is OracleJudge, which knows what no model can; nearest: selfplay.allow_oracle=true"),
    ([UNICORN, "selfplay.selector=examiner", "judge@selfplay.examiner=none"], "selfplay.selector: examiner, but there is none; nearest: judge@selfplay.examiner=oracle"),
    ([UNICORN, "selfplay.selector=oracle"], "selfplay.selector: 'oracle' is not a choice. All: judge, random, examiner"),
    ([UNICORN, "selfplay=paper", "selfplay.control=scenes"], "selfplay.control: scenes is of the sprites world, and selfplay.categories is 'paper'; nearest: selfplay.control=null"),
    ([UNICORN, "selfplay.prompts=0"], "selfplay.prompts: 0 is not allowed, expected an integer >= 1; nearest: 1"),
    ([UNICORN, "selfplay.rollout=4"], "selfplay.rollout: 4 is given, but selfplay has no 'rollout'; nearest: selfplay.rollouts. All: "),
    ([UNICORN, "selfplay.proposer=oracle"], "selfplay.proposer: 'oracle' is not a choice. All: self, grammar"),
    ([UNICORN, "selfplay.categories=spirtes"], "selfplay.categories: 'spirtes' is not a choice; nearest: sprites. All: paper, sprites (or the path of a YAML file)"),
    ([UNICORN, "selfplay.only=[countin]"], "selfplay.only: 'countin' is not a choice; nearest: counting. All: "),
    ([UNICORN, "selfplay=paper", "selfplay.proposer=grammar"], "selfplay.proposer: grammar knows the sprites world's categories only, and selfplay.categories is 'paper'; nearest: selfplay.proposer=self"),
    ([UNICORN, "selfplay.categories=paper"], "selfplay.wording: sprites knows the sprites world's categories only, and selfplay.categories is 'paper'; nearest: selfplay.wording=paper"),
    ([UNICORN, "selfplay.guidance=[]"], "selfplay.guidance: [] is not allowed, expected a list of [a number >= 0] or null"),
    ([UNICORN, "selfplay.guidance=[-1]"], "selfplay.guidance: [-1] is not allowed, expected a list of [a number >= 0] or null"),
    ([UNICORN, "selfplay.quotas.caption=-1"], "selfplay.quotas.caption: -1 is not allowed, expected an integer >= 0 or null; nearest: 0"),
    ([UNICORN, *(f"selfplay.quotas.{kind}=0" for kind in ("generation", "caption", "judgement", "reflection"))], "selfplay.quotas: all are 0, so nothing would be learnt; expected one above 0"),
    ([UNICORN, "selfplay.selection.threshold=11"], "selfplay.selection.threshold: 11 is not allowed, expected a number >= 0 and <= 10; nearest: 10"),
    ([UNICORN, "~stages.learn"], "stages: none; task=selfplay has one stage, which learns; nearest: experiment=unicorn, or +stage@stages.learn=self_training"),
    (["experiment=unictokens", "task=selfplay", "selfplay=sprites", "judge=self", "benchmark=none", "~stages.s2", "~stages.s3"], "stages.s1: UnderstandingWarmup learns nothing from self-play; nearest: stage@stages.s1=self_training"),
    (["experiment=unictokens", "task=selfplay", "selfplay=sprites"], "stages: s1, s2, s3; task=selfplay has one stage, which learns; nearest: experiment=unicorn, or +stage@stages.learn=self_training"),
    (["task=selfplay"], "selfplay: null, but task=selfplay needs its rules; nearest: experiment=unicorn"),
    ([UNICORN, "task=train"], "stages.learn: SelfTraining trains a model on what it taught itself, but task=train has it teach nothing; nearest: task=selfplay"),
    ([UNICORN, "sampling.rewrite=plan"], "sampling.rewrite: plan, but task=selfplay draws no prompt of yours; nearest: sampling.rewrite=none (benchmark.pictures.replay measures replay, benchmark=sprites plans)"),
    ([UNICORN, "stages.learn.average=1"], "stages.learn.average: 1 is not allowed, expected a number >= 0 and < 1 or null; nearest: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "reason"), WRONG, ids=[" ".join(case[0])[:60] for case in WRONG])
def test_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str) -> None:
    assert run([*words, f"paths.output={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {reason}")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


RIGHT = [
    [UNICORN],
    [UNICORN, "judge=oracle", "selfplay.allow_oracle=true"],
    [UNICORN, "judge.mode=score", "selfplay.expected_scores=true"],
    [UNICORN, "judge=self"],
    [UNICORN, "selfplay.proposer=grammar", "selfplay.only=[counting,relations]"],
    [UNICORN, "backbone=showo_512", "selfplay=paper", "judge.mode=score", "benchmark=none"],
    [UNICORN, "selfplay.quotas.caption=0"],
    [UNICORN, "selfplay.guidance=null"],
    ["task=measure", "benchmark=sprites_drawing", "judge=oracle"],
]


@pytest.mark.parametrize("words", RIGHT, ids=" ".join)
def test_right(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run([*words, "--cfg", "job"]) == 0
    assert capsys.readouterr().err == ""


def test_categories_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("- {name: Boats, rule: A boat., criteria: [the boat]}\n")
    assert run([UNICORN, "selfplay=paper", f"selfplay.categories={own}", "--cfg", "job"]) == 0
    own.write_text("- {name: Boats}\n")
    assert run([UNICORN, "selfplay=paper", f"selfplay.categories={own}"]) == 2
    assert capsys.readouterr().err == f"error: {own}: entry 0: rule is None; expected text\n"
