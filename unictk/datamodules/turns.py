"""What a concept is taught with in words: recognition, conversations and facts (UniCTokens, section 3.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unictk.datamodules.concept_files import Asked, ConceptFiles
from unictk.datamodules.evaluation_items import NEGATIVES, Item, recognition_question
from unictk.datamodules.schemas import Pairs

Kind = Literal["positive", "random", "hard", "vqa", "text_only"]


@dataclass(frozen=True, slots=True)
class Turn:
    """A training question and its answer; ``image`` None: asked without a picture.

    ``kind``: the concept is there (positive), something else is (random), something like it is (hard), a
    question about the photo (vqa) or about a fact (text_only). ``key`` is unique in its concept.
    """

    kind: Kind
    image: Path | None
    question: str
    answer: str
    key: str


def training_turns(files: ConceptFiles, items: Sequence[Item]) -> tuple[Turn, ...]:
    """All turns, without the negatives that ``items`` ask about.

    The layout's own files come first: as soon as the concept has recognitions or conversations, the
    generated ``showo_training_data_stage_1`` and ``_3`` are not read. Recognitions that are absent are
    made from the template, or from the question "Is <name> in this photo?".

    A negative of which evaluation has the only picture (or one with the same bytes) is used in both.
    """
    rows = _own(files) if _has_own(files) else _generated(files) or _own(files)
    held = {item.image for item in items if item.metric in NEGATIVES and item.image is not None}
    return tuple(_numbered(files, _unseen(rows, held)))


Row = tuple[Kind, Asked]


def _has_own(files: ConceptFiles) -> bool:
    return any(source in files.questions for source in ("positive", "random", "conversations"))


def _own(files: ConceptFiles) -> list[Row]:
    positive = _pairs(files, "positive", "Yes.")
    negative = _pairs(files, "negative", "No.")
    about = files.questions
    rows: list[Row] = []
    rows += [("positive", a) for a in about.get("positive") or _cycled(files.photos, positive)]
    rows += [("random", a) for a in about.get("random") or _cycled(files.random_images, negative)]
    rows += [("hard", a) for a in _cycled(files.hard_negatives, negative)]
    rows += [(_spoken_of(files, a), a) for a in about.get("conversations", ())]
    return rows


def _pairs(files: ConceptFiles, sign: Literal["positive", "negative"], plain: str) -> Pairs:
    """Recognition questions with answers of one sign.

    Those that the recognitions of this sign have; else the questions of the other sign, answered as the
    template answers them; else the template's. A question asked of one sign only would give itself away.
    """
    mine, other = ("positive", "random") if sign == "positive" else ("random", "positive")
    template = files.template.get(sign, ())
    if written := files.questions.get(mine):
        return tuple(dict.fromkeys((asked.question, asked.answer) for asked in written))
    if contrary := files.questions.get(other):
        answers = dict(template)
        return tuple((q, answers.get(q, plain)) for q in dict.fromkeys(a.question for a in contrary))
    return template or ((recognition_question(files), plain),)


def _cycled(pictures: Sequence[Path], pairs: Pairs) -> list[Asked]:
    """One question a picture, the questions by turns."""
    return [Asked(path, *pairs[i % len(pairs)]) for i, path in enumerate(pictures)]


def _spoken_of(files: ConceptFiles, asked: Asked) -> Kind:
    """A conversation may be about a picture of somebody else: held out like any other negative."""
    if asked.picture is None:
        return "text_only"
    return "hard" if files.folder.hard_negatives in asked.picture.parents else "vqa"


def _generated(files: ConceptFiles) -> list[Row]:
    """Both generated files as one; what they repeat counts once."""
    both = (*files.questions.get("stage_1", ()), *files.questions.get("stage_3", ()))
    recognising = {question for question, _ in files.template.get("positive", ())}
    recognising.add(recognition_question(files))
    return [(_kind(files, asked, recognising), asked) for asked in dict.fromkeys(both)]


def _kind(files: ConceptFiles, asked: Asked, recognising: set[str]) -> Kind:
    if asked.picture is None:
        return "text_only"
    if files.folder.random_images in asked.picture.parents:
        return "random"
    if files.folder.hard_negatives in asked.picture.parents:
        return "hard"
    yes = asked.answer.lower().startswith("yes") and asked.question in recognising
    return "positive" if yes else "vqa"


def _unseen(rows: Sequence[Row], held: set[Path]) -> Iterator[Row]:
    """The rows without negatives that are held out, unless a kind would have none left."""
    from unictk.datamodules.pictures import content_hash  # imports torch

    hashes = {content_hash(path) for path in held}
    left: Counter[Kind] = Counter()
    out = []
    for kind, asked in rows:
        picture = asked.picture if kind in ("random", "hard") else None
        if picture is not None and content_hash(picture) in hashes:
            out.append((kind, asked))
        else:
            left[kind] += 1
    leave = {row for row in out if left[row[0]]}
    return (row for row in rows if row not in leave)


def _numbered(files: ConceptFiles, rows: Iterable[Row]) -> Iterator[Turn]:
    seen: Counter[str] = Counter()
    for kind, asked in rows:
        place = kind if asked.picture is None else f"{kind}/{files.picture_key(asked.picture)}"
        yield Turn(kind, asked.picture, asked.question, asked.answer, f"{place}/{seen[place]}")
        seen[place] += 1
