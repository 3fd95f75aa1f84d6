"""Batches of instruction data: dealt to processes, counted, resumed, and what becomes of bad records."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from instruction_files import generation, instructions, pairs, png, talks, understanding, write_jsonl
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from unictk.datamodules.instructions.stream import InstructionLoader, Instructions
from unictk.datamodules.mixture import Share
from unictk.errors import DataError, UserError
from unictk.samples import Counts


@pytest.fixture
def module(tmp_path: Path) -> Instructions:
    """Twelve conversations and six pairs to draw, half and half, two samples a batch."""
    write_jsonl(tmp_path / "talks/a.jsonl", talks(7))
    write_jsonl(tmp_path / "talks/b.jsonl", talks(5))
    write_jsonl(tmp_path / "pairs.jsonl", pairs(6))
    sources = {"talks": understanding("talks"), "pairs": generation("pairs.jsonl")}
    return instructions(tmp_path, sources, share=0.5)


def seen(plan: Any, epoch: int = 0) -> list[list[tuple[str, int]]]:
    return [list(plan[epoch, index].batch.parts) for index in range(len(plan))]


def test_shares_and_passes(module: Instructions) -> None:
    plan = module.plan(Share())
    assert len(plan) == 12
    found = Counter(key.split("/")[0] for batch in seen(plan) for key, _ in batch)
    assert found == {"talks": 12, "pairs": 12}
    assert [row[:6] for row in module.table()] == [
        ("talks", "understanding", 12, 0, 0.5, 1.0),
        ("pairs", "generation", 6, 0, 0.5, 2.0),
    ]
    seeds = [seed for batch in seen(plan) for _, seed in batch]
    assert len(set(seeds)) == 24, "a record that is seen again has another seed"


def test_a_task_can_have_no_share(module: Instructions, tmp_path: Path) -> None:
    module.generation = 0.0
    assert {key.split("/")[0] for batch in seen(module.plan(Share())) for key, _ in batch} == {"talks"}
    sources = {"talks": understanding("talks")}
    with pytest.raises(
        DataError, match=r"stages.s2.generation: 0.2 leaves 0.2 of the samples to generation, but"
    ):
        _ = instructions(tmp_path, sources, share=0.2).sources


def test_weights_divide_the_share_of_a_task(tmp_path: Path) -> None:
    for name, count in (("a", 6), ("b", 6), ("c", 6)):
        write_jsonl(tmp_path / f"{name}.jsonl", pairs(count))
    sources = {
        "a": understanding("a.jsonl", weight=3.0),
        "b": understanding("b.jsonl"),
        "c": generation("c.jsonl", weight=7.0),
    }
    order = instructions(tmp_path, sources, share=0.2).order()
    assert order.quotas == [6000, 2000, 2000]


def test_processes_and_accumulated_batches_share_one_window(module: Instructions) -> None:
    whole = [sorted(batch) for batch in seen(module.plan(Share(0, 1, 1)))]
    module.batch_size = 1
    two = [seen(module.plan(Share(rank, 2, 1))) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*two, strict=True)] == whole
    accumulated = seen(module.plan(Share(0, 1, 2)))
    assert [sorted(a + b) for a, b in zip(accumulated[::2], accumulated[1::2], strict=True)] == whole
    every = [entry for rank in two for batch in rank for entry in batch]
    assert len(every) == len(set(every)) == 24, "disjoint, and nothing is left out"


def test_every_process_knows_the_counts_of_the_whole_step(module: Instructions) -> None:
    plans = [module.plan(Share(rank, 2, 2)) for rank in (0, 1)]
    for step in range(3):
        batches = [plan[0, 2 * step + micro].batch for plan in plans for micro in (0, 1)]
        total = sum((batch.counts for batch in batches), Counts())
        assert [batch.window for batch in batches] == [total] * 4
        assert total.text
        assert total.image


class Ear(LightningModule):
    """Writes down what it is fed, and trains a number."""

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(()))
        self.heard: list[list[tuple[str, int]]] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.heard.append(list(batch.parts))
        return self.number * 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def listen(root: Path, data: Instructions, steps: int, start: Path | None = None) -> Ear:
    ear = Ear()
    save = ModelCheckpoint(root, "{step}", every_n_train_steps=5, save_top_k=-1)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[save],
        default_root_dir=root,
    )
    trainer.fit(ear, datamodule=data, ckpt_path=start, weights_only=True)
    return ear


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_within_an_epoch_the_very_next_sample_comes(tmp_path: Path, workers: int) -> None:
    """Twelve batches are an epoch; the checkpoint is of step 5, and the run goes on past the epoch's end."""
    write_jsonl(tmp_path / "talks.jsonl", talks(12))
    write_jsonl(tmp_path / "pairs.jsonl", pairs(12))
    sources = {"talks": understanding("talks.jsonl"), "pairs": generation("pairs.jsonl")}

    def fresh() -> Instructions:
        return instructions(tmp_path, sources, share=0.5, num_workers=workers)

    whole = listen(tmp_path / "whole", fresh(), 15).heard
    assert len(whole) == 15
    assert sorted(key for batch in whole[:12] for key, _ in batch) == sorted(
        f"{name}/{n}" for name in sources for n in range(12)
    )
    rest = listen(tmp_path / "rest", fresh(), 15, tmp_path / "whole/step=5.ckpt").heard
    assert rest == whole[5:]


def test_another_number_of_processes_or_other_data_is_refused(module: Instructions, tmp_path: Path) -> None:
    state = InstructionLoader(module.plan(Share()), True, 0).state_dict()
    two = InstructionLoader(module.plan(Share(0, 2)), True, 0)
    with pytest.raises(UserError, match="written with 2 samples a step, now there are 4"):
        two.load_state_dict(state)
    write_jsonl(tmp_path / "pairs.jsonl", pairs(5))
    changed = instructions(tmp_path, dict(module.data.sources()), share=0.5)
    with pytest.raises(DataError, match=r"with \[12, 6\] records in the sources, now there are \[12, 5\]"):
        InstructionLoader(changed.plan(Share()), True, 0).load_state_dict(state)


def spoilt(root: Path, **more: Any) -> Instructions:
    """Eight pairs to draw, the pictures of two of which cannot be used, in the order of the file."""
    write_jsonl(root / "pairs.jsonl", pairs(8))
    (root / "2.png").write_bytes(b"text")
    (root / "5.png").write_bytes(png(0, (1, 10_000)))
    return instructions(root, {"pairs": generation("pairs.jsonl")}, share=1.0, shuffle=1, **more)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_picture_ends_the_run_with_one_line(tmp_path: Path, workers: int) -> None:
    with pytest.raises(DataError) as caught:
        listen(tmp_path, spoilt(tmp_path, num_workers=workers), 4)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/pairs.jsonl: record at byte ")
    assert said.endswith("2.png cannot be decoded as a picture; datamodule.bad=skip leaves such records out")
    assert "\n" not in said


def test_left_out_it_is_named_counted_and_still_counted_after_resuming(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = spoilt(tmp_path, bad="skip")
    heard = listen(tmp_path / "whole", data, 5).heard
    assert [len(batch) for batch in heard] == [2, 1, 1, 2, 2]
    assert capsys.readouterr().out.count("pairs: left out, ") == 2
    assert data.left_out() == {"pairs": 2}
    again = spoilt(tmp_path, bad="skip")
    listen(tmp_path / "rest", again, 6, tmp_path / "whole/step=5.ckpt")
    assert again.left_out() == {"pairs": 3}, "two before the checkpoint, one in the second epoch"
    plan = again.plan(Share())
    assert plan[0, 1].batch.window == Counts(0, 20), "the step counts what it should have had"


def test_a_record_that_does_not_fit_the_model_is_bad_too(tmp_path: Path) -> None:
    data = instructions(
        tmp_path,
        {"talks": understanding(write_jsonl(tmp_path / "talks.jsonl", talks(2)))},
        shuffle=1,
    )
    data.layout.supports = lambda sample: "it needs 9 positions and the limit is 8"  # type: ignore[method-assign]
    fed = data.plan(Share())[0, 0]
    assert fed.batch.size == 0
    assert fed.problems[1][1].endswith("record at byte 208: it needs 9 positions and the limit is 8")
    loader = InstructionLoader(data.plan(Share()), True, 0)
    with pytest.raises(DataError, match="needs 9 positions"):
        next(iter(loader))
