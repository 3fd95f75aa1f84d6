"""Builds ``report.html`` from what lies in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unictk.errors import UserError
from unictk.records import FILE, ItemRecord, read_records
from unictk.report import concept_card, curves, drawn, pictures, scores
from unictk.report.sources import command, read_object, read_settings, read_text, stage_seconds
from unictk.report.templates import fill, source, write_page

REPORT = "report.html"
TEMPLATE = "page.html.j2"

SHOWN_ANSWERS = 120
"""Answers written out in the page; all of them are in ``items.parquet``."""


def build_report(run_folder: Path, data_root: Path | None = None) -> Path:
    """Write the run's report and return its path: one file, with every picture inside.

    Whatever the folder does not hold yet is left out. ``data_root`` is where the picture keys of item
    records and the concept's photos lie; without it, both are left out.

    Raises:
        UserError: there is no such folder, or nothing of a run in it.
        DataError: a file in it is damaged.
    """
    return write_page(run_folder / REPORT, render(run_folder, data_root))


def render(run_folder: Path, data_root: Path | None = None) -> str:
    """The page's HTML; see :func:`build_report`."""
    if not any((run_folder / name).exists() for name in ("status.json", "config.yaml", "metrics.json", FILE)):
        raise UserError(f"run folder: {str(run_folder)!r} holds no run; expected config.yaml and status.json")
    return fill(TEMPLATE, _context(run_folder, data_root))


def _context(run_folder: Path, data_root: Path | None) -> dict[str, Any]:
    status = read_object(run_folder / "status.json")
    metrics = read_object(run_folder / "metrics.json")
    config = read_settings(run_folder / "config.yaml")
    records = read_records(run_folder / FILE)
    seconds = stage_seconds(status)
    phases = scores.phases_of(records, seconds)
    unfinished = [name for name, value in seconds.items() if value is None]
    drawing = drawn.drawn_phases(records, phases)
    sample_stages, samples = pictures.sample_rows(run_folder, seconds)
    return {
        "title": run_folder.resolve().name,
        "styles": source("style.css") + source("page.css"),
        "status": status,
        "stage_seconds": seconds,
        "foreign": concept_card.foreign_to_backbone(config, data_root),
        "card": concept_card.concept_card(
            read_object(run_folder / "concept" / "concept.json"), config, data_root
        ),
        "table": scores.score_table(metrics, records, phases, unfinished),
        "losses": scores.loss_table(metrics),
        "remarks": scores.remarks(metrics),
        "phases": phases,
        "drawn": drawn.drawn_sections(run_folder, records, drawing),
        "drawn_phases": drawing,
        "rounds": _rounds(run_folder),
        "meaning": scores.meaning,
        "curves": curves.loss_curves(run_folder),
        "curve_width": curves.WIDTH,
        "curve_height": curves.HEIGHT,
        "sample_stages": sample_stages,
        "samples": samples,
        "command": command(status),
        "config": read_text(run_folder / "config.yaml"),
        **_answers(records, phases, data_root, run_folder),
    }


def _answers(
    records: list[ItemRecord], phases: list[str], data_root: Path | None, run_folder: Path
) -> dict[str, Any]:
    """The last phase's answers: wrong ones, right ones, and the pictures of those shown."""
    phase = phases[-1] if phases else ""
    found = scores.answers(records, phase)
    shown = found[:SHOWN_ANSWERS]
    roots = {
        answer.record.image: run_folder if drawn.is_drawn(answer.record) else data_root for answer in shown
    }
    return {
        "phase": phase,
        "wrong": [answer for answer in shown if answer.record.score < 1],
        "right": [answer for answer in shown if answer.record.score >= 1],
        "wrong_count": sum(answer.record.score < 1 for answer in found),
        "answer_count": len(found),
        "thumbnails": {key: pictures.inline_key(root, key, 112) for key, root in roots.items()},
    }


def _rounds(run_folder: Path) -> list[Any]:
    """Self-play's rounds. Its records are read with torch, which no other report has to wait for."""
    if not (run_folder / "selfplay").is_dir():
        return []
    from unictk.report.selfplay import shown_rounds

    return list(shown_rounds(run_folder))
