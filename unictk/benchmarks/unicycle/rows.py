"""One row of a question file: read into a cycle, or refused with what is wrong in it.

Two forms are known. Our own names each question's kind::

    {"prompt_id": "7", "category": "text", "prompt": "A sign that says OPEN", "questions": [
        {"qid": "1", "format": "keywords", "question": "What does the sign say?", "keywords": ["OPEN"]}]}

TIIF's has lists of yes-or-no questions and answers, and prompts in two lengths::

    {"type": "negation", "short_description": "...", "long_description": "...",
     "yn_question_list": ["Is there a cat?"], "yn_answer_list": ["no"]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from unictk.benchmarks.unicycle.questions import LETTERS, Cycle, Kind, Question
from unictk.errors import nearest
from unictk.metrics.answers import normalise, yes_or_no

Length = Literal["short", "long"]

FORMATS: dict[str, Kind] = {
    "yes_no": "yes_no",
    "yesno": "yes_no",
    "multiple_choice": "multiple_choice",
    "mcq": "multiple_choice",
    "open": "open",
    "keywords": "keywords",
    "text": "keywords",
}
"""What a question's ``format`` (or ``qtype``) may say."""

TIIF_QUESTIONS, TIIF_ANSWERS = "yn_question_list", "yn_answer_list"


class RowError(ValueError):
    """What is wrong in a row, without its file and number."""


def read_row(row: Mapping[str, Any], number: str, length: Length = "short") -> Cycle:
    """The prompt of a row with its questions; ``number`` is its id where it gives none.

    Raises:
        RowError: something is missing, or cannot be asked.
    """
    questions = _tiif(row) if TIIF_QUESTIONS in row else _questions(row)
    category = _text(row, ("category", "type"), "")
    group = re.sub(r"\W+", "_", category.lower()).strip("_")
    return Cycle(
        prompt_id=_text(row, ("prompt_id", "id"), number),
        prompt=read_prompt(row, length),
        category=category,
        questions=tuple(questions),
        groups=(group,) if group else (),
    )


def read_prompt(row: Mapping[str, Any], length: Length) -> str:
    """The prompt of a row.

    Raises:
        RowError: it has none.
    """
    found = _text(row, ("prompt", f"{length}_description"), "")
    if not found:
        raise RowError(f"has no prompt; expected prompt or {length}_description")
    return found


def read_question(row: object, qid: str) -> Question:
    """One question; ``qid`` is its id where it gives none.

    Required words of the kind ``keywords`` are those of ``keywords``, or else the words of the answer.

    Raises:
        RowError: something is missing, or it has no right answer.
    """
    if not isinstance(row, Mapping):
        raise RowError(f"is {shown(row)}; expected an object")
    text = _text(row, ("question",), "")
    if not text:
        raise RowError("has no question")
    reference, options = _text(row, ("reference", "answer"), ""), _texts(row, "options")
    kind, keywords = _kind(row), _texts(row, "keywords")
    if kind == "keywords":
        keywords = keywords or tuple(reference.split())
        if not keywords or not all(map(normalise, keywords)):
            raise RowError("has no keywords; expected words that the answer must have")
    elif not reference:
        raise RowError("has no reference (or answer); expected the right answer")
    if kind == "yes_no" and yes_or_no(reference) is None:
        raise RowError(f"has the reference {shown(reference)}; expected yes or no")
    if kind == "multiple_choice":
        reference = _option(reference, options)
    return Question(
        qid=_text(row, ("qid", "id"), qid),
        kind=kind,
        text=text,
        reference=reference,
        options=options if kind == "multiple_choice" else (),
        keywords=keywords if kind == "keywords" else (),
    )


def shown(value: object) -> str:
    """A value in a line that stays readable however long it is."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _questions(row: Mapping[str, Any]) -> list[Question]:
    given = row.get("questions")
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise RowError(f"has no questions; expected a list questions, or {TIIF_QUESTIONS}")
    found = []
    for number, one in enumerate(given, 1):
        try:
            found.append(read_question(one, str(number)))
        except RowError as error:
            raise RowError(f"question {number} {error}") from None
    ids = [one.qid for one in found]
    if twice := next((qid for qid in ids if ids.count(qid) > 1), None):
        raise RowError(f"has two questions {twice!r}; expected every qid once")
    return found


def _tiif(row: Mapping[str, Any]) -> list[Question]:
    asked, answers = _texts(row, TIIF_QUESTIONS), _texts(row, TIIF_ANSWERS)
    if not asked or len(asked) != len(answers):
        raise RowError(f"has {len(asked)} questions and {len(answers)} answers; expected as many of each")
    rows = [
        {"question": text, "answer": answer, "format": "yes_no"}
        for text, answer in zip(asked, answers, strict=True)
    ]
    return _questions({"questions": rows})


def _kind(row: Mapping[str, Any]) -> Kind:
    """What it says; where it says nothing, what its fields tell."""
    if row.get("is_text") is True:
        return "keywords"
    said = _text(row, ("format", "qtype"), "")
    if said in FORMATS:
        return FORMATS[said]
    if said:
        best = nearest(said, FORMATS)
        hint = f"; nearest: {best}" if best else ""
        raise RowError(f"has the format {said!r}{hint}. All: {', '.join(FORMATS)}")
    if row.get("options"):
        return "multiple_choice"
    if row.get("keywords"):
        return "keywords"
    answer = _text(row, ("reference", "answer"), "")
    return "yes_no" if normalise(answer) in ("yes", "no") else "open"


def _option(reference: str, options: Sequence[str]) -> str:
    """The option that the reference means: by its letter (``B``, ``(B)``, ``B. left``) or in its words."""
    if not 2 <= len(options) <= len(LETTERS):
        raise RowError(f"has {len(options)} options; expected two to {len(LETTERS)}")
    plain = [normalise(option) for option in options]
    if len(set(plain)) < len(plain) or not all(plain):
        raise RowError(f"has options {', '.join(options)}; expected different ones")
    if normalise(reference) in plain:
        return options[plain.index(normalise(reference))]
    for letter, option in zip(LETTERS, options, strict=False):
        if normalise(reference.strip("()")) in (normalise(letter), normalise(f"{letter}. {option}")):
            return option
    letters = f"{LETTERS[0]} to {LETTERS[len(options) - 1]}"
    raise RowError(
        f"has the reference {shown(reference)}; expected a letter {letters}, or one of the options"
    )


def _text(row: Mapping[str, Any], names: Sequence[str], otherwise: str) -> str:
    """The first of these fields that the row has, as text without space around it."""
    for name in names:
        value = row.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise RowError(f"has {name}: {shown(value)}; expected text")
        if str(value).strip():
            return str(value).strip()
    return otherwise


def _texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts, without space around them; of options also an object by letter, in its order."""
    value = row.get(name)
    if isinstance(value, Mapping):
        value = list(value.values())
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise RowError(f"has {name}: {shown(value)}; expected a list of texts")
    return tuple(one.strip() for one in value)
