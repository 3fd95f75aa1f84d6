"""Show-o here in fp32 against the same in bf16 (``backbone.dtype=bfloat16``): time and how far results move.

``python -m benchmarks.showo_precision [--quick]``. Rows, losses and image codes are fp32 in both. How much
there is to win depends on the processor: some multiply bf16 many times faster, others slower.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.showo_arms import OurArm
from benchmarks.showo_work import FULL, QUICK, Work
from benchmarks.timing import Call, interleave

SEED = 3


def main() -> None:
    """Measure both, print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.showo_precision", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = Work(QUICK if options.quick else FULL)
    arms = [OurArm(work, 0), OurArm(work, 0)]
    arms[1].backbone.network.cast(torch.bfloat16)
    losses = [torch.tensor(arm.train()) for arm in arms]
    table = Table("work", "fp32, s", "bf16, s", "fp32 / bf16", title="Show-o here, median (lowest..highest)")
    jobs: dict[str, Sequence[Call]] = {
        "training step": [arm.train for arm in arms],
        f"draw 1 image, {work.size.steps} steps, guided": [partial(arm.draw, SEED) for arm in arms],
        f"answer {len(work.questions)} questions": [partial(arm.answer, work.questions) for arm in arms],
    }
    for name, calls in jobs.items():
        full, half = interleave(calls)
        table.add_row(name, str(full), str(half), f"{full.median / half.median:.2f}")
    console = Console()
    console.print(table)
    moved = (losses[1] / losses[0] - 1).abs().max().item()
    console.print(f"First losses (image, text) move by {moved:.1e} of their size.")


if __name__ == "__main__":
    main()
