"""A record of instruction data as it stands in a file, and the sample that it is.

A conversation is ``{"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}, ...],
"image": ...}`` as LLaVA writes it; a pair is ``{"text": ..., "image": ...}``. Pictures stand where
``<image>`` (or ``<|image|>``) does, those of a human turn to be read and those of a model's turn to be drawn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unictk.datamodules.schemas import shown
from unictk.errors import DataError
from unictk.samples import Image, ImageSource, Sample, Segment, Text

HUMAN, MODEL = ("human", "user"), ("gpt", "assistant")
"""Who speaks: the first of each is LLaVA's word."""

TEXTS = ("text", "caption", "prompt")
"""Keys of a pair's text, in the order in which they are looked for."""

PICTURES = ("image", "images")

Picture = str | bytes | None
"""A picture's file name, or the bytes of its file; None: it is there, and has not been read."""

Task = Literal["understanding", "generation"]

_PLACEHOLDER = re.compile(r"<image>|<\|image\|>")


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as its file has it. ``pictures`` None: how many there are was not looked at."""

    fields: Mapping[str, Any]
    pictures: tuple[Picture, ...] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """The place of a picture in a record: which of its pictures, and whether the model must draw it."""

    number: int
    target: bool


@dataclass(frozen=True, slots=True)
class Record:
    """Texts and places of pictures in order, and the pictures as the file has them."""

    pieces: tuple[Text | Shown, ...]
    pictures: tuple[Picture, ...]

    def sample(self, pictures: Sequence[ImageSource | None], key: str, seed: int | None) -> Sample:
        """The sample, with these pictures in their places."""
        segments: list[Segment] = []
        for piece in self.pieces:
            if isinstance(piece, Text):
                segments.append(piece)
            else:
                name = f"{key}#{piece.number}"
                segments.append(Image(pictures[piece.number], piece.target, key=name))
        return Sample(*segments, key=key, seed=seed)


def named_pictures(fields: Mapping[str, Any]) -> tuple[Picture, ...]:
    """The pictures that a record names: one, a list of them, or none.

    Raises:
        DataError: something that is neither a name, nor bytes, nor ``{"bytes": ..., "path": ...}``.
    """
    key = next((key for key in PICTURES if fields.get(key) not in (None, "", [])), None)
    if key is None:
        return ()
    value = fields[key]
    return tuple(_picture(one, key) for one in (value if isinstance(value, list) else [value]))


def _picture(value: Any, key: str) -> Picture:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) or (isinstance(value, str) and value):
        return value
    raise DataError(f"expected the name of a picture at {key}; found {_shown(value)}")


def read_record(raw: Raw, task: Task, question: str) -> Record:
    """The record, checked.

    Args:
        raw: as the file has it.
        task: whether a pair's picture is described or drawn.
        question: what is asked where a pair's picture is described.

    Raises:
        DataError: what was expected and what was found, without the record's place.
    """
    fields = raw.fields
    if fields.get("conversations") is not None:
        return _conversation(fields["conversations"], raw.pictures)
    key = next((key for key in TEXTS if fields.get(key) is not None), None)
    if key is None:
        raise DataError(f"expected the key conversations or {' or '.join(TEXTS)}; found {_shown(fields)}")
    text = fields[key]
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"expected text at {key}; found {_shown(text)}")
    if raw.pictures is not None and len(raw.pictures) != 1:
        raise DataError(f"expected one picture with its text; found {len(raw.pictures) or 'none'}")
    if task == "generation":
        return Record((Text(text.strip()), Shown(0, True)), raw.pictures or (None,))
    described = (Shown(0, False), Text(question), Text(text.strip(), target=True))
    return Record(described, raw.pictures or (None,))


def _conversation(turns: Any, pictures: tuple[Picture, ...] | None) -> Record:
    if isinstance(turns, str):  # tables of text columns keep it as JSON
        try:
            turns = json.loads(turns)
        except ValueError as error:
            raise DataError(f"expected JSON at conversations; found {shown(turns)}") from error
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, Mapping) for turn in turns):
        raise DataError(f"expected a list of turns at conversations; found {_shown(turns)}")
    pieces: list[Text | Shown] = []
    place = 0
    for number, turn in enumerate(turns):
        speakers = MODEL if number % 2 else HUMAN
        who, said = turn.get("from"), turn.get("value")
        if who not in speakers:
            raise DataError(f"expected a turn of {speakers[0]} at turn {number}; found {_shown(who)}")
        if not isinstance(said, str) or not said.strip():
            raise DataError(f"expected text at turn {number}; found {_shown(said)}")
        found, place = _pieces(said, bool(number % 2), place)
        pieces += found
    if len(turns) % 2:
        raise DataError(f"expected an answer to turn {len(turns) - 1}; found the end")
    if pictures is not None and not place:  # nothing says where: before the first question, as published
        pieces = [*(Shown(n, False) for n in range(len(pictures))), *pieces]
    elif pictures is not None and place != len(pictures):
        raise DataError(f"expected as many pictures as <image> in the text, {place}; found {len(pictures)}")
    return Record(tuple(pieces), (None,) * place if pictures is None else pictures)


def _pieces(said: str, target: bool, first: int) -> tuple[list[Text | Shown], int]:
    """A turn's texts and pictures, the first of which has this number; the number of the next picture."""
    found: list[Text | Shown] = []
    texts = _PLACEHOLDER.split(said)
    for number, text in enumerate(texts):
        if text.strip():
            found.append(Text(text.strip(), target))
        if number + 1 < len(texts):
            found.append(Shown(first + number, target))
    return found, first + len(texts) - 1


def _shown(value: Any) -> str:
    """A value in a few words, bytes included."""
    if isinstance(value, Mapping):
        return shown({str(key): None for key in value})
    return f"{len(value)} bytes" if isinstance(value, bytes) else shown(value)
