"""When a free-form answer counts as right: plain functions on strings."""

from __future__ import annotations

import re
from typing import Literal

_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_FINAL = " .,;:!?…。，；：！？"
# "A" is also an article: it names an option only where no word follows it directly that could be its noun.
_OPTION = re.compile(r"(?<![\w'])(?:([B-H])|(A)(?!\s+(?!(?:and|or|nor|but|is|not)\b)\w))(?![\w'])")


def yes_or_no(answer: str) -> Literal["yes", "no"] | None:
    """What the answer says, or None when it says both or neither.

    Whole words only: "not", "know" and "another" are no "no" (the published rule looks for substrings).
    """
    said = {word.lower() for word in _YES_NO.findall(answer)}
    if said == {"yes"}:
        return "yes"
    return "no" if said == {"no"} else None


def conclusion(answer: str) -> Literal["yes", "no"] | None:
    """The last yes or no of an answer that reasons first, or None when it says neither."""
    said = _YES_NO.findall(answer)
    if not said:
        return None
    return "yes" if said[-1].lower() == "yes" else "no"


def normalise(answer: str, name: str = "") -> str:
    """The answer lower-cased, without the concept's name and final punctuation, whitespace collapsed.

    The name is removed as a whole word, with or without angle brackets.
    """
    text = answer.lower()
    if name:
        word = re.escape(name.lower())
        text = re.sub(rf"<{word}>|(?<!\w){word}(?!\w)", " ", text)
    return " ".join(text.split()).rstrip(_FINAL)


def exact_match(answer: str, reference: str, name: str = "") -> bool:
    """Whether both are equal once normalised; a reference that is nothing but the name keeps it."""
    expected = normalise(reference, name)
    if not expected:
        return normalise(answer) == normalise(reference)
    return normalise(answer, name) == expected


def right_choice(answer: str, reference: str) -> bool:
    """Whether the answer picks the reference option.

    A letter A-H must be the only option letter the answer names, as a word of its own. Any other
    reference must be the answer itself or occur in it as whole words.
    """
    wanted = reference.strip().rstrip(_FINAL)
    if re.fullmatch(r"\(?[A-H]\)?", wanted):
        named = {first or second for first, second in _OPTION.findall(answer)}
        return named == {wanted.strip("()")}
    phrase = re.escape(normalise(reference))
    return bool(phrase) and re.search(rf"(?<!\w){phrase}(?!\w)", normalise(answer)) is not None
