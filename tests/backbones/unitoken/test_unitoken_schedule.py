"""The learning rate of UniToken's stages."""

from __future__ import annotations

import pytest

from unictk.modules.unitoken import learning_rate


def test_case_17_the_rate_rises_in_a_hundredth_of_an_epoch_and_falls_like_a_cosine() -> None:
    wanted = {0.005: 0.5, 0.01: 1.0, 0.25: 0.861867, 0.5: 0.507933, 0.75: 0.1492626, 1.0: 0.0}
    for done, value in wanted.items():
        assert learning_rate(done, 0.01, 1) == pytest.approx(value, abs=1e-6)
    assert learning_rate(1.0, 0.01, 2) == pytest.approx(0.503947, abs=1e-6), "half-way of two epochs"
