"""Which pictures become which kind of sample (UniCorn, appendix A): the choice, before anything is written.

Of every group only numbers are remembered, so memory hardly grows with the number of prompts. The choice
depends on the records and the seed, not on the order in which they were made.

* Generation and caption: the winner of each kept group, by turns over the categories where there are more
  than the quota. With ``fill``, where there are fewer: then the second-best pictures that reach the
  threshold, the third-best, and so on.
* Judgement: any picture with a score and reasons, also of rejected groups; at most two of a group, even over
  categories, then over bins of scores.
* Reflection: kept groups by falling gap between winner and loser (of equal gaps in the order of the records),
  down to a gap of ``backfill_gap``, at most an even share (rounded up) of any category. Gaps of ``min_gap``
  and more all come before smaller ones, so those fill up what is left. The judge gave reasons for the loser.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Le

from unictk.chance import seed_of
from unictk.selfplay.groups import Group
from unictk.selfplay.quotas import Limits, Place, Quotas, bin_of, dealt, stratified
from unictk.selfplay.selection import Selection, select
from unictk.selfplay.similarity import normal_form


@dataclass(frozen=True, slots=True)
class ReconstructionRules:
    """Numbers of the paper (``threshold``) and defaults for those that it does not give.

    Args:
        threshold: a group is kept if its best score is at least this.
        least_valid: scores that a group needs.
        min_gap: between winner and loser, for reflection.
        backfill_gap: from this gap on groups are taken where the quota is not reached.
        judgements_each: most judgements taught of one group.
        generalised: share of captions that are asked for as the prompt, beside those that are anyway.
        fill: take further pictures of kept groups where there are fewer groups than the quota.
    """

    threshold: Annotated[float, Ge(0), Le(10)] = 7.0
    least_valid: Annotated[int, Ge(1)] = 4
    min_gap: Annotated[float, Ge(0)] = 3.0
    backfill_gap: Annotated[float, Ge(0)] = 2.0
    judgements_each: Annotated[int, Ge(1)] = 2
    generalised: Annotated[float, Ge(0), Le(1)] = 0.0
    fill: bool = False


@dataclass(slots=True)
class Chosen:
    """By prompt, the rollouts of each kind; ``reflection`` has (winner, loser)."""

    generation: dict[str, list[int]] = field(default_factory=dict)
    caption: dict[str, list[int]] = field(default_factory=dict)
    judgement: dict[str, list[int]] = field(default_factory=dict)
    reflection: dict[str, tuple[int, int]] = field(default_factory=dict)
    groups: Counter[str] = field(default_factory=Counter)
    """How many groups were kept, rejected (by reason), and ``held_out``."""


@dataclass(frozen=True, slots=True)
class _Kept:
    prompt_uid: str
    category: str
    rollouts: tuple[int, ...]
    loser: int | None
    gap: float


Selector = Callable[[Group], Selection]


def choose(
    groups: Iterable[Group],
    categories: Sequence[str],
    rules: ReconstructionRules,
    seed: int,
    quotas: Quotas | Limits | None = None,
    held_out: Collection[str] = frozenset(),
    selector: Selector | None = None,
) -> Chosen:
    """The choice.

    Args:
        groups: of one round.
        categories: their categories, in the order of turns.
        rules: numbers.
        seed: of the lottery among judgements.
        quotas: None: the paper's proportions, of the groups that are kept; limits are in part so.
        held_out: normal forms of prompts that nothing may be trained on; their groups are left out whole.
        selector: gives winner and loser of a group; None: the judge's scores do.
    """
    selecting = selector or (lambda group: select(group.candidates, rules.threshold, rules.least_valid))
    kept: list[_Kept] = []
    places: list[Place] = []
    chosen = Chosen()
    for group in groups:
        if normal_form(group.prompt) in held_out:
            chosen.groups["held_out"] += 1
            continue
        selection = selecting(group)
        chosen.groups[selection.reason] += 1
        if selection.kept:
            kept.append(_kept(group, selection, rules))
        places += _places(group, seed)
    if not isinstance(quotas, Quotas):
        quotas = (quotas or Limits()).of(len(kept))
    chosen.generation = _winners(kept, categories, quotas.generation)
    chosen.caption = _winners(kept, categories, quotas.caption)
    chosen.judgement = _by_prompt(
        (place.group, place.rollout)
        for place in stratified(places, categories, quotas.judgement, rules.judgements_each)
    )
    chosen.reflection = _reflections(kept, len(categories), rules, quotas.reflection)
    return chosen


def _kept(group: Group, selection: Selection, rules: ReconstructionRules) -> _Kept:
    """The winner, then with ``fill`` the others that reach the threshold, each picture once."""
    best, *others = selection.ranked
    rollouts, seen = [best.rollout], {best.image_sha256}
    for one in others if rules.fill else ():
        if (one.score or 0.0) >= rules.threshold and one.image_sha256 not in seen:
            rollouts.append(one.rollout)
            seen.add(one.image_sha256)
    loser = selection.loser.rollout if selection.loser else None
    if loser is not None and not group.of(loser)[1].analysis:
        loser = None
    return _Kept(group.prompt_uid, group.category, tuple(rollouts), loser, selection.gap)


def _places(group: Group, seed: int) -> list[Place]:
    return [
        Place(
            group.category,
            group.prompt_uid,
            said.rollout,
            bin_of(said.score),
            seed_of(seed, "judgement", said.sample_id),
        )
        for said in group.judgements
        if said.score is not None and said.analysis
    ]


def _winners(kept: Sequence[_Kept], categories: Sequence[str], count: int) -> dict[str, list[int]]:
    """Winners by turns over categories; then the second-best, and so on."""
    found: list[tuple[str, int]] = []
    for rank in range(max((len(one.rollouts) for one in kept), default=0)):
        cells: dict[str, list[tuple[str, int]]] = {name: [] for name in categories}
        for one in kept:
            if rank < len(one.rollouts):
                cells[one.category].append((one.prompt_uid, one.rollouts[rank]))
        found += dealt(cells, count - len(found))
    return _by_prompt(found)


def _reflections(
    kept: Sequence[_Kept], categories: int, rules: ReconstructionRules, count: int
) -> dict[str, tuple[int, int]]:
    most = math.ceil(count / categories) if categories else 0
    least = min(rules.min_gap, rules.backfill_gap)
    taken: Counter[str] = Counter()
    found: dict[str, tuple[int, int]] = {}
    for one in sorted(kept, key=lambda group: -group.gap):  # a stable sort: then the order of the records
        if one.loser is None or one.gap < least or len(found) == count:
            continue
        if taken[one.category] < most:
            taken[one.category] += 1
            found[one.prompt_uid] = (one.rollouts[0], one.loser)
    return found


def _by_prompt(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for uid, rollout in pairs:
        found[uid].append(rollout)
    return {uid: sorted(rollouts) for uid, rollouts in found.items()}
