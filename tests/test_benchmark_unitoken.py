"""The arms of the UniToken benchmark compute the same, and something that differs is told."""

from __future__ import annotations

import pytest
from torch import Tensor

from benchmarks.unitoken import SMALL, Drawings, Training, build
from unictk.backbones.unitoken.backbone import UniToken


@pytest.fixture(scope="module")
def model() -> UniToken:
    return build(SMALL)


def test_both_ways_of_drawing_give_the_same_codes(model: UniToken, monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = Drawings(model)
    assert drawings.check_equal(2).startswith(f"Equal before timing: {3 * model.layout.cells} codes")
    plain = drawings.plain

    def damaged(pictures: int, temperature: float = 1.0) -> Tensor:
        codes = plain(pictures, temperature)
        codes[0, 0] += 1
        return codes

    monkeypatch.setattr(drawings, "plain", damaged)
    with pytest.raises(RuntimeError, match=f"2 of {3 * model.layout.cells} codes differ"):
        drawings.check_equal(2)


def test_both_ways_of_training_give_the_same_losses(model: UniToken) -> None:
    training = Training(model, SMALL)
    assert "to 1e-5" in training.check_equal()
    padded, packed = (batch.parts.sequences for batch in (training.padded, training.packed))
    assert len(packed.ids) == 1
    assert packed.ids.numel() == sum(training.lengths)
    assert padded.ids.numel() == len(training.lengths) * max(training.lengths)
    packed.positions[0, 1] += 5
    with pytest.raises(RuntimeError, match=r"_sum: .* padded, .* packed"):
        training.check_equal()
