"""Every numbered case of a method is a test named after it, or is listed with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

TESTS = Path(__file__).parent
CASES = 33
"""Of UniCTokens."""

SELFPLAY_CASES = {23, 24, 26, 27}
"""Of UniCorn: those that need no trained model and no BAGEL; its tests have a folder of their own."""

UNICYCLE_CASES = {25}
"""Of UniCorn: those of its benchmark, in a folder of their own, too."""

BAGEL_CASES = set(range(1, 17))
"""Of UniCorn: those that compare BAGEL with its reference."""

JANUS_CASES = set(range(17, 23))
"""Of UniCorn: those that compare Janus with transformers and with the published loop."""

UNITOKEN_CASES = set(range(1, 24))
"""Of UniToken."""

OTHERS = ("selfplay", "benchmarks_unicycle", "bagel", "janus", "unitoken")
"""Folders whose cases are not UniCTokens'."""


def named_in(files: Iterable[Path]) -> set[int]:
    named: set[int] = set()
    for file in files:
        for name in re.findall(r"def test_\w*?case_(\w+)", file.read_text()):
            named |= {int(number) for number in re.findall(r"(?:^|_and_)(\d+)", name)}
    return named


def test_every_case_of_selfplay_has_a_test() -> None:
    assert named_in((TESTS / "selfplay").glob("test_*.py")) == SELFPLAY_CASES


def test_every_case_of_unicycle_has_a_test() -> None:
    assert named_in((TESTS / "benchmarks_unicycle").glob("test_*.py")) == UNICYCLE_CASES


def test_every_case_of_bagel_has_a_test() -> None:
    assert named_in((TESTS / "backbones" / "bagel").glob("test_*.py")) == BAGEL_CASES


def test_every_case_of_janus_has_a_test() -> None:
    assert named_in((TESTS / "backbones" / "janus").glob("test_*.py")) == JANUS_CASES


def test_every_case_of_unitoken_has_a_test() -> None:
    assert named_in((TESTS / "backbones" / "unitoken").glob("test_*.py")) == UNITOKEN_CASES


def test_every_case_has_a_test_or_a_reason() -> None:
    named = named_in(file for file in TESTS.rglob("test_*.py") if file.parent.name not in OTHERS)
    decisions = (TESTS.parent / "docs" / "decisions.md").read_text()
    excused = {int(number) for number in re.findall(r"^\* \*\*case (\d+)\*\*", decisions, re.MULTILINE)}
    assert named | excused == set(range(1, CASES + 1))
    assert not named & excused
