"""What another judge says of the pictures that were chosen: it measures the choice and has no part in it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from unictk.benchmarks.sprites.totals import spearman
from unictk.judges.base import BEST, Judge
from unictk.selfplay.groups import Group
from unictk.selfplay.selection import select
from unictk.selfplay.selectors import shares_of
from unictk.selfplay.wording import Wording


def audit(
    groups: Iterable[Group], examiner: Judge, wording: Wording, root: Path, prompts: int
) -> dict[str, float]:
    """Scores from 0 to 1 by the examiner, over the first ``prompts`` groups of which something has a score.

    Returns:
        ``audit_all``: mean over all rollouts; ``audit_best``: over the winners, kept or not;
        ``audit_highest``: over the pictures that the examiner would have chosen; ``audit_spearman``: rank
        correlation of the judge's scores with the examiner's within a prompt, averaged over prompts where
        neither is constant; ``audit/n``: prompts.
    """
    every: list[float] = []
    best: list[float] = []
    highest: list[float] = []
    agreed: list[float] = []
    judged = (group for group in groups if select(group.candidates).best is not None)
    for group in islice(judged, prompts):
        true = shares_of(group, examiner, wording, root)
        scored = {one.rollout: one for one in group.candidates if one.score is not None}
        found = {number: share for number, share in true.items() if number in scored}
        if not found:
            continue
        winner = select(group.candidates).ranked[0].rollout
        every += found.values()
        best.append(found[winner])
        highest.append(max(found.values()))
        said = [_place(scored[number].score, scored[number].expected) for number in found]
        if len(set(said)) > 1 and len(set(found.values())) > 1:
            agreed.append(spearman(said, list(found.values())))
    means = {"audit_all": every, "audit_best": best, "audit_highest": highest, "audit_spearman": agreed}
    return {name: sum(values) / len(values) for name, values in means.items() if values} | {
        "audit/n": float(len(best))
    }


def _place(score: float | None, expected: float | None) -> float:
    """The order of selection as one number: scores, and between equal ones the expected score."""
    return (score or 0.0) + (expected or 0.0) / (100 * BEST)
