"""The arms of the self-play benchmark draw and judge the same, and a difference is noticed."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.selfplay import Round, check_equal, work
from unictk.selfplay.stores import Stores

QUICK = ["selfplay.rollouts=2", "sampling.steps=1", "trainer=cpu"]


def test_both_arms_draw_and_judge_the_same() -> None:
    timed = Round(2, QUICK)
    assert timed.pictures == 4
    rows = timed.kept()
    assert check_equal(timed, rows).startswith("Equal before timing: the codes of 4 pictures, 4 scores")
    other = replace(rows[1], codes=rows[0].codes)
    assert rows[0].codes != rows[1].codes
    with pytest.raises(RuntimeError, match="another picture"):
        check_equal(timed, [rows[0], other, *rows[2:]])


def test_what_memory_is_measured_of_leaves_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", lambda: str(tmp_path))
    work(1, QUICK)()
    stores = Stores(tmp_path)
    assert len(list(stores.rollouts)) == len(list(stores.judgements)) == 2
