"""One batch of four, four of one and two of two on two ranks give the same loss and the same gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from stage_makers import concept_data, make_stage, small_backbone
from torch import Tensor

from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.mixture import Flow, Mixture, Share
from unictk.modules.normaliser import mean_over_window
from unictk.samples import Counts, Loss


def test_shares_average_to_the_means() -> None:
    """By hand: text sums 6 and 2 of 4 tokens, image sums 10 and 20 of 6 positions, on two ranks."""
    window = Counts(text=4, image=6)
    losses = [
        Loss(torch.tensor(6.0), 3, torch.tensor(10.0), 2),
        Loss(torch.tensor(2.0), 1, torch.tensor(20.0), 4),
    ]
    shares = [mean_over_window(loss, window, world_size=2, accumulate=1) for loss in losses]
    assert float(sum(share.text for share in shares) / 2) == 2.0
    assert float(sum(share.image for share in shares) / 2) == 5.0


def test_a_window_without_images_has_no_image_loss() -> None:
    share = mean_over_window(Loss(torch.tensor(3.0), 3, torch.tensor(0.0), 0), Counts(text=3), 1, 1)
    assert (float(share.text), float(share.image)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("world", "accumulate", "batch"), [(1, 4, 1), (2, 2, 1), (2, 1, 2), (4, 1, 1), (1, 2, 2)]
)
def test_gradients_do_not_depend_on_how_a_step_is_cut(
    tmp_path: Path, world: int, accumulate: int, batch: int
) -> None:
    data = concept_data(tmp_path)
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    make_stage("s1", backbone, concept, data).begin()
    stage = make_stage("s2", backbone, concept, data)
    stage.begin()

    def gradient(world: int, accumulate: int, batch: int) -> list[Tensor]:
        flows = [Flow(flow.name, flow.samples, batch) for flow in stage.flows()]
        mixture = Mixture(backbone.layout, flows, 0, "s2")
        total = torch.zeros(())
        for rank in range(world):
            plan = mixture.plan(Share(rank, world, accumulate))
            for micro in range(accumulate):
                step = plan[0, accumulate + micro]  # the second step: its windows are partial
                mean = mean_over_window(backbone.loss(step), step.window, world, accumulate)
                total = total + (0.8 * mean.image + 0.2 * mean.text) / (world * accumulate)
        return [total.detach(), *torch.autograd.grad(total, stage.trainable())]

    for ours, theirs in zip(gradient(world, accumulate, batch), gradient(1, 1, 4), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
