"""The benchmark of drawing by Janus refuses to time what differs."""

from __future__ import annotations

import pytest
import torch

from benchmarks.janus import SMALL, Arms, build, check_equal


def test_both_arms_draw_the_same_or_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    arms = Arms(build(SMALL))
    assert check_equal(arms, 2) == "Equal before timing: 48 codes, greedy and sampled."
    assert arms.theirs_whole(2).shape == (2, 64, 64, 3)
    assert [picture.shape for picture in arms.ours(2)] == [(3, 64, 64)] * 2
    vectors = arms.model.network.code_vectors
    monkeypatch.setattr(arms.model.network, "code_vectors", lambda codes: torch.zeros_like(vectors(codes)))
    with pytest.raises(RuntimeError, match=r"\d+ of 48 codes differ"):
        check_equal(arms, 2)
