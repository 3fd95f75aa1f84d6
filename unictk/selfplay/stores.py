"""Where the records of self-play lie in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unictk.selfplay.pictures import clean
from unictk.selfplay.rows import JudgementRow, LessonRow, ProposalRow, RatingRow, RolloutRow
from unictk.selfplay.shards import Shards


class Stores:
    """All shards of a run, by kind.

    Args:
        root: the run folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        records = root / "selfplay" / "records"
        self.proposals = Shards(records, "proposals", ProposalRow)
        self.ratings = Shards(records, "ratings", RatingRow)
        self.rollouts = Shards(records, "rollouts", RolloutRow)
        self.judgements = Shards(records, "judgements", JudgementRow)
        self.lessons = Shards(root / "selfplay" / "training", "lessons", LessonRow)

    def clean(self) -> None:
        """Remove what killed processes left. Only while nobody writes."""
        clean(self.root)
        every: tuple[Shards[Any], ...] = (
            self.proposals,
            self.ratings,
            self.rollouts,
            self.judgements,
            self.lessons,
        )
        for one in every:
            one.clean()
