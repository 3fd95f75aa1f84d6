"""Requests that run together, and prompts that are read once."""

from __future__ import annotations

from unictk.backbones.grouping import alike, shared
from unictk.samples import Request, Sampling, Text


def test_requests_of_equal_settings_run_together() -> None:
    low, high = Sampling(guidance=1.0), Sampling(guidance=2.0)
    asked = [Request(Text(str(n)), sampling=high if n in (1, 4) else low) for n in range(6)]
    assert list(alike(asked, 3)) == [[0, 2, 3], [5], [1, 4]]
    assert list(alike([], 3)) == []


def test_equal_keys_share_a_place() -> None:
    firsts, follows = shared(["b", "a", "b", "c", "a"])
    assert firsts == [0, 1, 3]
    assert follows == [0, 1, 0, 2, 1]
    assert shared([]) == ([], [])
