import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from stages import TinyStage, fit

from unictk.benchmarks.unifybench.bench import UnifyBench
from unictk.callbacks.benchmark import BenchmarkCallback
from unictk.records import merge_records, read_records
from unictk.samples import Sampling

pytestmark = pytest.mark.filterwarnings("ignore")


def answers(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in read_records(folder / "items.parquet"):
        found.setdefault(record.phase, set()).add(record.answer)
    return found


def test_scores_before_between_and_after(tmp_path: Path) -> None:
    callback = BenchmarkCallback(UnifyBench(), Sampling(), every_n_epochs=1)
    trainer = fit(TinyStage(), tmp_path, callback, logger=CSVLogger(tmp_path, name="csv"))
    # The last epoch is left to the end of the stage: it is not asked twice.
    assert answers(tmp_path) == {
        "base": {"after 0 steps"},
        "s1@1": {"after 2 steps"},
        "s1": {"after 4 steps"},
    }
    assert callback.metrics["unifybench/vqa/base"] == 0
    assert callback.metrics["unifybench/vqa"] == 1
    assert callback.metrics["unifybench/vqa/n"] == 3
    assert trainer.callback_metrics["unifybench/vqa"] == 1
    with next(tmp_path.rglob("metrics.csv")).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert logged(rows, "unifybench/vqa") == [("2", "0.0"), ("4", "1.0")]
    assert logged(rows, "unifybench/vqa/base") == [("0", "0.0")]
    assert not [column for column in rows[0] if column.endswith("/n")]


def logged(rows: list[dict[str, str]], metric: str) -> list[tuple[str, str]]:
    return [(row["step"], row[metric]) for row in rows if row[metric]]


def test_without_before_only_the_end_is_scored(tmp_path: Path) -> None:
    fit(TinyStage(), tmp_path, BenchmarkCallback(UnifyBench(), before=False))
    assert set(answers(tmp_path)) == {"s1"}


def test_of_a_pipeline_only_the_last_stage_is_scored_if_asked_so(tmp_path: Path) -> None:
    for name in ("s1", "s2"):
        stage = TinyStage(name)
        stage.is_last = name == "s2"
        fit(stage, tmp_path, BenchmarkCallback(UnifyBench(), before=False, after="last"))
    assert set(answers(tmp_path)) == {"s2"}


def test_a_second_stage_keeps_the_scores_of_before_training(tmp_path: Path) -> None:
    fit(TinyStage("s1"), tmp_path, BenchmarkCallback(UnifyBench()))
    second, callback = TinyStage("s2"), BenchmarkCallback(UnifyBench())
    fit(second, tmp_path, callback)
    assert answers(tmp_path) == {
        "base": {"after 0 steps"},
        "s1": {"after 4 steps"},
        "s2": {"after 4 steps"},
    }
    assert len(second.backbone.asked) == 3
    assert {"unifybench/vqa/base", "unifybench/vqa"} <= set(callback.metrics)


def test_a_stage_after_training_never_passes_for_before(tmp_path: Path) -> None:
    fit(TinyStage("s1"), tmp_path, BenchmarkCallback(UnifyBench(), before=False))
    callback = BenchmarkCallback(UnifyBench())
    with pytest.warns(UserWarning, match="no complete scores of before training"):
        fit(TinyStage("s2"), tmp_path, callback)
    assert set(answers(tmp_path)) == {"s1", "s2"}
    assert "unifybench/vqa/base" not in callback.metrics


def test_a_resumed_stage_takes_the_scores_of_before_from_its_records(tmp_path: Path) -> None:
    saved = ModelCheckpoint(tmp_path / "checkpoints", save_last=True)
    fit(
        TinyStage(), tmp_path, BenchmarkCallback(UnifyBench()), saved, max_epochs=1, enable_checkpointing=True
    )
    # As if killed before the end-of-stage evaluation was complete.
    kept = [r for r in read_records(tmp_path / "items.parquet") if r.phase == "base" or r.item_id == "0"]
    (tmp_path / "items.parquet").unlink()
    merge_records(tmp_path / "items.parquet", [r for r in kept if r.phase == "base"])
    module, callback = TinyStage(), BenchmarkCallback(UnifyBench())
    fit(module, tmp_path, callback, ckpt_path=tmp_path / "checkpoints" / "last.ckpt")
    assert answers(tmp_path) == {"base": {"after 0 steps"}, "s1": {"after 4 steps"}}
    assert callback.metrics["unifybench/vqa/base"] == 0
    assert len(module.backbone.asked) == 3


def test_a_checkpoint_can_watch_the_scores(tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path / "best", monitor="unifybench/vqa_bleu", mode="max", filename="{epoch}")
    callback = BenchmarkCallback(UnifyBench(), every_n_epochs=1)
    fit(TinyStage(), tmp_path, callback, best, enable_checkpointing=True)
    assert best.best_model_score is not None


def test_another_module_is_refused_by_name(tmp_path: Path) -> None:
    module = TinyStage()
    del module.seed
    with pytest.raises(TypeError, match="TinyStage is no stage: it has no seed"):
        fit(module, tmp_path, BenchmarkCallback(UnifyBench()))


TWO_RANKS = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from lightning.pytorch.callbacks import ModelCheckpoint
from stages import TinyStage, fit
from unictk.benchmarks.unifybench.bench import UnifyBench
from unictk.callbacks.benchmark import BenchmarkCallback
from unictk.callbacks.samples import SampleGrid

folder = Path(sys.argv[1])
module, scores = TinyStage(steps=4), BenchmarkCallback(UnifyBench(), every_n_epochs=1)
best = ModelCheckpoint(folder / "best", monitor="unifybench/vqa_bleu", mode="max")
trainer = fit(module, folder, scores, SampleGrid(1, 1), best,
              enable_checkpointing=True, devices=2, strategy="ddp_find_unused_parameters_true")
line = [trainer.global_rank, len(module.backbone.asked), len(module.backbone.drawn)]
line += [scores.metrics["unifybench/vqa"], scores.metrics["unifybench/vqa/base"]]
print("rank", *line, flush=True)
"""


@pytest.mark.slow
def test_two_ranks_one_asks_and_both_know(tmp_path: Path) -> None:
    script = tmp_path / "two_ranks.py"
    script.write_text(TWO_RANKS)
    command = [sys.executable, str(script), str(tmp_path), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    lines = sorted(line for line in done.stdout.splitlines() if line.startswith("rank "))
    assert lines == ["rank 0 9 1 1.0 0.0", "rank 1 0 0 1.0 0.0"]
    assert answers(tmp_path) == {
        "base": {"after 0 steps"},
        "s1@1": {"after 2 steps"},
        "s1": {"after 4 steps"},
    }
    assert list((tmp_path / "best").glob("*.ckpt"))
