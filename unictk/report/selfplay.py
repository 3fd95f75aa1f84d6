"""Self-play on the page: prompts with their rollouts and scores, and which of them became lessons."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unictk.report.pictures import inline
from unictk.selfplay.groups import Group, read_groups
from unictk.selfplay.reconstruction import KINDS
from unictk.selfplay.rows import LessonRow
from unictk.selfplay.stores import Stores

SIDE = 96
EACH = 2
"""Prompts of a category that are shown; all are in the records."""


@dataclass(frozen=True, slots=True)
class ShownRollout:
    """A picture as a data URI (None: it is not there), what the judge said, and what became of it."""

    picture: str | None
    score: float | None
    expected: float | None
    analysis: str
    uses: tuple[str, ...]
    plan: str = ""


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    """A prompt with its rollouts, in order."""

    prompt: str
    category: str
    rollouts: tuple[ShownRollout, ...]


@dataclass(frozen=True, slots=True)
class ShownRound:
    """A round: its number, judge, prompts, lessons by kind, and the prompts that are shown."""

    number: int
    judge: str
    prompts: int
    lessons: dict[str, int]
    shown: tuple[ShownPrompt, ...]


def shown_rounds(run_folder: Path) -> list[ShownRound]:
    """Every round whose rollouts all have judgements; none where the run is no self-play.

    Raises:
        DataError: records or a picture are damaged.
    """
    stores = Stores.of_run(run_folder)
    names = stores.rollouts.names()
    judged = set(stores.judgements.names())
    numbers = sorted({int(name.partition("-")[0]) for name in names})
    complete = [
        number for number in numbers if all(name in judged for name in names if int(name[:2]) == number)
    ]
    return [_round(stores, number) for number in complete]


def _round(stores: Stores, number: int) -> ShownRound:
    lessons = Counter[str]()
    uses: defaultdict[str, list[str]] = defaultdict(list)
    for lesson in stores.lessons.of_round(number):
        lessons[lesson.kind] += 1
        for sample_id, use in _uses(lesson):
            uses[sample_id].append(use)
    taken: Counter[str] = Counter()
    shown: list[ShownPrompt] = []
    prompts, judge = 0, ""
    for group in read_groups(stores.rollouts, stores.judgements, number):
        prompts, judge = prompts + 1, group.judgements[0].judge
        if taken[group.category] < EACH:
            taken[group.category] += 1
            shown.append(_shown(group, uses, stores.root))
    counts = {kind: lessons[kind] for kind in KINDS if lessons[kind]}
    return ShownRound(number, judge, prompts, counts, tuple(shown))


def _uses(lesson: LessonRow) -> Iterable[tuple[str, str]]:
    if lesson.kind == "reflection":
        return (lesson.winner, "better picture"), (lesson.loser, "picture to better")
    return ((lesson.winner, lesson.kind),)


def _shown(group: Group, uses: dict[str, list[str]], root: Path) -> ShownPrompt:
    rollouts = tuple(
        ShownRollout(
            picture=_picture(root, row.image),
            score=said.score,
            expected=said.expected,
            analysis=said.analysis or said.raw_text,
            uses=tuple(uses.get(row.sample_id, ())),
            plan=row.plan,
        )
        for row, said in zip(group.rollouts, group.judgements, strict=True)
    )
    return ShownPrompt(group.prompt, group.category, rollouts)


def _picture(root: Path, name: str) -> str | None:
    """A record is data: it must not pull files from elsewhere into the page."""
    path = (root / name).resolve()
    return inline(path, SIDE) if path.is_relative_to(root.resolve()) and path.is_file() else None
