"""Interleaving, spreads and extra memory."""

from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console

from benchmarks.timing import Call, Comparison, Measured, as_json, extra_memory, interleave, show

LINE = Comparison("work", "s", Measured((2.0, 3.0, 4.0)), Measured((1.0, 1.0, 2.0)))


def pieces(mib: int) -> list[bytes]:
    """Memory in kilobytes: such pieces stay with the process when freed, unless they are given back."""
    return [bytes([number % 256]) * 1024 for number in range(mib * 1024)]


def claim(loaded_mib: int, freed_mib: int, work_mib: int) -> Call:
    """Load some memory, free some more before its end, and return work that needs ``work_mib``."""
    freed, kept = pieces(freed_mib), pieces(loaded_mib)
    del freed
    return lambda: (len(pieces(work_mib)), len(kept))


def broken() -> Call:
    raise ValueError("nothing to load")


def test_arms_take_turns() -> None:
    calls: list[str] = []
    arms: list[Call] = [lambda: calls.append("a"), lambda: calls.append("b")]
    found = interleave(arms, rounds=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert [len(arm.values) for arm in found] == [3, 3]
    calls.clear()
    interleave(arms, rounds=1, warm_up=False)
    assert calls == ["a", "b"]


def test_seconds_are_seconds() -> None:
    slow, fast = interleave([lambda: time.sleep(0.05), lambda: time.sleep(0.01)], rounds=3)
    assert 0.05 <= slow.median < 0.09
    assert 0.01 <= fast.median < 0.05


def test_ratios() -> None:
    assert LINE.ratio == 3.0
    assert LINE.ratios == (2.0, 3.0)
    once = Comparison("work", "s", Measured((3.0,)), Measured((1.0, 1.5)))
    assert once.ratio == pytest.approx(2.4)
    assert once.ratios == (2.0, 3.0)


def test_extra_memory_is_the_peak_of_the_work_alone() -> None:
    settings = {"loaded_mib": 64, "freed_mib": 200, "work_mib": 100}
    found = extra_memory("tests.test_benchmark_timing:claim", settings, threads=1, repeats=1)
    assert found.median == pytest.approx(105, abs=8)


def test_extra_memory_reports_what_failed() -> None:
    with pytest.raises(RuntimeError, match="broken: ValueError: nothing to load"):
        extra_memory("tests.test_benchmark_timing:broken", {}, threads=1, repeats=1)


def test_table_and_json_say_the_same() -> None:
    written = io.StringIO()
    show("title", [LINE], ["a note"], Console(file=written, width=120))
    assert "3 (2..4)" in written.getvalue()
    assert "3 (2..3)" in written.getvalue()
    assert "a note" in written.getvalue()
    found = json.loads(as_json([LINE], ["a note"], {"threads": 2}))
    assert found["comparisons"][0]["ratio"] == 3.0
    assert found["comparisons"][0]["plain"]["values"] == [2.0, 3.0, 4.0]
    assert (found["setting"], found["notes"]) == ({"threads": 2}, ["a note"])
