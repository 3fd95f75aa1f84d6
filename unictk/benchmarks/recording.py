"""Asking a benchmark in a run folder: a meter, and records after every batch."""

from __future__ import annotations

from collections.abc import Callable

from unictk.app.folder import RunFolder
from unictk.benchmarks.base import Result
from unictk.callbacks.meter import Meter
from unictk.records import FILE, merge_records, read_records


def recorded(folder: RunFolder, phase: str, ask: Callable[..., Result], world_size: int = 1) -> Result:
    """Every batch of answers is kept, and what was answered before is not asked again.

    ``world_size``: processes of the run, of which this one alone asks.
    """
    records = folder.path / FILE
    folder.stage_started(phase, world_size)
    with Meter(phase, None) as meter:

        def progress(answered: int, total: int) -> None:
            meter.total = total
            meter.show(answered)

        result = ask(
            phase=phase,
            done=read_records(records),
            save=lambda new: merge_records(records, new),
            progress=progress,
        )
    folder.write_metrics({**result.metrics, **result.remarks})
    folder.stage_done(phase)
    return result
