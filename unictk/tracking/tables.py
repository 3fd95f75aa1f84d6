"""Pictures with what they were made from, as W&B tables: the same columns for every run, to compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as PILImage

if TYPE_CHECKING:
    from unictk.selfplay.groups import Group

SAMPLES = ("file", "prompt", "rollout", "seed", "picture")
GROUPS = (
    "category",
    "prompt",
    "became",
    "best score",
    "best",
    "worst score",
    "worst",
    "analysis of the best",
)
MOST_GROUPS = 64
"""Prompts of a round that are told with their pictures: all of a large one would be gigabytes."""


def samples_table(rows: Iterable[tuple[str, str, int, int, PILImage.Image]]) -> tuple[list[str], list[Any]]:
    """Columns and rows of the pictures drawn after a stage: (file, prompt, rollout, seed, picture) each."""
    import wandb

    return list(SAMPLES), [
        [file, prompt, rollout, str(seed), wandb.Image(picture)]  # 64 bits: too long for a W&B number
        for file, prompt, rollout, seed, picture in rows
    ]


def groups_table(
    groups: Iterable[Group], root: Path, threshold: float, least_valid: int, count: int
) -> tuple[list[str], list[Any]]:
    """Columns and rows of a self-play round of ``count`` prompts: what became of each.

    Best and worst are the pictures with the highest and the lowest score, by the order of selection. Of a
    large round every n-th prompt is told, ``MOST_GROUPS`` of them or a few more. ``root`` is the run folder.
    """
    told = islice(groups, 0, None, max(1, count // MOST_GROUPS))
    return list(GROUPS), list(_group_rows(told, root, threshold, least_valid))


def _group_rows(groups: Iterable[Group], root: Path, threshold: float, least: int) -> Iterator[Sequence[Any]]:
    from unictk.selfplay.selection import select

    for group in groups:
        selection = select(group.candidates, threshold, least)
        shown: list[Any] = []
        analysis = ""
        for place in (0, -1):
            if not selection.ranked:
                shown += [None, None]
                continue
            candidate = selection.ranked[place]
            drawn, said = group.of(candidate.rollout)
            analysis = said.analysis if place == 0 else analysis
            shown += [candidate.score, _picture(root / drawn.image)]
        yield [group.category, group.prompt, selection.reason, *shown, analysis]


def _picture(file: Path) -> Any:
    import wandb

    with PILImage.open(file) as opened:
        return wandb.Image(opened.convert("RGB"))
