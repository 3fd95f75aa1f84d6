"""What the benchmark drew, side by side: a row per prompt and noise, a column per phase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from unictk.records import ItemRecord
from unictk.report.pictures import inline_key
from unictk.report.sources import natural
from unictk.report.verdicts import Drawing, read_drawings

FOLDER = "drawn"
"""Of a run folder; keys of drawn pictures begin with it."""

BUDGET = 2_500_000
"""Characters of pictures in the page; rows beyond it are left out, and the page says how many."""

SIDE = 192
"""Pixels of the longer side of a picture in the page."""


@dataclass(slots=True)
class Picture:
    """One drawn picture. ``asked`` is the benchmark's prompt; ``scores`` are by metric, its own one first."""

    phase: str
    key: str
    asked: str
    drawing: Drawing
    scores: dict[str, float] = field(default_factory=dict)
    source: str | None = None

    @property
    def rewritten(self) -> str | None:
        """What was drawn instead of ``asked``, if it was something else."""
        prompt = self.drawing.prompt
        return prompt if prompt is not None and prompt.strip() != self.asked.strip() else None

    @property
    def score(self) -> float | None:
        """Its score under the metric that it was drawn for."""
        return next(iter(self.scores.values()), None)

    @property
    def others(self) -> dict[str, float]:
        """Similarities that count towards no metric here."""
        counted = tuple(self.scores)  # under its own name, or after the prompts' (dreambooth_clip_i)
        return {
            name: value
            for name, value in self.drawing.similar
            if not any(metric.endswith((f"/{name}", f"_{name}")) for metric in counted)
        }

    @property
    def grade(self) -> str:
        """``right``, ``partly``, ``wrong``; ``unjudged`` where only similarities tell."""
        if not self.drawing.judged or self.score is None:
            return "unjudged"
        if self.score >= 1 and not self.drawing.trouble:
            return "right"
        return "wrong" if self.score <= 0 else "partly"

    @property
    def summary(self) -> str:
        """All of it in one text, for a tooltip."""
        said = [f"{self.phase}: {self.rewritten or self.asked}"]
        if self.rewritten:
            said.append(f"asked: {self.asked}")
        said += [f"{metric} {score:.2f}" for metric, score in self.scores.items()]
        said += [f"right: {', '.join(self.drawing.right)}"] if self.drawing.right else []
        said += [f"wrong: {', '.join(self.drawing.wrong)}"] if self.drawing.wrong else []
        return "\n".join([*said, self.drawing.trouble] if self.drawing.trouble else said)


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt and one noise: a picture per phase, None where it was not drawn."""

    name: str
    pictures: list[Picture | None]

    @property
    def badness(self) -> tuple[float, float]:
        """Sorts the most wrong first: by the last phase, then by all of them."""
        scores = [picture.score for picture in self.pictures if picture and picture.score is not None]
        return (scores[-1], sum(scores)) if scores else (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one metric, by prompt, the most wrong first. ``total`` counts those left out as well."""

    metric: str
    prompts: dict[str, list[Row]]
    total: int

    @property
    def shown(self) -> int:
        """Number of rows in the page."""
        return sum(map(len, self.prompts.values()))


def is_drawn(record: ItemRecord) -> bool:
    """Whether the record is about a picture that the run drew and kept."""
    return bool(record.image) and str(record.image).startswith(f"{FOLDER}/")


def drawn_phases(records: Iterable[ItemRecord], phases: Sequence[str]) -> list[str]:
    """Those of the phases in which something was drawn."""
    found = {record.phase for record in records if is_drawn(record)}
    return [phase for phase in phases if phase in found]


def drawn_sections(
    run_folder: Path, records: Iterable[ItemRecord], phases: Sequence[str], budget: int = BUDGET
) -> list[Section]:
    """The pictures of these phases, by the metric they were drawn for; each metric gets an equal share."""
    rows: dict[str, dict[tuple[str, str], dict[str, Picture]]] = {}
    for key, picture in _pictures(records).items():
        path = PurePosixPath(key)
        if picture.phase in phases:
            metric, name = path.parent.name, path.stem
            rows.setdefault(metric, {}).setdefault((picture.asked, name), {})[picture.phase] = picture
    found = []
    for metric in sorted(rows, key=natural):
        lines = [
            (asked, Row(name, [pictures.get(phase) for phase in phases]))
            for (asked, name), pictures in sorted(rows[metric].items(), key=lambda item: natural(item[0][1]))
        ]
        found.append(_section(run_folder, metric, lines, budget // len(rows)))
    return found


def _pictures(records: Iterable[ItemRecord]) -> dict[str, Picture]:
    """By key; the records of one picture's several scores come together."""
    found: dict[str, Picture] = {}
    for record in records:
        if not is_drawn(record) or not (drawings := read_drawings(record.answer)):
            continue
        key = str(record.image)
        picture = found.setdefault(key, Picture(record.phase, key, record.question, drawings[-1]))
        picture.scores[record.metric] = record.score
    for key, picture in found.items():
        own = PurePosixPath(key).parent.name
        picture.scores = dict(
            sorted(picture.scores.items(), key=lambda pair: (pair[0].rpartition("/")[2] != own, pair[0]))
        )
    return found


def _section(run_folder: Path, metric: str, lines: Sequence[tuple[str, Row]], budget: int) -> Section:
    """Rows in order of badness until the budget is spent, then put under their prompts."""
    prompts: dict[str, list[Row]] = {}
    spent = 0
    for asked, row in sorted(lines, key=lambda line: line[1].badness):
        for picture in row.pictures:
            if picture is not None:
                picture.source = inline_key(run_folder, picture.key, SIDE)
                spent += len(picture.source or "")
        if spent > budget and prompts:
            break
        prompts.setdefault(asked, []).append(row)
    return Section(metric, prompts, len(lines))
