"""What a kill at the end of a stage loses: the last epoch, which is then done again; never a score."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from stage_makers import concept_data, fit, make_stage, small_backbone

from unictk.callbacks.checkpoint import StageCheckpoint
from unictk.callbacks.fixed_loss import FixedLoss
from unictk.concepts.tokens import ConceptTokens

pytestmark = pytest.mark.filterwarnings("ignore")


class Killed(Callback):
    """Stops the process where the final scores are made."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        raise KeyError("killed")


def run(
    data_root: Path, folder: Path, *more: Callback, resume: bool = False
) -> tuple[dict[str, float], torch.Tensor]:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    stage = make_stage("s1", backbone, concept, concept_data(data_root))
    stage.begin()
    last = folder / "checkpoints/s1/last.ckpt"
    trainer = fit(
        stage,
        3,
        folder,
        begun=True,
        enable_checkpointing=True,
        callbacks=[*more, StageCheckpoint(), FixedLoss()],
        resume=str(last) if resume else None,
    )
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return scores, concept.rows().input.detach()


def test_killed_while_scoring_and_resumed_ends_with_the_same_scores_and_rows(tmp_path: Path) -> None:
    scores, rows = run(tmp_path / "data", tmp_path / "whole")
    with pytest.raises(KeyError, match="killed"):
        run(tmp_path / "data", tmp_path / "cut", Killed())
    again, same = run(tmp_path / "data", tmp_path / "cut", resume=True)
    assert torch.equal(rows, same)
    assert {"s1/loss", "s1/loss/base", "s1/text_loss"} <= set(again)
    for name in ("s1/loss", "s1/loss/base", "s1/train_loss_epoch"):
        assert again[name] == pytest.approx(scores[name], abs=1e-6)
    assert again["s1/loss"] < again["s1/loss/base"]
