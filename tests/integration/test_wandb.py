"""The W&B run of real jobs, read back from its offline file: curves, media, tables, artifacts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import QUICK, SELFPLAY, only_run, read, run
from wandb_file import OfflineRun, read_offline_run

PNG = b"\x89PNG"
QUIET = [word for word in QUICK if word != "logger=none"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def left_by(folder: Path) -> tuple[OfflineRun, Path]:
    """The run, and the folder of its files."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return read_offline_run(file), file.parent / "files"


def table(left: OfflineRun, key: str) -> tuple[list[str], list[list]]:
    """Columns and rows of a logged table; its pictures are among the files beside it."""
    ((_, value),) = left.values(key)
    assert value["_type"] == "table-file"
    name = f"run-{left.run.run_id}-{re.sub('[^A-Za-z0-9_-]', '', key)}-"
    (kept,) = [one for one in left.artifacts if one.name.startswith(name)]  # a few random letters follow
    files = {one.path: Path(one.local_path) for one in kept.manifest.contents}
    (name,) = [name for name in files if name.endswith(".table.json")]
    content = json.loads(files[name].read_text())
    assert (value["nrows"], value["ncols"]) == (len(content["data"]), len(content["columns"]))
    for cell in (cell for row in content["data"] for cell in row if isinstance(cell, dict)):
        assert cell["_type"] == "image-file"
        assert files[cell["path"]].read_bytes().startswith(PNG)
    return content["columns"], content["data"]


def test_a_job_leaves_curves_pictures_tables_scores_and_concepts(tmp_path: Path, cache: Path) -> None:
    words = [*QUIET, "logger=wandb", "trainer.max_epochs=2", "trainer.log_every_n_steps=1"]
    run(*words, f"paths.cache={cache}", f"paths.output={tmp_path}", timeout=1400)
    folder = only_run(tmp_path)
    left, files = left_by(folder)
    assert (left.run.display_name, left.run.job_type, left.exit_code) == (folder.name, "train", 0)

    losses = left.values("s2/train_image_loss_step")
    steps = [step for step, _ in losses]
    assert steps == sorted(set(steps))
    assert len(steps) > 2
    assert all(loss > 0 for _, loss in losses)
    for stage in ("s1", "s2", "s3"):
        ((_, picture),) = left.values(f"samples/{stage}")
        assert (picture["_type"], picture["count"]) == ("images/separated", 1)
        assert picture["captions"] == [f"<chelsea> after {stage}"]
        for name in picture["filenames"]:
            assert (files / name).read_bytes().startswith(PNG)
        columns, rows = table(left, f"samples/{stage}/pictures")
        assert columns == ["file", "prompt", "rollout", "seed", "picture"]
        assert [row[0] for row in rows] == ["00-00.png"]
        drawn = read(folder / "samples" / stage / "samples.json")["images"][0]
        assert rows[0][1:4] == [drawn["prompt"], drawn["rollout"], str(drawn["seed"])]
        assert rows[0][4]["_type"] == "image-file"

    metrics = read(folder / "metrics.json")
    assert metrics
    assert {key: left.summary[key] for key in metrics} == metrics

    concepts = left.artifact("concept-chelsea")
    assert [set(one.aliases) for one in concepts] == [{name, "latest"} for name in ("s1", "s2", "s3")]
    for one, name in zip(concepts, ("s1", "s2", "s3"), strict=True):
        said = json.loads(one.metadata)
        kept = folder / "checkpoints" / name / "concept"
        sizes = {entry.path: entry.size for entry in one.manifest.contents}
        assert sizes == {path.name: path.stat().st_size for path in kept.iterdir()}
        assert said["groups"] == read(kept / "concept.json")["groups"]
        assert (said["stage_name"], said["base_model"], said["data"]) == (name, "Showo", "data-chelsea")
        assert not one.use_after_commit
    for name, kind in (("Showo", "base-model"), ("data-chelsea", "data")):
        used = left.artifact(name)
        assert {(one.type, one.use_after_commit) for one in used} == {(kind, True)}
        assert len({one.digest for one in used}) == 1, "the same input must be the same version"


def test_rows_from_elsewhere_are_an_input(tmp_path: Path, cache: Path) -> None:
    words = [*QUIET, "logger=wandb", "trainer.max_epochs=1", f"paths.cache={cache}"]
    alone = [word for word in words if "experiment" not in word and "s3" not in word]
    run(*alone, "experiment=unictokens_stage1", f"paths.output={tmp_path}/one", timeout=700)
    first = only_run(tmp_path / "one")
    only_two = ["experiment=unictokens_stage2", f"rows={first}/concept", f"paths.output={tmp_path}/two"]
    run(*alone, *only_two, timeout=700)
    left, _ = left_by(only_run(tmp_path / "two"))
    assert left.run.job_type == "generation"
    (start,) = left.artifact("start-chelsea")
    assert (start.type, start.use_after_commit) == ("concept", True)
    (before,) = left_by(first)[0].artifact("concept-chelsea")
    assert {entry.path: entry.digest for entry in start.manifest.contents} == {
        entry.path: entry.digest for entry in before.manifest.contents
    }


def test_a_round_of_selfplay_leaves_its_prompts_with_pictures(tmp_path: Path) -> None:
    words = [word for word in SELFPLAY if word != "logger=none"]
    run(*words, "logger=wandb", f"paths.output={tmp_path}", timeout=1400)
    folder = only_run(tmp_path)
    left, _ = left_by(folder)
    assert left.run.job_type == "selfplay"
    columns, rows = table(left, "selfplay/round-00")
    assert columns[:4] == ["category", "prompt", "became", "best score"]
    assert len(rows) == 2
    for row in rows:
        told = dict(zip(columns, row, strict=True))
        assert told["became"] == "kept"
        assert told["best score"] >= told["worst score"]
        assert told["best"]["_type"] == told["worst"]["_type"] == "image-file"
    metrics = read(folder / "metrics.json")
    assert left.summary["selfplay/kept"] == metrics["selfplay/kept"] == 2
