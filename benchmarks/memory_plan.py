"""What the published sizes need on 1, 8 and 64 GPUs, worked out from the shapes of their networks.

``python -m benchmarks.memory_plan [--check] [--only NAME ...] [--write docs/memory.md]``. ``--check`` first
holds every formula to small models that are really run, and stops where one differs. ``--write`` puts the
tables between the marks of a page. Nothing of the published sizes is run: times are what the assumptions
below come to.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from benchmarks.planning.amounts import amounts, count, key_bytes, operations, parameters
from benchmarks.planning.backbones import model
from benchmarks.planning.checks import SMALL, compared
from benchmarks.planning.models import Model
from benchmarks.planning.traces import KINDS, Kind, traced

PUBLISHED = ("showo_512", "janus_pro_1b", "janus_pro_7b", "bagel", "unitoken")
RANKS = (8, 64)

OPERATIONS = 0.4 * 989e12
"""Per second: an H100 in bf16, two fifths of what it could do at most."""

READING = 3.35e12
"""Bytes per second from an H100's memory."""

LINKS = {8: 450e9, 64: 50e9}
"""Bytes per second and GPU: NVLink within a node of 8, 400 Gbit/s between nodes."""

MARKS = ("<!-- memory_plan -->", "<!-- end of memory_plan -->")

NAMES = {"concept": "concept's rows", "lora": "rows, adapters", "full": "everything"}


def weight_type(kind: Kind) -> torch.dtype:
    """Frozen weights in bf16; fp32 where they train, or steps of 1e-5 would be rounded away."""
    return torch.float32 if kind == "full" else torch.bfloat16


def gigabytes(number: float) -> str:
    """10^9 bytes, three digits."""
    value = number / 1e9
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def memory_row(plan: Model, kind: Kind) -> list[str]:
    """Training: a drawing and an answer on each GPU."""
    dtype = weight_type(kind)
    found, step = parameters(plan, kind, dtype), traced(plan, kind, dtype, autocast=True)
    single, recomputed = amounts(found), step.recomputed
    totals = [single.total + recomputed, *(amounts(found, ranks).total + recomputed for ranks in RANKS)]
    parts = [single.weights, single.gradients, single.optimizer, step.whole.kept, recomputed]
    return [plan.name, NAMES[kind], *map(gigabytes, (*parts, *totals))]


def time_row(plan: Model, kind: Kind) -> list[str]:
    """Operations and seconds of a step; seconds that FSDP2 moves weights and gradients in one."""
    dtype = weight_type(kind)
    work = traced(plan, kind, dtype, autocast=True).whole.operations
    found = parameters(plan, kind, dtype)
    sent = 2 * sum(p.bytes for p in found) + sum(p.bytes for p in found if p.trains)
    cells = [f"{work / 1e12:.3g}", f"{work / OPERATIONS:.2g}"]
    return [plan.name, NAMES[kind], *cells, *(f"{sent / LINKS[ranks]:.2g}" for ranks in RANKS)]


def sampling_row(plan: Model) -> list[str]:
    """Drawing and answering, one row at a time, bf16."""
    half = torch.bfloat16
    passes, new = plan.passes
    layers = [
        p for p in parameters(plan, "full", half) if p.block is not None and p.block < plan.depth.language
    ]
    read = sum(p.bytes for p in layers)
    keys = [key_bytes(plan, positions, half) / 2**20 for positions in (plan.answer, plan.drawing_keys)]
    once = max(operations(plan, new, plan.drawing) / OPERATIONS, read / READING)
    weights = sum(p.bytes for p in parameters(plan, "full", half))
    numbers = [f"{count(plan) / 1e9:.2f}", gigabytes(weights), *(f"{each:.0f}" for each in keys)]
    return [plan.name, *numbers, str(passes), f"{passes * once:.2g}"]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """As markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in (headings, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(headings), *lines[1:]])


def tables(plans: Sequence[Model]) -> str:
    """All tables, for a page."""
    gpus = [f"FSDP2, {ranks}" for ranks in RANKS]

    def training(row: Callable[[Model, Kind], list[str]]) -> list[list[str]]:
        return [row(plan, kind) for plan in plans for kind in KINDS]

    steps = ", ".join(f"{plan.name} {plan.drawing} + {plan.answer}" for plan in plans)
    memory = [
        "model",
        "trains",
        "weights",
        "gradients",
        "optimizer",
        "kept",
        "recomputed",
        "1 GPU, DDP",
        *gpus,
    ]
    times = ["model", "trains", "10^12 operations", "s on a GPU", *(f"s moved, {ranks}" for ranks in RANKS)]
    sampling = [
        "model", "10^9 numbers", "GB in bf16", "MiB of an answer's keys", "MiB of a picture's", "passes", "s",
    ]  # fmt: skip
    return "\n\n".join(
        [
            f"Positions of a drawing and of an answer: {steps}.",
            "GB (10^9 bytes) on each GPU while training, a drawing and an answer on each:",
            table(memory, training(memory_row)),
            "Time of that step on an H100:",
            table(times, training(time_row)),
            "Sampling, one guided picture or one answer at a time:",
            table(sampling, [sampling_row(plan) for plan in plans]),
        ]
    )


def put_between(page: str, content: str) -> str:
    """The page with ``content`` between its marks.

    Raises:
        ValueError: a page without them.
    """
    start, end = (page.find(mark) for mark in MARKS)
    if not 0 <= start < end:
        raise ValueError(f"no {MARKS[0]} before {MARKS[1]} in the page")
    return f"{page[: start + len(MARKS[0])]}\n\n{content}\n\n{page[end:]}"


def main() -> int:
    """Check, then print or write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_plan", description=__doc__)
    parser.add_argument("--check", action="store_true", help="hold the formulas to small models first")
    parser.add_argument("--write", type=Path, help="a page with the marks, whose tables are replaced")
    parser.add_argument("--only", nargs="+", default=PUBLISHED, metavar="NAME", help="options of backbone")
    options = parser.parse_args()
    if options.check:
        found = [one for name in SMALL for one in compared(name)]
        print(*found, sep="\n")
        if not all(one.ok for one in found):
            return 1
    content = tables([model(name) for name in options.only])
    if options.write:
        options.write.write_text(put_between(options.write.read_text(), content))
    else:
        print(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
