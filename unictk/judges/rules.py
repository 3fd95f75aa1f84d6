"""Grades by rule: no model, no network, the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unictk.judges.answers import AnswerRequest, Grade
from unictk.metrics.answers import exact_match, normalise, yes_or_no

_EMPTY = "a an the is are was were be it its this that there of in on at to and or with has have do does"
EMPTY = frozenset(_EMPTY.split())
"""Words that carry no content."""


class RulesJudge:
    """Right: equal once normalised, the same yes or no, or every content word of the reference is said.

    Partly right: at least half of the content words are. An answer that says yes where no is right, or the
    other way round, is wrong whatever else it says.
    """

    name = "rules"

    def grade(self, requests: Sequence[AnswerRequest]) -> list[Grade]:
        """A grade per request."""
        return [_grade(request) for request in requests]


def _grade(request: AnswerRequest) -> Grade:
    if exact_match(request.answer, request.reference, request.name):
        return Grade(1.0, "equal")
    wanted, said = yes_or_no(request.reference), yes_or_no(request.answer)
    if wanted and said != wanted:
        return Grade(0.0, f"says {said or 'neither or both'}, not {wanted}")
    content = _content(request.reference, request.name)
    if not content:
        return Grade(1.0 if wanted else 0.0, f"says {said}" if wanted else "nothing to find")
    found = content & _content(request.answer, request.name)
    words = f"{len(found)} of {len(content)} words: {', '.join(sorted(found))}"
    share = len(found) / len(content)
    return Grade(1.0 if share == 1 else 0.5 if share >= 0.5 else 0.0, words)


def _content(text: str, name: str) -> set[str]:
    words = re.findall(r"\w+", normalise(text, name))
    return {word for word in words if word not in EMPTY and word not in ("yes", "no")}
