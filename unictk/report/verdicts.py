"""Answers about drawn pictures: the JSON in a record, read back into what a person wants to know."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STATUS = {
    "miscounted": "another number of things than asked",
    "unreadable": "nothing can be made out",
    "unparsable": "the judge could not read the prompt",
}
"""A verdict's status in words; "ok" needs none."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is known of one drawn picture.

    ``prompt`` is what was really drawn from, None where the record does not say. ``points`` are the single
    things asked for and whether they are right, empty where nobody judged or the judge names none.
    """

    prompt: str | None
    judged: bool
    points: tuple[tuple[str, bool], ...] = ()
    score: float | None = None
    status: str = "ok"
    analysis: str = ""
    similar: tuple[tuple[str, float], ...] = ()

    @property
    def right(self) -> tuple[str, ...]:
        """Names of the points that are right."""
        return tuple(name for name, good in self.points if good)

    @property
    def wrong(self) -> tuple[str, ...]:
        """Names of the points that are wrong."""
        return tuple(name for name, good in self.points if not good)

    @property
    def trouble(self) -> str:
        """What is wrong with the picture as a whole, in words; empty when nothing is."""
        return "" if self.status == "ok" else STATUS.get(self.status, self.status)


def read_drawings(answer: str) -> tuple[Drawing, ...]:
    """The drawings that an answer tells of: mostly one, two for a picture drawn again; none for plain text.

    Any text is taken: what is no such JSON is a plain answer.
    """
    if not answer.startswith(("{", "[")):
        return ()
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError):
        return ()
    found = [_drawing(one) for one in (content if isinstance(content, list) else [content])]
    return tuple(one for one in found if one is not None)


def _drawing(content: object) -> Drawing | None:
    if not isinstance(content, dict):
        return None
    if "prompt" in content and "verdict" in content:
        verdict = content["verdict"]
        prompt = content["prompt"] if isinstance(content["prompt"], str) else None
        similar = _numbers(content.get("similar"))
        if verdict is None:
            return Drawing(prompt, judged=False, similar=similar)
        return _verdict(verdict, prompt, similar)
    return _verdict(content, None, ())


def _verdict(content: object, prompt: str | None, similar: tuple[tuple[str, float], ...]) -> Drawing | None:
    """A judge's verdict: ``score``, ``right`` point by point, ``analysis``, ``status``."""
    if not isinstance(content, dict) or not {"score", "right", "status"} <= set(content):
        return None
    right, score = content["right"], content["score"]
    if not isinstance(right, dict) or not (score is None or _is_number(score)):
        return None
    names = _shortened([str(name) for name in right])
    return Drawing(
        prompt,
        judged=score is not None,
        points=tuple(zip(names, map(bool, right.values()), strict=True)),
        score=score,
        status=str(content["status"]),
        analysis=str(content.get("analysis") or ""),
        similar=similar,
    )


def _shortened(names: list[str]) -> list[str]:
    """Points as people say them; which character is meant is told only where there are several."""
    several = len({found.group(1) for name in names if (found := re.search(r"\b(\d+)\.", name))}) > 1
    return [re.sub(r"\b(\d+)\.", _whose if several else "", name).replace("_", " ") for name in names]


def _whose(found: re.Match[str]) -> str:
    return f"character {int(found.group(1)) + 1}: "


def _numbers(content: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(content, Mapping):
        return ()
    return tuple((str(name), float(value)) for name, value in content.items() if _is_number(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
