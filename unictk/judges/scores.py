"""The score in what a model said: a JSON object, a JSON-like field, or a number alone. Never a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_NUMBER = r"(-?\d+(?:\.\d+)?)(?:\s*/\s*(\d+))?"
_FIELD = re.compile(rf"""["']?score["']?\s*[:=]\s*["']?{_NUMBER}""", re.IGNORECASE)
_OUT_OF = re.compile(r"(?<![\d./-])(\d+(?:\.\d+)?)\s*/\s*(\d+)(?![\d/]|\.\d)")
_ALONE = re.compile(rf"\s*{_NUMBER}\s*\.?\s*")
_DECODER = json.JSONDecoder()

MISSING = object()
"""In place of a field that no object has; null is a value."""


def read_score(reply: str, highest: float) -> float | None:
    """The score from 0 to ``highest`` in a reply; None if there is none, or several, or one out of range.

    In this order: the ``score`` of the last JSON object that has one, a number that is the whole reply, a
    ``score: 7`` or ``score: 7/10`` in prose, a ``7/10`` in prose. What is out of range, or out of another
    number of points, is not scaled: the judge did not use the scale.
    """
    if (found := read_field(reply, "score")) is not MISSING:
        return _checked(found, highest)
    alone = _ALONE.fullmatch(reply)
    named = {alone.groups()} if alone else set(_FIELD.findall(reply)) or set(_OUT_OF.findall(reply))
    if len(named) != 1:
        return None
    score, points = named.pop()
    return _checked(score, highest) if not points or float(points) == highest else None


def read_field(reply: str, name: str) -> Any:
    """The value of ``name`` in the last JSON object of a reply that has one; :data:`MISSING` if none has."""
    found = [value[name] for value in _objects(reply) if name in value]
    return found[-1] if found else MISSING


def read_analysis(reply: str) -> str:
    """The ``analysis`` of the last JSON object that has one, else the whole reply."""
    found = [value["analysis"] for value in _objects(reply) if isinstance(value.get("analysis"), str)]
    return found[-1] if found else reply.strip()


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in the text."""
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)


def _checked(value: object, highest: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    return score if 0 <= score <= highest else None
