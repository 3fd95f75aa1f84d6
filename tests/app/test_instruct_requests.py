# ruff: noqa: E501  (a whole message is one line)
"""What training on instruction data asks of a request: refused in one line before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from unictk.app.main import run

UNITOKEN = "experiment=unitoken"
FILES = "instructions@stages.s2.data=files"
WRONG = [
    ([UNITOKEN, "task=train"], "stages.s1: Alignment trains a model on instruction data, which task=train has none of; nearest: task=instruct"),
    (["experiment=unictokens", "task=instruct"], "stages.s1: UnderstandingWarmup learns nothing from instruction data; nearest: experiment=unitoken"),
    ([UNITOKEN, "datamodule=default"], "datamodule: Mixture reads no instruction data, but task=instruct has nothing else; nearest: datamodule=instructions"),
    (["experiment=unictokens", "datamodule=instructions"], "datamodule: Instructions reads instruction data, which task=train has none of; nearest: datamodule=default"),
    ([UNITOKEN, "benchmark=unifybench"], "benchmark: UnifyBench evaluates a concept; task=instruct needs one without; nearest: benchmark=sprites"),
    ([UNITOKEN, "stages.s2.generation=1.5"], "stages.s2.generation: 1.5 is not allowed, expected a number >= 0 and <= 1; nearest: 1"),
    ([UNITOKEN, "stages.s2.mean=tokens"], "stages.s2.mean: 'tokens' is not a choice; nearest: token. All: token, task"),
    ([UNITOKEN, "stages.s1.rates.vision=-1"], "stages.s1.rates.vision: -1 is not allowed, expected a number >= 0; nearest: 0"),
    ([UNITOKEN, "stages.s1.data.scenes=0"], "stages.s1.data.scenes: 0 is not allowed, expected an integer >= 1; nearest: 1"),
    ([UNITOKEN, "stages.s1.data.scene=5"], "stages.s1.data.scene: 5 is given, but stages.s1.data has no 'scene'; nearest: stages.s1.data.scenes. All: "),
    ([UNITOKEN, "datamodule.bad=skp"], "datamodule.bad: 'skp' is not a choice; nearest: skip. All: refuse, skip"),
    ([UNITOKEN, "instructions@stages.s1.data=sprite"], "instructions@stages.s1.data: 'sprite' is not a choice; nearest: sprites. All: files, sprites, sprites_pairs"),
    ([UNITOKEN, FILES], "stages.s2.data.files.understanding.path: 'understanding' is not there (below paths.data, {data}); expected a .jsonl, .parquet or .tar file, a folder of them, or a pattern"),
    ([UNITOKEN, FILES, "stages.s2.data.files.understanding.path=here*.tar"], "stages.s2.data.files.generation.path: 'generation' is not there (below paths.data, {data});"),
    ([UNITOKEN, FILES, *(f"stages.s2.data.files.{name}.path=here-0.tar" for name in ("understanding", "generation")), "stages.s2.data.files.understanding.task=reading"], "stages.s2.data.files.understanding.task: 'reading' is not a choice"),
    ([UNITOKEN, "sampling.rewrite=plan"], "sampling.rewrite: plan, but task=instruct draws no prompt of yours; nearest: sampling.rewrite=none (benchmark.pictures.replay measures replay, benchmark=sprites plans)"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "reason"), WRONG, ids=[" ".join(case[0])[:60] for case in WRONG])
def test_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str) -> None:
    (tmp_path / "here-0.tar").touch()
    assert run([*words, f"paths.data={tmp_path}", f"paths.output={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {reason.replace('{data}', str(tmp_path))}")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


RIGHT = [
    [UNITOKEN],
    *([f"experiment=unitoken_stage{number}"] for number in (1, 2, 3)),
    [
        UNITOKEN,
        "stages.s2.trains=[connector,language]",
        "stages.s2.rates.vision=0.1",
        "+stages.s2.rates.connector=10",
    ],
    [UNITOKEN, "datamodule.bad=skip", "datamodule.num_workers=2", "stages.s2.generation=0.3"],
    [UNITOKEN, FILES, "stages.s2.generation=0", "stages.s2.data.files.understanding.path=here*.tar"],
    [UNITOKEN, "instructions@stages.s1.data=files", "stages.s1.data.files.understanding.path=here-0.tar"],
    [UNITOKEN, "backbone=showo_tiny", "trainer.max_steps=5"],
]


@pytest.mark.parametrize("words", RIGHT, ids=" ".join)
def test_right(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    (tmp_path / "here-0.tar").touch()
    assert run([*words, f"paths.data={tmp_path}", "--cfg", "job"]) == 0
    assert capsys.readouterr().err == ""
