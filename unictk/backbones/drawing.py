"""Pictures drawn code after code, with classifier-free guidance: what autoregressive models share.

With the prompt and without it are rows of one batch over one cache, and each distinct context is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.picking import inverted
from unictk.backbones.reading import Causal, Reading, read
from unictk.chance import generator

Pick = Callable[[Tensor, int], Tensor]
"""Codes (B,) int64 from guided logits (B, codebook) fp32 and the number of the code."""


@dataclass(slots=True)
class Drawing:
    """A batch of pictures of one size and the same settings.

    ``prompts``: input vectors (length, hidden) of distinct prompts; ``follows`` (B,) which of them each
    picture follows; ``seeds`` one per picture. ``scale`` s mixes the logits u + s (c - u) of the prompt and
    of what stands for none; 1 is no guidance. ``temperature`` 0 takes the best code; ``top``: only so many
    may come, None: all.
    """

    prompts: Sequence[Tensor]
    follows: Tensor
    seeds: Sequence[int]
    rows: int
    columns: int
    scale: float = 1.0
    temperature: float = 1.0
    top: int | None = None

    @property
    def cells(self) -> int:
        """Codes of a picture."""
        return self.rows * self.columns


def begin(
    network: Causal,
    drawing: Drawing,
    contexts: Sequence[Tensor],
    without: Sequence[Tensor],
    beside: Sequence[int],
    room: int,
) -> Reading:
    """What the pictures follow, read: a row each and, with guidance, another each behind all of those.

    Args:
        network: reads.
        drawing: says which context each picture follows.
        contexts: input vectors (length, hidden), one of each prompt.
        without: distinct contexts that stand for no prompt.
        beside: which of those belongs to each prompt.
        room: positions that will be read on at most.
    """
    follows = drawing.follows.to(contexts[0].device)
    if drawing.scale == 1:
        return read(network, contexts, follows, room)
    place = torch.tensor(beside, device=follows.device) + len(contexts)
    return read(network, [*contexts, *without], torch.cat([follows, place[follows]]), room)


def draw_codes(
    reading: Reading,
    drawing: Drawing,
    logits: Callable[[Tensor], Tensor],
    vectors: Callable[[Tensor, int], Tensor],
    pick: Pick | None = None,
) -> Tensor:
    """Classes (B, cells), each picked behind what came before.

    Args:
        reading: from :func:`begin`.
        drawing: a batch of pictures; each draws from its own seed alone, unless ``pick`` says otherwise.
        logits: guided (B, classes) fp32 of the states (rows, hidden).
        vectors: (B, count, hidden) input vectors of the classes (B,) picked last and of what has to follow
            them, from the classes and how many have been picked.
        pick: the next classes.
    """
    chosen = pick or seeded(drawing)
    drawn: list[Tensor] = []
    while True:
        drawn.append(chosen(logits(reading.state), len(drawn)))
        if len(drawn) == drawing.cells:
            return torch.stack(drawn, 1)
        more = vectors(drawn[-1], len(drawn))
        reading.feed(more.repeat(len(reading.state) // len(more), 1, 1))


def mixed(both: Tensor, scale: float) -> Tensor:
    """Guided values u + s (c - u), (B, n) fp32, of B rows with the prompt and B without.

    At scale 1 there are no rows without, and the values are what they were.
    """
    if scale == 1:
        return both.float()
    with_prompt, without = both.float().chunk(2)
    return without + scale * (with_prompt - without)


def seeded(drawing: Drawing) -> Pick:
    """Codes by numbers of each picture's own generator, on the CPU.

    A code is where the cumulative distribution passes a uniform number. ``torch.multinomial`` would draw as
    many numbers as there are codes from one stream for the whole batch: a picture then depends on which
    others are drawn with it, and on the device.
    """
    chance = [generator("draw", seed) for seed in drawing.seeds]
    uniform = torch.stack([torch.rand(drawing.cells, generator=one) for one in chance])

    def pick(logits: Tensor, number: int) -> Tensor:
        numbers = uniform[:, number].to(logits.device)
        return pick_code(logits, numbers, drawing.temperature, drawing.top)

    return pick


def pick_code(logits: Tensor, uniform: Tensor, temperature: float, top: int | None) -> Tensor:
    """One class per row of logits (B, classes), by its uniform number (B,) in [0, 1): (B,) int64."""
    if temperature <= 0:
        return logits.argmax(-1)
    if top is None:
        return inverted((logits / temperature).softmax(-1), uniform)
    best, classes = logits.topk(min(top, logits.shape[-1]))
    place = inverted((best / temperature).softmax(-1), uniform)
    return classes.gather(-1, place[:, None])[:, 0]
