"""The main job, from the command line, and what is done with its result."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import QUICK, only_run, read, run
from PIL import Image
from safetensors.torch import load_file

from unictk.records import read_records

SHORT = (
    *(word for word in QUICK if not word.startswith(("benchmark", "logger", "experiment", "concept"))),
    "trainer.max_epochs=1",
    "benchmark.pictures.looks=2",
    "benchmark.pictures.knowledge=1",
)
"""The main job as it comes, but for one short epoch."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, str]:
    """A run of all three stages with evaluation, and what it printed."""
    output = tmp_path_factory.mktemp("output")
    done = run(*SHORT, f"paths.output={output}", f"paths.cache={cache}")
    return only_run(output), done.stdout


def test_the_run_folder_of_the_contract(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    expected = {"config.yaml", "status.json", "metrics.json", "items.parquet", "concept", "checkpoints"}
    assert expected | {"samples", "report.html"} <= {path.name for path in folder.iterdir()}
    status = read(folder / "status.json")
    assert status["state"] == "done"
    assert {name: stage["state"] for name, stage in status["stages"].items()} == dict.fromkeys(
        ("s1", "s2", "s3"), "done"
    )
    metrics = read(folder / "metrics.json")
    assert list(metrics) == sorted(metrics)
    names = ("rec", "rec_positive", "rec_random", "rec_hard", "vqa", "text_qa", "vqa_bleu")
    for name in (*names, "concept_attributes", "knowledge", "knowledge_replay", "clip_i", "clip_t"):
        assert {f"unifybench/{name}", f"unifybench/{name}/base", f"unifybench/{name}/n"} <= set(metrics)
    assert metrics["unifybench/judge"] == "oracle"
    for stage in ("s1", "s2", "s3"):
        assert metrics[f"{stage}/loss"] < metrics[f"{stage}/loss/base"], "same draws before and after"
    assert "showo_tiny" in printed
    assert "sprite" in printed
    assert str(folder) in printed.replace("\n", "").replace("│", "").replace(" ", "")
    assert "it/s" not in printed, "plain lines where there is no terminal"


def test_records_say_what_was_asked_and_answered(finished: tuple[Path, str]) -> None:
    records = read_records(finished[0] / "items.parquet")
    assert {record.phase for record in records} == {"base", "s1", "s2", "s3"}
    kinds = {record.metric for record in records}
    assert {"unifybench/rec_positive", "unifybench/vqa", "unifybench/text_qa_bleu"} <= kinds
    assert all(not (record.image or "").startswith("/") for record in records)


def test_samples_of_every_stage_share_prompts_and_seeds(finished: tuple[Path, str]) -> None:
    lists = [read(finished[0] / "samples" / stage / "samples.json") for stage in ("s1", "s2", "s3")]
    assert lists[0] == lists[1] == lists[2]
    picture = Image.open(finished[0] / "samples" / "s3" / lists[0]["images"][0]["file"])
    assert picture.size == (48, 48)


def test_the_concept_and_each_stage_of_it_are_saved(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    rows = [
        load_file(folder / f"checkpoints/{s}/concept/concept.safetensors")["input"]
        for s in ("s1", "s2", "s3")
    ]
    assert [len(row) for row in rows] == [17, 25, 33]
    assert torch.equal(load_file(folder / "concept/concept.safetensors")["input"], rows[2])
    about = read(folder / "concept/concept.json")
    assert (about["name"], about["class_noun"], about["stage"]) == ("sprite0", "character", 3)
    assert about["tokens"][:2] == ["<sprite0>", "<sprite0:0>"]


def test_the_same_request_is_done_already(finished: tuple[Path, str], cache: Path) -> None:
    folder, _ = finished
    again = run(*SHORT, f"paths.output={folder.parent}", f"paths.cache={cache}")
    assert again.stdout.startswith("done already: ")


def test_generate_evaluate_and_export_a_saved_concept(
    finished: tuple[Path, str], cache: Path, tmp_path: Path
) -> None:
    saved = finished[0] / "concept"
    common = (f"task.saved={saved}", "sampling.steps=3", f"paths.cache={cache}")
    run(
        "task=generate",
        *common,
        "task.count=2",
        'task.prompt="A photo of <sks>."',
        "sampling.rewrite=replay",
        f"paths.output={tmp_path}/g",
    )
    pictures = sorted(only_run(tmp_path / "g").glob("samples/generate/*.png"))
    assert [Image.open(path).size for path in pictures] == [(48, 48)] * 2
    listed = read(pictures[0].parent / "samples.json")["images"]
    assert [(one["file"], "<sprite0>" in one["drawn"]) for one in listed] == [
        ("0000-000.png", True),
        ("0000-001.png", True),
    ]
    run("task=evaluate", *common, "benchmark=unifybench", "judge=self", f"paths.output={tmp_path}/e")
    metrics = read(only_run(tmp_path / "e") / "metrics.json")
    assert metrics["unifybench/rec/n"] == 21
    assert metrics["unifybench/judge"] == "self"
    assert metrics["unifybench/vqa_judge/n"] == metrics["unifybench/vqa/n"]
    run("task=export", f"task.saved={saved}", f"paths.output={tmp_path}/x")
    published = only_run(tmp_path / "x") / "published"
    assert torch.load(published / "epoch_20_embed.pt", weights_only=True).shape == (33, 224)
    run("task=adopt", f"task.published={published}", "task.name=sprite0", f"paths.output={tmp_path}/a")
    back = load_file(only_run(tmp_path / "a") / "concept/concept.safetensors")
    for name, tensor in load_file(saved / "concept.safetensors").items():
        assert torch.equal(back[name], tensor)


def test_one_stage_alone_from_a_concept_directory(
    finished: tuple[Path, str], cache: Path, tmp_path: Path
) -> None:
    rows = finished[0] / "checkpoints/s1/concept"
    overrides = [word for word in SHORT if not word.startswith(("stages.s3", "benchmark"))]
    run(
        *overrides,
        "benchmark=none",
        "experiment=unictokens_stage2",
        f"rows={rows}",
        f"paths.output={tmp_path}",
        f"paths.cache={cache}",
    )
    assert read(only_run(tmp_path) / "concept/concept.json")["stage"] == 2


def test_a_folder_that_is_no_concept_is_one_line(cache: Path, tmp_path: Path) -> None:
    done = run(*QUICK, f"rows={tmp_path}", f"paths.output={tmp_path}/o", f"paths.cache={cache}", code=2)
    assert done.stderr.count("\n") == 1
    assert "is not a concept folder: it has no concept.json" in done.stderr
    assert "Traceback" not in done.stderr
