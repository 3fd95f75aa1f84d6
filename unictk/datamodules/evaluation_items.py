"""What a concept is examined with: recognition, questions about photos, questions about facts, choices.

Recognition asks one and the same question of every picture, so that only the picture tells. Its
negatives are held out: :func:`~unictk.datamodules.turns.training_turns` leaves them out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unictk.chance import seed_of
from unictk.datamodules.concept_files import Asked, ConceptFiles

NEGATIVES = ("rec_random", "rec_hard")
METRICS = ("rec_positive", *NEGATIVES, "vqa", "text_qa", "choice")
"""Values of :attr:`Item.metric`, in the order in which items come."""


@dataclass(frozen=True, slots=True)
class Item:
    """An evaluation question: ``metric`` is one of :data:`METRICS`, ``item_id`` unique within it.

    ``image`` None: the question has no picture.
    """

    metric: str
    item_id: str
    image: Path | None
    question: str
    reference: str


def evaluation_items(files: ConceptFiles, holdout: float) -> tuple[Item, ...]:
    """All items. Metrics that the layout's own files leave empty are filled from ``test_data/<name>.json``.

    ``rec_positive`` asks about the test photos, ``rec_random`` and ``rec_hard`` about the held-out share
    of ``random_images`` and ``negative_example`` and about all pictures of the folders of these names among
    the test photos, each answered by a plain yes or no.
    """
    own = _recognitions(files, holdout) + _questions(files)
    published = [(_metric(files, asked), asked) for asked in files.questions.get("test_data", ())]
    rows = []
    for metric in METRICS:
        mine = [asked for kind, asked in own if kind == metric]
        rows += [(metric, a) for a in mine or [a for kind, a in published if kind == metric]]
    return tuple(_numbered(files, rows))


def hold_out(pictures: Sequence[Path], trained: Iterable[Path], share: float) -> list[Path]:
    """The share of the pictures that is kept for evaluation, in their order.

    Pictures that no training question names come first, then the choice follows a hash of the file name:
    the same on every machine, for every seed, and hardly changed by adding a picture. At least one is
    held out, and of two or more at least one is left.
    """
    if not pictures:
        return []
    used = set(trained)
    ranked = sorted(pictures, key=lambda path: (path in used, seed_of("holdout", path.name), path.name))
    count = min(max(1, round(share * len(pictures))), max(1, len(pictures) - 1))
    held = set(ranked[:count])
    return [path for path in pictures if path in held]


def recognition_question(files: ConceptFiles) -> str:
    """The template's first positive question, else that of the recognitions, else a plain one."""
    asked = files.template.get("positive") or [(a.question, "") for a in files.questions.get("positive", ())]
    return asked[0][0] if asked else f"Is <{files.folder.name}> in this photo?"


def _recognitions(files: ConceptFiles, holdout: float) -> list[tuple[str, Asked]]:
    question = recognition_question(files)
    named = [asked.picture for asked in files.questions.get("random", ()) if asked.picture is not None]
    random = [*hold_out(files.random_images, named, holdout), *files.test_random_images]
    hard = [*hold_out(files.hard_negatives, files.hard_negatives, holdout), *files.test_hard_negatives]
    return (
        [("rec_positive", Asked(path, question, "Yes.")) for path in files.test_photos]
        + [("rec_random", Asked(path, question, "No.")) for path in random]
        + [("rec_hard", Asked(path, question, "No.")) for path in hard]
    )


def _questions(files: ConceptFiles) -> list[tuple[str, Asked]]:
    return [("vqa", asked) for asked in files.questions.get("vqa", ())] + [
        ("text_qa", asked) for asked in files.questions.get("text_only", ())
    ]


def _metric(files: ConceptFiles, asked: Asked) -> str:
    """The metric of a published evaluation question.

    A recognition answered by no is a negative (published: by exactly ``No.``, the only form there is).
    """
    if "choice" in asked.type:
        return "choice"
    if asked.type == "rec":
        if not re.match(r"no\b", asked.answer, re.IGNORECASE):
            return "rec_positive"
        near = asked.picture is not None and files.folder.hard_negatives in asked.picture.parents
        return "rec_hard" if near else "rec_random"
    return {"vqa": "vqa", "text_only": "text_qa"}[asked.type]


def _numbered(files: ConceptFiles, rows: Iterable[tuple[str, Asked]]) -> Iterable[Item]:
    seen: Counter[tuple[str, str]] = Counter()
    for metric, asked in rows:
        key = "text" if asked.picture is None else files.picture_key(asked.picture)
        number = seen[metric, key]
        seen[metric, key] += 1
        yield Item(metric, f"{key}/{number}", asked.picture, asked.question, asked.answer)
