"""Groups of rollouts with hand-made scores."""

from __future__ import annotations

from collections.abc import Sequence

from unictk.selfplay.groups import Group
from unictk.selfplay.rows import JudgementRow, RolloutRow

Score = float | None


def group(
    scores: Sequence[Score],
    category: str = "Counting",
    number: int = 0,
    expected: Sequence[Score] | None = None,
    prompt: str = "",
    same: Sequence[int] = (),
    silent: Sequence[int] = (),
) -> Group:
    """Rollouts with these scores. ``same`` show one picture; of ``silent`` there are no reasons."""
    uid = f"00-{category.lower().replace(' ', '-')}-{number:05d}"
    rows, said = [], []
    for rollout, score in enumerate(scores):
        sha = "same" if rollout in same else f"{uid}-{rollout}"
        key = f"{uid}-{rollout:02d}"
        text = prompt or f"Prompt {number} of {category}."
        rows.append(
            RolloutRow(
                *(key, 0, uid, category, "", text, rollout, rollout, 1.0, 1.0, 2, "self"),
                *(
                    f"selfplay/pictures/{key}.png",
                    sha,
                    4,
                    4,
                    bytes([number % 256, rollout]),
                    "uint8",
                    (2,),
                    0.5,
                ),
            )
        )
        analysis = "" if rollout in silent else f"Rollout {rollout} is so."
        status = "unparsed" if score is None else "ok"
        rung = "" if score is None else "json"
        likely = expected[rollout] if expected else None
        said.append(
            JudgementRow(
                *(key, 0, uid, category, rollout, "self", "paper", status, score, likely, analysis, "", rung),
                *(1, 0.0),
            )
        )
    return Group(tuple(rows), tuple(said))
