"""Requests for images: from segments to canvases, grouped so that images share prompts and steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unictk.backbones.showo.answering import Reader
from unictk.backbones.showo.decoding import pad_left
from unictk.backbones.showo.sampling import Canvas
from unictk.backbones.showo.tape import drawing_tape
from unictk.errors import UserError
from unictk.samples import Request, Sampling


@dataclass(slots=True)
class Job:
    """One batch of images with the same settings: which requests they are, and their canvas."""

    places: list[int]
    sampling: Sampling
    canvas: Canvas


def jobs(requests: Sequence[Request], reader: Reader, most: int) -> Iterator[Job]:
    """Batches of at most ``most`` images; they depend on the list of requests only."""
    groups: dict[tuple[Sampling, int], list[tuple[int, tuple[int, ...]]]] = defaultdict(list)
    for place, request in enumerate(requests):
        start, ids = prompt(request, reader)
        groups[request.sampling, start].append((place, ids))
    for (sampling, start), members in groups.items():
        for first in range(0, len(members), most):
            chunk = members[first : first + most]
            seeds = [requests[place].seed for place, _ in chunk]
            canvas = make_canvas([ids for _, ids in chunk], seeds, start, sampling.guidance, reader)
            yield Job([place for place, _ in chunk], sampling, canvas)


def prompt(request: Request, reader: Reader) -> tuple[int, tuple[int, ...]]:
    """Where the image block starts, and the ids before it."""
    layout = reader.layout
    tape = drawing_tape(request.segments, layout.codec, layout.prompt_length, layout.cells, None, False)
    needed = tape.length + layout.cells + 2
    if needed > layout.positions:
        raise UserError(f"prompt: the drawing needs {needed} positions and the limit is {layout.positions}")
    ids = reader.filled(tape.ids, [(slot.start, slot.picture) for slot in tape.slots])
    return tape.length, tuple(ids)


def make_canvas(
    prompts: Sequence[tuple[int, ...]], seeds: Sequence[int], start: int, guidance: float, reader: Reader
) -> Canvas:
    """Distinct prompts right-aligned at ``start``, the empty prompt last when there is guidance."""
    layout, device = reader.layout, reader.network.input_table.device
    distinct = list(dict.fromkeys(prompts))
    conditional = torch.tensor([distinct.index(ids) for ids in prompts], device=device)
    empty = [layout.codec.drawing_prompt(None, layout.prompt_length)] if guidance else []
    ids, _ = pad_left([*distinct, *empty], 0, layout.vocabulary.pad, device)
    return Canvas(ids, conditional, start, layout.cells, seeds)


def milestones(steps: int, n: int) -> list[int]:
    """The 0-based steps of n drafts spread evenly over the schedule, the last one included."""
    if not 1 <= n <= steps:
        raise UserError(f"drafts: {n} of {steps} sampling steps; expected 1 to {steps}")
    return [max(0, round((i + 1) * steps / n) - 1) for i in range(n)]
