"""The JSON files of the UniCTokens layout: every accepted form, read into plain records.

What is wrong is added to a list of problems, so that one pass over a data set finds everything.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unictk.datamodules.problems import Problem
from unictk.errors import nearest

PLACEHOLDER = "<sks>"
"""Stands for the concept's name in templates."""
TEXT_ONLY = "text_only"
"""Stands for an image name where a question has no picture."""
GENERATION_TYPES = ("object", "live_subject")
"""Which of the two published prompt lists a concept is drawn with; a file that does not say so means an
object, or a live subject where the concept is a person."""
HUMAN = "human"
"""The ``conversation_type`` of a person."""

_HALVES = re.compile("[\ud800-\udfff]")  # halves of a character: no file and no terminal takes them


@dataclass(slots=True)
class JsonFile:
    """A JSON file being read: where what is wrong with it goes, and the concept that it is about."""

    path: Path
    name: str
    problems: list[Problem]

    def wrong(self, expected: str, found: str) -> None:
        """Note a problem of this file."""
        self.problems.append(Problem(self.path, expected, found))

    def content(self) -> Any:
        """The parsed file; None, with a problem noted, when it cannot be parsed or says ``null``."""
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
            value = json.loads(text, object_pairs_hook=self._object)
        except json.JSONDecodeError as error:
            self.wrong("JSON", f"{error.msg} at line {error.lineno}, column {error.colno}")
        except UnicodeDecodeError as error:
            self.wrong("JSON in UTF-8", f"byte {error.object[error.start]:#x} at offset {error.start}")
        except ValueError as error:  # a number of thousands of digits
            self.wrong("JSON", str(error))
        except RecursionError:
            self.wrong("JSON", "brackets nested too deeply")
        except OSError as error:
            self.wrong("a readable file", error.strerror or type(error).__name__)
        else:
            if value is None:
                self.wrong("a JSON list or object", "null")
            return value
        return None

    def text(self, value: Any, where: str) -> str | None:
        """A string that is not blank, with the placeholder replaced by ``<name>``."""
        if isinstance(value, str) and value.strip() and not _HALVES.search(value):
            return value.replace(PLACEHOLDER, f"<{self.name}>").strip()
        self.wrong(f"text at {where}", shown(value))
        return None

    def texts(self, value: Any, where: str) -> tuple[str, ...]:
        """A list of strings; those that are none are noted."""
        if not isinstance(value, list):
            self.wrong(f"a list of texts at {where}", shown(value))
            return ()
        found = [self.text(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(item for item in found if item is not None)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                self.wrong(f"the key {key!r} once", f"it {count} times")
        return dict(pairs)


def shown(value: Any) -> str:
    """A JSON value in a few words."""
    if isinstance(value, dict):
        return (
            "an object with the keys " + ", ".join(map(repr, list(value)[:6])) if value else "an empty object"
        )
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=bool(isinstance(value, str) and _HALVES.search(value)))
    return text if len(text) <= 60 else text[:57] + "..."


TYPES = ("rec", "vqa", "text_only")
"""Types of evaluation questions, beside any with ``choice`` in its name."""

# -- questions and answers -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer; ``image`` as the file names it, None where it names none.

    ``type`` is what evaluation files call the question, empty elsewhere.
    """

    image: str | None
    question: str
    answer: str
    type: str = ""


def read_exchanges(file: JsonFile, typed: bool = False) -> list[Exchange]:
    """Questions and answers in any published form; rounds of a conversation are exchanges of their own.

    The forms: ``{image: [{query, answer}]}``; ``[{image, conversations: [...]}]`` with ``{from, value}``
    turns of human and gpt or with ``{query, answer}``; ``[{query, answer}]``. An entry without an image,
    or under the key ``text_only``, is asked without one. ``typed``: every entry must have an evaluation type.
    """
    content = file.content()
    if content is None:
        return []
    found = []
    for image, kind, turns, where in _entries(file, content):
        if typed and kind not in TYPES and "choice" not in kind:
            best = nearest(kind, (*TYPES, "choice"))
            hint = f"; nearest: {best}" if best else ""
            file.wrong(f"type {', '.join(TYPES)} or choice at {where}", shown(kind) + hint)
            continue
        for question, answer in _rounds(file, turns, where):
            found.append(Exchange(image, question, answer, kind))
    return found


def _entries(file: JsonFile, content: Any) -> Iterator[tuple[str | None, str, Any, str]]:
    """(image, type, turns, where) of each entry."""
    if isinstance(content, dict):
        for key, turns in content.items():
            yield (None if key == TEXT_ONLY else key), "", turns, repr(key)
        return
    if not isinstance(content, list):
        file.wrong("a list, or an object of image names", shown(content))
        return
    for number, entry in enumerate(content):
        where = f"entry {number}"
        if not isinstance(entry, dict) or not ("conversations" in entry or "query" in entry):
            file.wrong(f"{{image, conversations}} or {{query, answer}} at {where}", shown(entry))
            continue
        image, kind = entry.get("image"), entry.get("type", "")
        if not isinstance(image, str | None) or not isinstance(kind, str):
            file.wrong(f"text for image and type at {where}", shown(entry))
            continue
        yield (None if image in (TEXT_ONLY, "") else image), kind, entry.get("conversations", [entry]), where


def _rounds(file: JsonFile, turns: Any, where: str) -> Iterator[tuple[str, str]]:
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        file.wrong(f"a list of {{query, answer}} or of {{from, value}} at {where}", shown(turns))
        return
    if any("from" in turn for turn in turns):
        speakers = [turn.get("from") for turn in turns]
        if speakers != ["human", "gpt"] * (len(turns) // 2):
            file.wrong(f"turns of human and gpt by turns at {where}", ", ".join(map(str, speakers)))
            return
        pairs = [
            (ask.get("value"), reply.get("value")) for ask, reply in zip(turns[::2], turns[1::2], strict=True)
        ]
        names = ("value (human)", "value (gpt)")
    else:
        pairs = [(turn.get("query"), turn.get("answer")) for turn in turns]
        names = ("query", "answer")
    for number, (asked, said) in enumerate(pairs):
        if isinstance(asked, str):
            asked = asked.replace("<image>", "")
        question = file.text(asked, f"{where}, {names[0]} {number}")
        answer = file.text(said, f"{where}, {names[1]} {number}")
        if question is not None and answer is not None:
            yield question, answer


# -- info.json, template.json ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Info:
    """``info.json``: the class word, a sentence of description, two type words, and facts no photo shows.

    ``held_out`` are the last ``num_testing_info`` facts, which are for testing only.
    """

    class_noun: str
    description: str
    conversation_type: str
    generation_type: str
    facts: tuple[str, ...]
    held_out: tuple[str, ...]


def read_info(file: JsonFile) -> Info | None:
    """The file's record; None, with problems noted, when it has none."""
    content = file.content()
    if content is None:
        return None
    if not isinstance(content, dict):
        file.wrong("an object with the keys class and info", shown(content))
        return None
    for key in ("class", "info"):
        if key not in content:
            file.wrong(f"the key {key!r}", shown(content))
    noun = file.text(content["class"], "class") if "class" in content else None
    description = file.text(content["info"], "info") if "info" in content else None
    conversation = file.text(content.get("conversation_type", "object"), "conversation_type")
    usual = GENERATION_TYPES[1 if conversation == HUMAN else 0]
    generation = _generation_type(file, content.get("generation_type", usual))
    facts = file.texts(content.get("extra_info", []), "extra_info")
    testing = content.get("num_testing_info", 0)
    if isinstance(testing, bool) or not isinstance(testing, int) or not 0 <= testing <= len(facts):
        file.wrong(f"a number from 0 to {len(facts)} at num_testing_info", shown(testing))
        return None
    if noun is None or description is None or conversation is None or generation is None:
        return None
    known = len(facts) - testing
    return Info(noun, description, conversation, generation, facts[:known], facts[known:])


def _generation_type(file: JsonFile, value: Any) -> str | None:
    if value in GENERATION_TYPES:
        return str(value)
    best = nearest(str(value), GENERATION_TYPES)
    hint = f"; nearest: {best}" if best else ""
    file.wrong(f"{' or '.join(GENERATION_TYPES)} at generation_type", shown(value) + hint)
    return None


Pairs = tuple[tuple[str, str], ...]
"""Questions with their answers."""


def read_template(file: JsonFile) -> dict[str, Pairs]:
    """``template.json``: questions with answers under ``positive`` and ``negative``.

    Question i gets answer i; a shorter list of answers is used again from its beginning.
    """
    content = file.content()
    if content is None:
        return {}
    if not isinstance(content, list):
        file.wrong("a list of {type, conversations}", shown(content))
        return {}
    found: dict[str, Pairs] = {}
    for number, entry in enumerate(content):
        where = f"entry {number}"
        talk = entry.get("conversations") if isinstance(entry, dict) else None
        if not isinstance(talk, dict) or entry.get("type") not in ("positive", "negative"):
            file.wrong(
                f"{{type: positive or negative, conversations: {{questions, answers}}}} at {where}",
                shown(entry),
            )
            continue
        questions = file.texts(talk.get("questions"), f"{where}, questions")
        answers = file.texts(talk.get("answers"), f"{where}, answers")
        if questions and answers:
            pairs = tuple((question, answers[i % len(answers)]) for i, question in enumerate(questions))
            found[entry["type"]] = found.get(entry["type"], ()) + pairs
    return found
