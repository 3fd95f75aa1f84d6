"""What a model wrote, read down a ladder: the judge's score, the proposer's prompt. Never a guess.

Rungs for a score, in this order; the first that finds one decides, also where it finds a bad one:

1. ``json``: the whole answer is a JSON object with ``score``;
2. ``object``: the last balanced object with ``score`` in the answer (behind prose, in a fence, in an object);
3. ``field``: ``"score": 7`` somewhere in broken JSON or prose;
4. ``fraction``: ``7/10`` somewhere.

Then the question is asked once more (by whoever asked it), and after that there is no score. A failure never
becomes 0 or 10, and what is out of range is not clipped: such a judge did not use the scale.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

HIGHEST = 10
"""Scores are from 0 to this."""

PROPOSAL_KEYS = ("major_category", "subcategory", "prompt")
"""The keys of a proposal (UniCorn, figure 8)."""

Rung = Literal["json", "object", "field", "fraction", ""]
ScoreStatus = Literal["ok", "out_of_range", "unparsed"]
ProposalStatus = Literal["ok", "incomplete", "unparsed"]


@dataclass(frozen=True, slots=True)
class Scored:
    """A score as it was given (None unless ``status`` is ok), the reasons before it, and where it stood."""

    score: float | None
    status: ScoreStatus
    analysis: str = ""
    rung: Rung = ""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal's three fields; empty ones are missing (``incomplete``: then there is no prompt either)."""

    category: str
    subcategory: str
    prompt: str
    status: ProposalStatus


_TOKEN = r"""([-+]?\w[^\s"'{}\[\]]*(?:\s*(?:/|to\b|or\b|[-–—])\s*\d[\w.]*)?)"""
_FIELD = re.compile(rf"""(?<!\w)score["'*_`\s]*[:=]["'*_`\s]*{_TOKEN}""", re.IGNORECASE)
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?)(?:\s*/\s*10)?")
_FRACTION = re.compile(r"(?<![\w.,/+\-])(-?\d+(?:\.\d+)?)\s*/\s*10(?![\d/%]|\.\d)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?')


def read_judgement(text: str) -> Scored:
    """The score of a judge's answer, by the ladder above.

    Several different scores on one of the last two rungs are none. A number at which a cut-off object ends is
    none either: it may have been going on.
    """
    if (found := _object_with(text, "score")) is not None:
        rung, said = found
        return _scored(said["score"], rung, _analysis(said))
    below: tuple[tuple[Rung, set[str]], ...] = (("field", _fields(text)), ("fraction", _fractions(text)))
    for rung, tokens in below:
        if tokens:
            return _scored(tokens.pop() if len(tokens) == 1 else None, rung, "")
    return Scored(None, "unparsed")


def read_proposal(text: str) -> Proposed:
    """The proposal in a proposer's answer: the last JSON object that has a ``prompt``.

    A prompt that is cut off is no prompt, so there are no rungs below.
    """
    found = _object_with(text, "prompt")
    if found is None:
        return Proposed("", "", "", "unparsed")
    category, subcategory, prompt = (_words(found[1].get(key)) for key in PROPOSAL_KEYS)
    if not (category and prompt):
        return Proposed(category, subcategory, "", "incomplete")
    return Proposed(category, subcategory, prompt, "ok")


def judgement_text(analysis: str, score: float) -> str:
    """The one form in which a judgement is taught: reasons first, then the score."""
    return json.dumps({"analysis": analysis, "score": int(score) if score == int(score) else score})


def _words(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _scored(value: object, rung: Rung, analysis: str) -> Scored:
    number = _number(value)
    if number is None:
        return Scored(None, "unparsed", analysis, rung)
    if not 0 <= number <= HIGHEST:
        return Scored(None, "out_of_range", analysis, rung)
    return Scored(number, "ok", analysis, rung)


def _number(value: object) -> float | None:
    """A finite number that is one, or says one (``"7.5"``, ``"8/10"``); no other word is."""
    if isinstance(value, str):
        said = _NUMBER.fullmatch(value.strip())
        value = said[1] if said else None
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return HIGHEST + 1.0 if int(value) > 0 else -1.0
    return number if math.isfinite(number) else None


def _fields(text: str) -> set[str]:
    """What stands behind ``score:``, without the punctuation of the sentence; ranges are no numbers."""
    found = set()
    for match in _FIELD.finditer(text):
        if match.end() == len(text) and not match[0].endswith(",") and _open(text):
            return {"cut off"}
        found.add(match[1].rstrip(".,;:!)*`_"))
    return found


def _fractions(text: str) -> set[str]:
    return set(_FRACTION.findall(text))


def _open(text: str) -> bool:
    """Whether an object is not closed at the end of the text."""
    bare = _STRING.sub("", text)
    return bare.count("{") > bare.count("}")


def _analysis(found: dict[str, Any]) -> str:
    said = found.get("analysis")
    return said.strip() if isinstance(said, str) else ""


def _object_with(text: str, key: str) -> tuple[Rung, dict[str, Any]] | None:
    """The whole text as an object with ``key``, else the last object in it that has one."""
    stripped = text.strip()
    whole = _object_at(stripped, 0)
    if whole is not None and whole[1] == len(stripped) and key in whole[0]:
        return "json", whole[0]
    last: dict[str, Any] | None = None
    at = text.find("{")
    while at >= 0:
        found, end = _object_at(text, at), at + 1
        if found is not None and key in found[0]:
            last, end = found
        at = text.find("{", end)
    return None if last is None else ("object", last)


def _object_at(text: str, at: int) -> tuple[dict[str, Any], int] | None:
    """The JSON object that begins here, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with its keys in lower case; a key with two different values has none."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = key.strip().lower()
        found[name] = value if name not in found or found[name] == value else None
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
