"""Show-o: our backbone against the published procedure, on the same weights, samples and threads.

``python -m benchmarks.showo [--quick] [--full] [--json PATH]``. Before anything is timed both arms must give
equal answers, images, losses and trained rows.

Protocol: the arms are interleaved, 5 rounds in one process. The plain loop needs minutes for 8 answers, so
those rounds ask the shortest and the longest question, and all 8 are answered whole by the plain loop once
(with ``--full`` in all 5 rounds); nothing is extrapolated. A training step is 1 generation and 1
understanding sample. Image tokenizers are left out (codes are given), but ours decodes the drawn image
inside its time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.showo_arms import Arm, OurArm, PlainArm, SharedChance
from benchmarks.showo_work import FULL, QUICK, Size, Work
from benchmarks.timing import Call, Comparison, Measured, as_json, extra_memory, interleave, machine, show

CACHE_MB = 256
"""For the arm with cached image prefixes; one prefix at full size is 8.3 MB."""

SEED = 3


def load(arm: str, task: str, quick: bool) -> Call:
    """What a fresh process loads, and then does, to measure its extra memory; arms: plain, ours, cached."""
    work = Work(QUICK if quick else FULL)
    loaded: Arm = PlainArm(work) if arm == "plain" else OurArm(work, CACHE_MB if arm == "cached" else 0)
    if task == "train":
        return lambda: [loaded.train() for _ in range(2)]
    if task == "draw":
        return partial(loaded.draw, SEED)
    # The plain loop answers one question at a time, so its peak is that of the longest one.
    return partial(loaded.answer, work.questions[-1:] if arm == "plain" else work.questions)


def check_equal(
    work: Work, plain: PlainArm, ours: OurArm, cached: OurArm, questions: Sequence[str]
) -> list[str]:
    """Both arms on the same weights, inputs and random numbers; what was compared, one line each.

    Raises:
        RuntimeError: what differs, and by how much.
    """
    if (found := ours.answer(questions)) != (wanted := plain.answer(questions)):
        raise RuntimeError(f"answers differ: {found} against {wanted}")
    shared = SharedChance(SEED, work.shape.image_tokens, work.size.steps)
    different = int((ours.draw(SEED) != plain.draw_with(shared)).sum())
    if different:
        raise RuntimeError(f"images differ in {different} of {work.shape.image_tokens} cells")
    worst = 0.0
    for step in range(2):
        wanted_losses = torch.tensor(plain.train())
        for arm in (ours, cached):
            gap = (torch.tensor(arm.train()) / wanted_losses - 1).abs().max().item()
            rows = (arm.trained_rows() - plain.trained_rows()).abs().max().item()
            worst = max(worst, gap, rows)
            if gap > 1e-5 or rows > 1e-4:
                raise RuntimeError(
                    f"training step {step + 1}: losses differ by {gap:.1e} of 1, rows by {rows:.1e}"
                )
    return [
        f"Equal before timing: {len(questions)} answers word for word, {work.shape.image_tokens} codes, "
        f"losses and {len(work.rows)} trained rows of 2 steps (worst difference {worst:.0e})."
    ]


def compare_times(
    work: Work, arms: tuple[PlainArm, OurArm, OurArm], rounds: int, full: bool
) -> list[Comparison]:
    """All timed comparisons, each arm warm from the equality check."""
    plain, ours, _ = arms
    two, every = [work.questions[0], work.questions[-1]], work.questions
    of_two = [partial(arm.answer, two) for arm in (plain, ours)]
    of_all = [partial(arm.answer, every) for arm in (plain, ours)]
    tokens = work.size.tokens
    lines = [Comparison(f"answer 2 questions, {tokens} tokens each", "s", *interleave(of_two, rounds))]
    if full:
        whole: Sequence[Measured] = interleave(of_all, rounds)
    else:
        whole = [*interleave(of_all[:1], 1, warm_up=False), *interleave(of_all[1:], rounds)]
    lines.append(Comparison(f"answer {len(every)} questions, {tokens} tokens each", "s", *whole))
    drawing = interleave([partial(arm.draw, SEED) for arm in (plain, ours)], rounds)
    lines.append(Comparison(f"draw 1 image, {work.size.steps} steps, guided", "s", *drawing))
    steps = interleave([arm.train for arm in arms], rounds)
    lines.append(Comparison("training step", "s", steps[0], steps[1]))
    lines.append(Comparison("training step, image prefixes cached", "s", steps[0], steps[2]))
    return lines


def compare_memory(threads: int, quick: bool, full: bool) -> list[Comparison]:
    """Extra memory of two training steps; with ``full`` also of drawing and answering."""

    def extra(arm: str, task: str) -> Measured:
        settings = {"arm": arm, "task": task, "quick": quick}
        return extra_memory("benchmarks.showo:load", settings, threads)

    plain = extra("plain", "train")
    lines = [
        Comparison("training, extra memory", "MiB", plain, extra("ours", "train")),
        Comparison("training, extra memory, prefixes cached", "MiB", plain, extra("cached", "train")),
    ]
    for task, name in (("draw", "drawing"), ("answer", "answering all questions")) if full else ():
        lines.append(Comparison(f"{name}, extra memory", "MiB", extra("plain", task), extra("ours", task)))
    return lines


def describe(size: Size, work: Work) -> str:
    """The setting in one line."""
    masked = int(work.batch().parts.rows.slot_masked.sum())
    rows = work.layout.vocabulary.size
    return (
        f"hidden {size.hidden}, {size.layers} layers, {size.heads} heads, MLP {size.mlp}, "
        f"vocabulary {rows:,} + {len(work.rows)} rows, "
        f"{work.shape.image_tokens} image tokens ({masked} masked in training), fp32"
    )


def main() -> None:
    """Check equality, measure, print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.showo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    parser.add_argument(
        "--full", action="store_true", help="plain loop on all questions each round; all memory"
    )
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, console = QUICK if options.quick else FULL, Console(width=None if sys.stdout.isatty() else 120)
    work = Work(size)
    arms = (PlainArm(work), OurArm(work, 0), OurArm(work, CACHE_MB))
    console.print("checking that both arms compute the same ...")
    notes = check_equal(work, *arms, [work.questions[0], work.questions[-1]])
    console.print("timing ...")
    lines = compare_times(work, arms, options.rounds, options.full)
    console.print("measuring memory in fresh processes ...")
    lines += compare_memory(options.threads, options.quick, options.full)
    setting = {**machine(options.threads), "rounds": options.rounds, "size": describe(size, work)}
    notes += [
        f"{setting['size']}; {setting['processor']}, threads: {options.threads}, torch {setting['torch']}."
    ]
    if not options.full:
        notes.append(
            f"The plain loop answered all {len(work.questions)} questions once; the rest is medians."
        )
    if options.quick:
        notes.append("Quick sizes: these numbers say nothing about speed.")
    show("Show-o: published procedure and ours, median (lowest..highest)", lines, notes, console)
    if options.json:
        options.json.write_text(as_json(lines, notes, {**setting, **asdict(size)}))


if __name__ == "__main__":
    main()
