"""Who else may choose among the drawings of a prompt than its judge: a lot, or somebody who knows better.

What the judge's choice is worth shows against drawings of the very same prompts taken by lot, and against
those that the examiner would have taken.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unictk.chance import seed_of
from unictk.judges.base import BEST, Judge, JudgeRequest
from unictk.selfplay.choosing import ReconstructionRules
from unictk.selfplay.groups import Group
from unictk.selfplay.judges import codes_of, pixels_of
from unictk.selfplay.selection import Candidate, Selection, select
from unictk.selfplay.wording import Wording


def by_examiner(
    group: Group, rules: ReconstructionRules, examiner: Judge, wording: Wording, root: Path
) -> Selection:
    """Winner, loser and verdict by the examiner's shares of what the prompt asks, out of ten."""
    shares = shares_of(group, examiner, wording, root)
    scored = [
        replace(one, score=BEST * shares[one.rollout] if one.rollout in shares else None, expected=None)
        for one in group.candidates
    ]
    return select(scored, rules.threshold, rules.least_valid)


def by_lot(group: Group, rules: ReconstructionRules, seed: int) -> Selection:
    """Any drawing wins, and any other one loses, of the groups that the judge keeps.

    Whether a group is kept, whether it has a loser and how far that is behind are as the judge has it, so
    that by lot as many lessons of every kind are written, of the same prompts.
    """
    judged = select(group.candidates, rules.threshold, rules.least_valid)
    chance = random.Random(seed_of(seed, "lot", group.prompt_uid))
    drawn = chance.sample(judged.ranked, len(judged.ranked))
    loser = _another(group, drawn) if judged.loser is not None else None
    return Selection(judged.reason, tuple(drawn), loser, judged.gap)


def _another(group: Group, drawn: Sequence[Candidate]) -> Candidate | None:
    """The first that is another picture than the winner and has reasons, as a critique needs."""
    first, *others = drawn
    return next(
        (
            one
            for one in others
            if one.image_sha256 != first.image_sha256 and group.of(one.rollout)[1].analysis
        ),
        None,
    )


def shares_of(group: Group, examiner: Judge, wording: Wording, root: Path) -> dict[int, float]:
    """By rollout, the share from 0 to 1 of what the prompt asks that the examiner finds right."""
    points = wording.points(group.prompt)
    asked = points.asked if points else None
    requests = [
        JudgeRequest(row.prompt, pixels_of(row, root), row.category, asked, codes=codes_of(row))
        for row in group.rollouts
    ]
    pairs = zip(group.rollouts, examiner.judge(requests), strict=True)
    return {row.rollout: said.share for row, said in pairs if said.score is not None}
