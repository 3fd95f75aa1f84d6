"""What self-play did, by category: counts of every status, so that nothing is lost without a trace."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unictk.selfplay.acceptance import ACCEPTED
from unictk.selfplay.categories import slug_of
from unictk.selfplay.groups import Group
from unictk.selfplay.rows import LessonRow, ProposalRow
from unictk.selfplay.selection import select

DIGITS = 5


@dataclass(slots=True)
class CategorySummary:
    """One category's line.

    ``proposals`` and ``judgements`` count answers by status, ``rungs`` scores by where they stood, ``groups``
    prompts by what became of them, ``lessons`` samples by kind; ``best`` adds up the groups' best scores.
    """

    proposals: Counter[str] = field(default_factory=Counter)
    judgements: Counter[str] = field(default_factory=Counter)
    rungs: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    lessons: Counter[str] = field(default_factory=Counter)
    best: float = 0.0
    best_count: int = 0
    pictures: int = 0
    seconds: float = 0.0

    @property
    def mean_best(self) -> float | None:
        """Mean of the best scores of the groups that have one."""
        return round(self.best / self.best_count, DIGITS) if self.best_count else None

    def plain(self) -> dict[str, object]:
        """The line as it is shown and logged."""
        return {
            "proposed": self.proposals.total(),
            "accepted": self.proposals[ACCEPTED],
            "refused": dict(sorted((name, n) for name, n in self.proposals.items() if name != ACCEPTED)),
            "judged": self.judgements.total(),
            "without_score": dict(sorted((name, n) for name, n in self.judgements.items() if name != "ok")),
            "read_by": dict(sorted(self.rungs.items())),
            "kept": self.groups["kept"],
            "rejected": dict(sorted((name, n) for name, n in self.groups.items() if name != "kept")),
            "mean_best": self.mean_best,
            "lessons": dict(sorted(self.lessons.items())),
            "pictures_per_second": round(self.pictures / self.seconds, DIGITS) if self.seconds else None,
        }


def summary(
    proposals: Iterable[ProposalRow],
    groups: Iterable[Group],
    lessons: Iterable[LessonRow] = (),
    threshold: float = 7.0,
    least_valid: int = 4,
) -> Mapping[str, CategorySummary]:
    """A line per category, from streams of records; nothing is kept but the counts."""
    lines: defaultdict[str, CategorySummary] = defaultdict(CategorySummary)
    for row in proposals:
        lines[row.category].proposals[row.status] += 1
    for group in groups:
        line = lines[group.category]
        selection = select(group.candidates, threshold, least_valid)
        line.groups[selection.reason] += 1
        if selection.best is not None and selection.best.score is not None:
            line.best += selection.best.score
            line.best_count += 1
        line.pictures += len(group.rollouts)
        line.seconds += sum(row.seconds for row in group.rollouts)
        line.judgements.update(said.status for said in group.judgements)
        line.rungs.update(said.rung for said in group.judgements if said.status == "ok")
    for lesson in lessons:
        lines[lesson.category].lessons[lesson.kind] += 1
    return dict(lines)


def round_metrics(lines: Mapping[str, CategorySummary]) -> dict[str, float]:
    """The round in numbers that equal runs share: of all categories together, and a few of each."""
    whole = together(lines.values())
    found = _counts(whole) | {"judged": float(whole.judgements.total())}
    found |= {f"lessons_{kind}": float(count) for kind, count in sorted(whole.lessons.items())}
    for category, line in lines.items():
        found |= {f"{slug_of(category)}/{name}": value for name, value in _counts(line).items()}
    return found


def together(lines: Iterable[CategorySummary]) -> CategorySummary:
    """The sum of the lines."""
    whole = CategorySummary()
    for line in lines:
        for name in ("proposals", "judgements", "rungs", "groups", "lessons"):
            getattr(whole, name).update(getattr(line, name))
        whole.best += line.best
        whole.best_count += line.best_count
        whole.pictures += line.pictures
        whole.seconds += line.seconds
    return whole


def _counts(line: CategorySummary) -> dict[str, float]:
    counts = {
        "proposed": line.proposals.total(),
        "accepted": line.proposals[ACCEPTED],
        "kept": line.groups["kept"],
        "without_score": line.judgements.total() - line.judgements["ok"],
    }
    mean = {} if line.mean_best is None else {"mean_best": line.mean_best}
    return {name: float(count) for name, count in counts.items()} | mean
