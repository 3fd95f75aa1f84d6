"""The benchmark of BAGEL refuses to time what differs."""

from __future__ import annotations

import pytest

from benchmarks.bagel import SMALL, Arms, check_equal


@pytest.fixture(scope="module")
def arms() -> Arms:
    return Arms(SMALL)


def test_both_arms_draw_the_same_or_nothing_is_timed(arms: Arms, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_equal(arms).startswith("Equal before timing: 3 pictures within")
    assert [picture.shape for picture in arms.plain(arms.edits)] == [(3, 64, 64)]
    velocity = arms.plain_velocity
    monkeypatch.setattr(arms, "plain_velocity", lambda *given: velocity(*given) + 0.01)
    with pytest.raises(RuntimeError, match="pictures differ by"):
        check_equal(arms)


def test_texts_that_differ_are_not_timed(arms: Arms, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = arms.together()
    assert len(texts) == 8
    monkeypatch.setattr(arms, "one_by_one", lambda: [*texts[:-1], "something else"])
    with pytest.raises(RuntimeError, match="texts written together differ"):
        check_equal(arms)
