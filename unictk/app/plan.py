"""What is about to run, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.table import Table

from unictk.app.masking import masked_text


def plan_rows(config: DictConfig, choices: Mapping[str, str | None], folder: Path) -> list[tuple[str, str]]:
    """Name and content of each row, in order."""
    stages = [f"{name}: {choices.get(f'stage@stages.{name}') or '-'}" for name in config.stages]
    trainer = config.get("trainer") or {}
    machine = [choices.get("strategy"), f"devices {trainer.get('devices')}", trainer.get("accelerator")]
    return [
        ("task", _choice(choices, "task")),
        ("experiment", _choice(choices, "experiment")),
        ("backbone", _choice(choices, "backbone")),
        ("concept", " ".join([_choice(choices, "concept"), *_which(config.get("concept"))])),
        ("stages", ", ".join(stages) or "-"),
        (
            "machine",
            ", ".join(str(item) for item in [*machine, f"precision {trainer.get('precision')}"] if item),
        ),
        ("logger", ", ".join(config.get("logger") or {}) or "none"),
        ("seed", str(config.seed)),
        ("folder", str(folder)),
    ]


def print_plan(config: DictConfig, choices: Mapping[str, str | None], folder: Path, resuming: bool) -> None:
    """Prints the table to stdout; a resumed run says so in the title."""
    table = Table(title="resuming" if resuming else None, show_header=False, box=box.ROUNDED)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, content in plan_rows(config, choices, folder):
        table.add_row(name, masked_text(content))
    Console().print(table, markup=False, highlight=False)


def _choice(choices: Mapping[str, str | None], group: str) -> str:
    return choices.get(group) or "-"


def _which(concept: Any) -> list[str]:
    """What tells one concept of a group option from another: its name or its seed."""
    if not OmegaConf.is_dict(concept):
        return []
    told = {key: OmegaConf.select(concept, key, throw_on_missing=False) for key in ("name", "seed")}
    return [f"{key} {value}" for key, value in told.items() if value is not None]
