"""How fast a stage trains: what is counted, where the time goes, what is kept."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from stage_makers import concept_data, fit, make_stage, small_backbone

from unictk.callbacks.matmul_peak import matmul_peak
from unictk.callbacks.throughput import FILE, PHASES, Throughput, sentence
from unictk.concepts.tokens import ConceptTokens


def trained(tmp_path: Path, callback: Throughput, **options: object):
    backbone = small_backbone()
    data = concept_data(tmp_path)
    stage = make_stage("s1", backbone, ConceptTokens("bo", backbone.row_shape), data, text_batch=2)
    trainer = fit(stage, 4, tmp_path, callbacks=[callback], **options)
    return stage, trainer


def test_means_of_a_stage(tmp_path: Path) -> None:
    callback = Throughput(every_n_steps=2, count_every=3, skip=1)
    stage, trainer = trained(
        tmp_path, callback, logger=CSVLogger(tmp_path, "log", "csv"), log_every_n_steps=1
    )
    found = json.loads((tmp_path / FILE).read_text())["s1"]
    batches = trainer.global_step
    assert batches > 8
    counted = callback.counted
    assert counted == len(range(1, batches + 1, 3))
    assert callback.timed == batches - counted
    spent = sum(found[f"{name}_seconds"] for name in PHASES) * callback.timed
    assert spent == pytest.approx(sum(callback.seconds.values()), rel=1e-3)
    assert found["samples_per_second"] * spent == pytest.approx(callback.amounts["samples"], rel=1e-3)
    assert 0 < callback.amounts["images"] <= callback.amounts["samples"]
    assert callback.amounts["tokens"] > 10 * callback.amounts["samples"]
    assert all(found[f"{name}_seconds"] > 0 for name in ("forward", "backward", "rest"))
    assert found["share_of_peak"] == pytest.approx(
        found["operations_per_batch"] * callback.timed / spent / found["peak_operations_per_second"], rel=1e-3
    )
    assert "generate_images" not in vars(stage.backbone), "it is watched no longer"
    columns = (tmp_path / "log" / "csv" / "metrics.csv").read_text().splitlines()[0]
    assert "throughput/tokens_per_second" in columns
    assert "samples/s" in sentence(found)


def test_operations_are_those_of_the_products(tmp_path: Path) -> None:
    """Forward alone is two for each weight of a layer and each position that goes through it."""
    one = Throughput(count_every=2, skip=0)
    trained(tmp_path, one)
    layers = small_backbone().blocks()
    matrices = sum(p.numel() for layer in layers for p in layer.parameters() if p.ndim == 2)
    assert one.counted
    tokens = one.amounts["tokens"] / one.timed
    assert one.operations / one.counted > 2 * matrices * tokens


def test_time_in_which_the_model_is_asked_is_counted_once() -> None:
    callback = Throughput()
    backbone = small_backbone()
    vars(backbone)["generate_images"] = lambda requests: time.sleep(0.05) or requests
    vars(backbone)["drafts"] = lambda requests, n: backbone.generate_images(requests)
    callback.setup(None, SimpleNamespace(backbone=backbone), "fit")
    assert backbone.drafts([1, 2], 3) == [1, 2]
    assert callback.sampling["seconds"] >= 0.05
    assert callback.sampling["images"] == 2


def test_the_peak_is_of_the_device() -> None:
    assert matmul_peak(torch.device("cpu"), torch.float32) > 1e6
