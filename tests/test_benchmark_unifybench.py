"""The speed of an evaluation: arms that are not equal are not timed."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.timing import Comparison, Measured, show
from benchmarks.unifybench import Evaluation, check_equal, request
from unictk.benchmarks.base import Result
from unictk.records import ItemRecord

RECORD = ItemRecord("unifybench/vqa", "0", None, "q", "r", "red", 1.0, "timing")


def test_both_arms_of_the_bundled_model_are_equal(tmp_path):
    few = ["sampling.max_new_tokens=3", "benchmark.max_new_tokens=3", f"paths.cache={tmp_path}"]
    evaluation = Evaluation(request(3, few), None)
    assert len(evaluation.concept) == 33
    assert evaluation.backbone.prefixes.budget == 0
    evaluation.data = replace(evaluation.data, items=evaluation.data.items[::5])
    calls: list[int] = []
    answer = evaluation.backbone.generate_text
    evaluation.backbone.generate_text = lambda asked: (calls.append(len(asked)), answer(asked))[1]
    alone = evaluation.run(1)
    assert set(calls) == {1}
    assert len(calls) == len(evaluation.data.items)
    calls.clear()
    assert check_equal(alone, evaluation.run(16)).startswith("Equal before timing: ")
    assert len(calls) < len(evaluation.data.items) / 2


def test_what_differs_is_named():
    whole = Result({"unifybench/vqa": 1.0}, [RECORD])
    with pytest.raises(RuntimeError, match="'red' alone, 'blue' in a batch"):
        check_equal(whole, Result(whole.metrics, [replace(RECORD, answer="blue")]))
    with pytest.raises(RuntimeError, match="scores differ"):
        check_equal(whole, Result({"unifybench/vqa": 0.5}, [RECORD]))


def test_the_table_names_the_arm_that_ours_is_compared_with():
    out = io.StringIO()
    line = Comparison("evaluation", "s", Measured((4.0, 6.0)), Measured((2.0, 2.0)))
    show("t", [line], [], Console(file=out, width=120), plain="one at a time")
    assert "one at a time" in out.getvalue()
    assert "ratio" in out.getvalue()
    assert "2.5 (2..3)" in out.getvalue()
