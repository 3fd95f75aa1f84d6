"""The question to the judge, and its answer as a record: one function each, for whoever judges.

The question of a prompt is the same for all its pictures (they share everything before the picture), and the
same again when judging is taught.
"""

from __future__ import annotations

import random

from unictk.chance import seed_of
from unictk.selfplay.answers import read_judgement
from unictk.selfplay.categories import Category
from unictk.selfplay.rows import JudgementRow, RolloutRow
from unictk.selfplay.wording import Question, Wording


def judge_question(wording: Wording, category: Category, prompt: str, prompt_uid: str, seed: int) -> Question:
    """What stands before each picture of the prompt."""
    return wording.judge(category, prompt, random.Random(seed_of(seed, "judge words", prompt_uid)))


def judge_seed(sample_id: str, attempt: int, seed: int) -> int:
    """The seed of the answer about a rollout; ``attempt`` 1 is the one more try."""
    return seed_of(seed, "judge", sample_id, attempt)


def needs_again(answer: str) -> bool:
    """Whether to ask the judge once more: no score could be read. One out of range stands as it is."""
    return read_judgement(answer).status == "unparsed"


def judgement_row(
    rollout: RolloutRow,
    answer: str,
    judge: str,
    wording: str,
    again: str | None = None,
    expected: float | None = None,
    seconds: float = 0.0,
) -> JudgementRow:
    """The record of a judgement.

    Args:
        rollout: what was judged.
        answer: the judge's words.
        judge: whose.
        wording: the name of the question's :class:`~unictk.selfplay.wording.Wording`.
        again: its words when asked once more; they count, and the first ones are then lost.
        expected: see :func:`~unictk.selfplay.selection.expected_score`.
        seconds: that it took.
    """
    raw = answer if again is None else again
    found = read_judgement(raw)
    return JudgementRow(
        sample_id=rollout.sample_id,
        round=rollout.round,
        prompt_uid=rollout.prompt_uid,
        category=rollout.category,
        rollout=rollout.rollout,
        judge=judge,
        wording=wording,
        status=found.status,
        score=found.score,
        expected=expected,
        analysis=found.analysis,
        raw_text=raw,
        rung=found.rung,
        attempts=1 if again is None else 2,
        seconds=seconds,
    )
