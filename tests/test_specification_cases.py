"""Every numbered parity case of the method is a test named after it, or is listed with its reason."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
CASES = 33


def test_every_case_has_a_test_or_a_reason() -> None:
    named: set[int] = set()
    for file in TESTS.rglob("test_*.py"):
        for name in re.findall(r"def test_\w*?case_(\w+)", file.read_text()):
            named |= {int(number) for number in re.findall(r"(?:^|_and_)(\d+)", name)}
    decisions = (TESTS.parent / "docs" / "decisions.md").read_text()
    excused = {int(number) for number in re.findall(r"^\* \*\*case (\d+)\*\*", decisions, re.MULTILINE)}
    assert named | excused == set(range(1, CASES + 1))
    assert not named & excused
