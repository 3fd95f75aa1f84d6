"""The training set of a round: written from its records in two passes, a group in memory at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from unictk.selfplay.categories import CategorySet
from unictk.selfplay.choosing import Chosen, ReconstructionRules, Selector, choose
from unictk.selfplay.groups import read_groups
from unictk.selfplay.quotas import Limits, Quotas
from unictk.selfplay.reconstruction import Writer
from unictk.selfplay.rows import JudgementRow, LessonRow, RolloutRow
from unictk.selfplay.shards import Shards, content_key
from unictk.selfplay.wording import Wording

SHARD = 256
"""Lessons in a shard."""


def reconstruct(
    rollouts: Shards[RolloutRow],
    judgements: Shards[JudgementRow],
    lessons: Shards[LessonRow],
    categories: CategorySet,
    wording: Wording,
    rules: ReconstructionRules,
    seed: int,
    round_number: int = 0,
    quotas: Quotas | Limits | None = None,
    held_out: Collection[str] = frozenset(),
    selector: Selector | None = None,
    selected_by: str = "judge",
) -> Chosen:
    """Write what is not there yet, and say what was chosen.

    Args:
        rollouts: of the round, complete.
        judgements: of all of them.
        lessons: where the samples go.
        categories: of the prompts, in the order of turns.
        wording: in which the judge was asked; instructions are in it too.
        rules: see :class:`~unictk.selfplay.choosing.ReconstructionRules`.
        seed: the run's: the judge's questions are worded with it.
        round_number: of self-play, from 0.
        quotas: None: the paper's proportions.
        held_out: normal forms of prompts that nothing may be trained on.
        selector: who chooses winners; None: the judge's scores.
        selected_by: its name, part of what the lessons are made of.

    Raises:
        DataError: records are missing, damaged, or the lessons there were made of others.
    """
    prefix = f"{round_number:02d}-"
    chosen = choose(
        read_groups(rollouts, judgements, round_number),
        categories.names,
        rules,
        seed,
        quotas,
        held_out,
        selector,
    )
    sources = [*rollouts.manifests(prefix), *judgements.manifests(prefix)]
    content = content_key(
        categories, wording.name, rules, seed, quotas, sorted(held_out), selected_by, *sources
    )
    writer = Writer(chosen, categories, wording, rules, seed)
    written = writer.lessons(read_groups(rollouts, judgements, round_number))
    for number, rows in enumerate(_chunks(written)):
        name = f"{prefix}{number:06d}"
        if not lessons.has(name, content):
            lessons.write(name, rows, content)
    return chosen


def _chunks(rows: Iterator[LessonRow]) -> Iterator[list[LessonRow]]:
    while chunk := list(islice(rows, SHARD)):
        yield chunk
