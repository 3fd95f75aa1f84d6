"""Rollouts with their judgements, a prompt at a time: what is read to select and to reconstruct."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from unictk.errors import DataError
from unictk.selfplay.rows import JudgementRow, RolloutRow
from unictk.selfplay.selection import Candidate
from unictk.selfplay.shards import Shards


@dataclass(frozen=True, slots=True)
class Group:
    """All rollouts of a prompt, in order, and what was said of each (same places)."""

    rollouts: tuple[RolloutRow, ...]
    judgements: tuple[JudgementRow, ...]

    @property
    def prompt_uid(self) -> str:
        """The prompt's key."""
        return self.rollouts[0].prompt_uid

    @property
    def category(self) -> str:
        """The prompt's category."""
        return self.rollouts[0].category

    @property
    def prompt(self) -> str:
        """The prompt."""
        return self.rollouts[0].prompt

    @property
    def candidates(self) -> list[Candidate]:
        """The rollouts as :func:`~unictk.selfplay.selection.select` takes them."""
        return [
            Candidate(
                one.rollout, said.score if said.status == "ok" else None, said.expected, one.image_sha256
            )
            for one, said in zip(self.rollouts, self.judgements, strict=True)
        ]

    def of(self, rollout: int) -> tuple[RolloutRow, JudgementRow]:
        """A rollout by its number, with its judgement."""
        place = next(place for place, one in enumerate(self.rollouts) if one.rollout == rollout)
        return self.rollouts[place], self.judgements[place]


def read_groups(
    rollouts: Shards[RolloutRow], judgements: Shards[JudgementRow], round_number: int
) -> Iterator[Group]:
    """The groups of a round in the order of the work list, a shard of each kind in memory at a time.

    Raises:
        DataError: a shard of rollouts has no judgements, or other ones than its own.
    """
    judged = set(judgements.names(f"{round_number:02d}-"))
    for name in rollouts.names(f"{round_number:02d}-"):
        if name not in judged:
            raise DataError(
                f"{judgements.folder}: rollouts {name} have no judgements; the round is not complete"
            )
        said = {row.sample_id: row for row in judgements.read(name)}
        for uid, rows in groupby(rollouts.read(name), key=lambda row: row.prompt_uid):
            mine = tuple(sorted(rows, key=lambda row: row.rollout))
            missing = [row.sample_id for row in mine if row.sample_id not in said]
            if missing:
                raise DataError(f"{judgements.folder}: {missing[0]} of prompt {uid} has no judgement")
            yield Group(mine, tuple(said[row.sample_id] for row in mine))
