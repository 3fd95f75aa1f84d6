"""What self-play says while it runs: a meter with a few words, and a table of the round when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from unictk.callbacks.meter import Meter
from unictk.selfplay.proposing import Stream
from unictk.selfplay.rows import JudgementRow
from unictk.selfplay.selection import Candidate, select
from unictk.selfplay.summary import CategorySummary, together


@dataclass(slots=True)
class ProposalTally:
    """Accepted prompts and all answers so far, by category; ``meter`` None shows nothing."""

    meter: Meter | None
    accepted: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)

    def told(self, stream: Stream) -> None:
        """Where a category's stream is now."""
        name = stream.category.name
        self.accepted[name], self.answers[name] = len(stream.accepted), stream.answered
        if self.meter is not None:
            done, asked = sum(self.accepted.values()), sum(self.answers.values())
            self.meter.show(done, f"{name}: {len(stream.accepted)}/{stream.quota}, {asked - done} refused")


@dataclass(slots=True)
class JudgedTally:
    """Groups that are judged so far, of the batches that this process did; ``meter`` None shows nothing."""

    meter: Meter | None
    threshold: float
    least_valid: int
    groups: int = 0
    kept: int = 0
    best: float = 0.0
    scored: int = 0
    failed: int = 0
    judged: int = 0
    drawn: int = 0
    seconds: float = 0.0

    def told(self, rows: Sequence[JudgementRow], drawn: int, seconds: float) -> None:
        """A batch is done: its judgements, and how many pictures were drawn in how many seconds."""
        groups: dict[str, list[Candidate]] = {}
        for row in rows:
            groups.setdefault(row.prompt_uid, []).append(Candidate(row.rollout, row.score, row.expected))
            self.failed += row.score is None
        self.judged += len(rows)
        for group in groups.values():
            found = select(group, self.threshold, self.least_valid)
            self.groups += 1
            self.kept += found.kept
            if found.best is not None and found.best.score is not None:
                self.best += found.best.score
                self.scored += 1
        self.drawn += drawn
        self.seconds += seconds if drawn else 0.0
        if self.meter is not None:
            self.meter.show(self.judged, self.words())

    def words(self) -> str:
        """``31 of 40 prompts kept, mean best 8.20, 3 without a score, 5.1 pictures a second``."""
        said = [f"{self.kept} of {self.groups} prompts kept"]
        if self.scored:
            said.append(f"mean best {self.best / self.scored:.2f}")
        if self.failed:
            said.append(f"{self.failed} without a score")
        if self.seconds:
            said.append(f"{self.drawn / self.seconds:.1f} pictures a second")
        return ", ".join(said)


def print_round(title: str, lines: Mapping[str, CategorySummary]) -> None:
    """One line a category, and one of all: answers, prompts, mean best score, pictures a second, ..."""
    table = Table(title=title, box=box.ROUNDED)
    table.add_column("category", no_wrap=True)
    for name in ("asked", "prompts", "kept", "best", "no score", "lessons", "per s"):
        table.add_column(name, justify="right")
    for category, line in lines.items():
        table.add_row(category, *_cells(line))
    if len(lines) > 1:
        table.add_section()
        table.add_row("all", *_cells(together(lines.values())))
    Console().print(table, markup=False, highlight=False)


def _cells(line: CategorySummary) -> list[str]:
    mean = line.mean_best
    return [
        str(line.proposals.total()),
        str(line.proposals["accepted"]),
        str(line.groups["kept"]),
        "-" if mean is None else f"{mean:.2f}",
        str(line.judgements.total() - line.judgements["ok"]),
        str(line.lessons.total()),
        f"{line.pictures / line.seconds:.1f}" if line.seconds else "-",
    ]


def print_change(title: str, columns: Mapping[str, Mapping[str, float]]) -> None:
    """Scores before, after each round, and the change; ``columns`` from a heading to its metrics."""
    heads = list(columns)
    first, last = columns[heads[0]], columns[heads[-1]]
    table = Table(title=title, box=box.ROUNDED)
    table.add_column("metric", no_wrap=True)
    for head in (*heads, "change", "items"):
        table.add_column(head, justify="right")
    for name, value in last.items():
        if name.endswith("/n"):
            continue
        cells = [f"{columns[head][name]:.4f}" if name in columns[head] else "-" for head in heads]
        change = f"{value - first[name]:+.4f}" if name in first else "-"
        count = last.get(f"{name}/n")
        table.add_row(name, *cells, change, "" if count is None else f"{count:.0f}")
    Console().print(table, markup=False, highlight=False)
