"""Metrics as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table


def print_scores(title: str, metrics: Mapping[str, float]) -> None:
    """One line a metric with its number of items, which ends in ``/n`` among the metrics."""
    table = Table(title=title, box=box.ROUNDED)
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("items", justify="right")
    for name, value in metrics.items():
        if not name.endswith("/n"):
            count = metrics.get(f"{name}/n")
            table.add_row(name, f"{value:.4f}", "" if count is None else f"{count:.0f}")
    Console().print(table, markup=False, highlight=False)
