"""One page that compares runs: a table, a scatter, groups with intervals. It needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from unictk.errors import UserError
from unictk.metrics.bootstrap import LEVEL, RESAMPLES, Interval
from unictk.report import groups as grouping
from unictk.report.build import REPORT
from unictk.report.runs import Run, find_runs, metrics_of, settings_that_differ
from unictk.report.scores import less_is_better, meaning
from unictk.report.sources import read_object
from unictk.report.templates import fill, source, write_page

TEMPLATE = "compare.html.j2"
STYLES = ("style.css", "compare.css")
SCRIPTS = ("table.js", "scatter.js", "compare.js")
SWEEP = "sweep.json"
DIGITS = 5


def build_comparison(folders: Sequence[Path], target: Path) -> Path:
    """Write the page that compares all runs below ``folders`` to the file ``target``.

    Raises:
        UserError: there is no run below the folders.
    """
    runs, left_out = find_runs(folders)
    if not runs:
        others = f" but {left_out} of tasks without scores" if left_out else ""
        places = ", ".join(map(str, folders))
        raise UserError(f"runs: {places!r} holds no run{others}; expected folders with a status.json")
    style, script = ("".join(map(source, names)) for names in (STYLES, SCRIPTS))
    states = [run.state for run in runs]
    context = {
        "title": folders[0].resolve().name if len(folders) == 1 else f"{len(folders)} folders",
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
        "states": {state: states.count(state) for state in dict.fromkeys(states)},
        "left_out": left_out,
        "data": comparison(runs, target.parent, _objective(folders)),
        "level": round(100 * LEVEL),
        "resamples": RESAMPLES,
    }
    return write_page(target, fill(TEMPLATE, context))


def comparison(runs: Sequence[Run], home: Path, objective: str | None = None) -> dict[str, Any]:
    """What the page's script shows, as JSON types; links are relative to the folder ``home``."""
    metrics = sorted(metrics_of(runs), key=lambda name: name != objective)  # what a sweep was for comes first
    settings = settings_that_differ(runs)
    groups = grouping.groups_of(runs)
    letters = {id(run): group.letter for group in groups for run in group.runs}
    places = {id(run): index for index, run in enumerate(runs)}
    heads = [places[id(group.runs[0])] for group in groups]
    designs = [
        key
        for key, values in settings.items()
        if key not in grouping.SEEDS and len({values[head] for head in heads}) > 1
    ]
    return {
        "objective": objective if objective in metrics else None,
        "metrics": [
            {"name": name, "meaning": meaning(name), "less": less_is_better(name)} for name in metrics
        ],
        "settings": list(settings),
        "designs": designs,
        "runs": [
            {
                "name": run.name,
                "link": _link(run, home),
                "state": run.state,
                "reason": run.reason,
                "group": letters.get(id(run), ""),
                "concept": run.concept,
                "tags": list(run.tags),
                "seconds": run.seconds,
                "settings": [values[index] for values in settings.values()],
                "scores": _numbers(run.scores, metrics),
                "before": _numbers(run.before, metrics),
            }
            for index, run in enumerate(runs)
        ],
        "groups": [
            {
                "letter": group.letter,
                "other": group.other,
                "settings": [settings[key][head] for key in designs],
                "tags": list(group.runs[0].tags),
                "concepts": group.concepts,
                "runs": len(group.runs),
                "scores": [_interval(group.interval(metric)) for metric in metrics],
            }
            for group, head in zip(groups, heads, strict=True)
        ],
        "differences": {
            f"{one} {other}": [_interval(found) for found in by_metric]
            for (one, other), by_metric in grouping.differences(groups, metrics).items()
        },
    }


def _numbers(scores: dict[str, float], metrics: Sequence[str]) -> list[float | None]:
    return [round(scores[name], DIGITS) if name in scores else None for name in metrics]


def _interval(found: Interval | None) -> list[float | int | None] | None:
    """Mean, low, high, concepts, scores."""
    if found is None:
        return None
    ends = [None if end is None else round(end, DIGITS) for end in (found.low, found.high)]
    return [round(found.mean, DIGITS), *ends, found.concepts, found.count]


def _link(run: Run, home: Path) -> str | None:
    page = run.folder / REPORT
    return quote(Path(os.path.relpath(page, home.resolve())).as_posix()) if page.is_file() else None


def _objective(folders: Sequence[Path]) -> str | None:
    """What a sweep was for, if the folder is one that says so."""
    found = read_object(folders[0] / SWEEP).get("objective") if len(folders) == 1 else None
    return found if isinstance(found, str) else None


def _hash(text: str) -> str:
    """The source expression by which a policy allows exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
