"""Where the records of self-play lie: in the run folder, or in one that several runs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unictk.selfplay.pictures import clean
from unictk.selfplay.rows import JudgementRow, LessonRow, ProposalRow, RatingRow, RolloutRow
from unictk.selfplay.shards import Shards

ELSEWHERE = "selfplay/elsewhere.txt"
"""In a run folder: where its records and pictures lie, if not there."""


class Stores:
    """All shards of a run, by kind.

    Args:
        run: the run folder; the lessons are always there.
        shared: a folder for proposals, drawings and judgements instead; None: the run's own.

    Attributes:
        root: what pictures are relative to.
    """

    def __init__(self, run: Path, shared: Path | None = None) -> None:
        self.run, self.root = run, shared or run
        records = self.root / "selfplay" / "records"
        self.proposals = Shards(records, "proposals", ProposalRow)
        self.ratings = Shards(records, "ratings", RatingRow)
        self.rollouts = Shards(records, "rollouts", RolloutRow)
        self.judgements = Shards(records, "judgements", JudgementRow)
        self.lessons = Shards(run / "selfplay" / "training", "lessons", LessonRow)

    @classmethod
    def of_run(cls, run: Path) -> Stores:
        """Those of a run that was made before, wherever it kept them."""
        note = run / ELSEWHERE
        return cls(run, Path(note.read_text(encoding="utf-8").strip()) if note.is_file() else None)

    def begin(self) -> None:
        """Say where the records are, and remove what killed processes left. Only while nobody writes.

        In a shared folder somebody else may be writing: what is left there stays.
        """
        self.lessons.clean()
        if self.root != self.run:
            note = self.run / ELSEWHERE
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(f"{self.root.resolve()}\n", encoding="utf-8")
            return
        clean(self.root)
        every: tuple[Shards[Any], ...] = (self.proposals, self.ratings, self.rollouts, self.judgements)
        for one in every:
            one.clean()
