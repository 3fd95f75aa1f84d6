"""Cycles in batches: drawn, answered, marked and recorded, and in the end the scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from unictk.benchmarks.base import Progress, Result, Save
from unictk.benchmarks.unicycle.judging import Answered
from unictk.benchmarks.unicycle.outcomes import Book, Outcome, named
from unictk.benchmarks.unicycle.questions import KINDS, NAME, Cycle, version
from unictk.benchmarks.work import means
from unictk.benchmarks.work import named as flat
from unictk.errors import DataError
from unictk.judges.base import JudgeRequest, Verdict
from unictk.metrics.unicycle import SoftHard
from unictk.records import ItemRecord
from unictk.samples import GeneratedImage

ORDER = ("truth", "agreement", *KINDS, "unparsable")
"""How names of metrics begin, in the order in which they are reported behind soft and hard."""


def run(
    book: Book,
    cycles: Sequence[Cycle],
    size: int,
    source: str,
    done: Iterable[ItemRecord] = (),
    save: Save | None = None,
    progress: Progress | None = None,
) -> Result:
    """Turn what ``done`` does not tell, ``size`` prompts at a time; score everything.

    ``source`` names the questions in the result's remarks, beside their hash. Batches depend on the work
    list only.

    Raises:
        DataError: two prompts, or two questions of one, share an id.
    """
    _check_ids(cycles)
    known = {record.key: record for record in done}
    outcomes = {one.key: kept for one in cycles if (kept := book.recalled(one, known)) is not None}
    total = sum(len(one.questions) for one in cycles)
    for first in range(0, len(cycles), size):
        batch = cycles[first : first + size]
        missing = [one for one in batch if one.key not in outcomes]
        if missing:
            new = turned(book, missing)
            outcomes |= {one.cycle.key: one for one in new}
            if save is not None:
                save([record for one in new for record in book.records(one)])
        if progress is not None:
            progress(sum(len(one.cycle.questions) for one in outcomes.values()), total)
    found = [outcomes[one.key] for one in cycles]
    records = [record for one in found for record in book.records(one)]
    remarks = {f"{NAME}/judge": book.marker.name, f"{NAME}/questions": _told(source, cycles, total)}
    if book.judge is not None:
        remarks[f"{NAME}/pictures_judge"] = book.judge.name
    return Result(flat(NAME, totals(found, records, book.threshold)), records, remarks)


def turned(book: Book, cycles: Sequence[Cycle]) -> list[Outcome]:
    """Draw the prompts, ask their questions, and let the answers and the pictures be judged."""
    drawn = book.asking.draw(cycles, book.phase)
    answers = book.asking.answer(cycles, drawn)
    asked = [
        Answered(cycle, question, answer)
        for cycle, said in zip(cycles, answers, strict=True)
        for question, answer in zip(cycle.questions, said, strict=True)
    ]
    marks = iter(book.marker.mark(asked))
    verdicts = _seen(book, cycles, drawn)
    return [
        Outcome(cycle, tuple(said), tuple(next(marks) for _ in said), verdict)
        for cycle, said, verdict in zip(cycles, answers, verdicts, strict=True)
    ]


def _seen(book: Book, cycles: Sequence[Cycle], drawn: Sequence[GeneratedImage]) -> Sequence[Verdict | None]:
    if book.judge is None:
        return [None] * len(cycles)
    return book.judge.judge(
        [
            JudgeRequest(cycle.prompt, one.pixels, cycle.category, cycle.expected, codes=one.codes)
            for cycle, one in zip(cycles, drawn, strict=True)
        ]
    )


def totals(
    outcomes: Sequence[Outcome], records: Sequence[ItemRecord], threshold: float
) -> dict[str, tuple[float, int]]:
    """Value and number of every metric: soft and hard over all prompts and by group, then the means."""
    prompts: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for one in outcomes:
        for pair in zip(named("soft", one.cycle), named("hard", one.cycle), strict=True):
            prompts[pair].append(one.scores)
    found: dict[str, tuple[float, int]] = {}
    for (soft, hard), scores in prompts.items():
        metric = SoftHard(threshold, sync_on_compute=False)
        metric.update(scores)
        both = metric.compute()
        found[soft] = (float(both["soft"]), len(scores))
        found[hard] = (float(both["hard"]), len(scores))
    others: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if (name := record.metric.removeprefix(f"{NAME}/")) not in found:
            others[name].append(record.score)
    ordered = sorted(others, key=lambda name: [name.startswith(one) for one in ORDER].index(True))
    return found | means({name: others[name] for name in ordered})


def several(cycles: Sequence[Cycle], pictures: int) -> list[Cycle]:
    """Every prompt with as many pictures; each is a cycle of its own, so the mean is over all of them."""
    return [replace(one, picture=number) for one in cycles for number in range(pictures)]


def _check_ids(cycles: Sequence[Cycle]) -> None:
    seen: set[str] = set()
    for one in cycles:
        ids = [question.qid for question in one.questions]
        if one.key in seen or len(set(ids)) < len(ids):
            what = "two prompts share this id" if one.key in seen else "two of its questions share an id"
            raise DataError(f"prompt {one.key!r}: {what}")
        seen.add(one.key)


def _told(source: str, cycles: Sequence[Cycle], total: int) -> str:
    return f"{source}: {len(cycles)} pictures, {total} questions, {version(cycles)}"
