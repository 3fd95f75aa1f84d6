"""Drawing: image codes one after another on a forced grid, with classifier-free guidance (section 4.2).

Published: two caches read one id at a time, the whole head at every step, sizes and newlines included. Here
both contexts are rows of one batch, what the grid forces is read together with the code before it, and only
rows of image codes of the head are multiplied. The codes are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from unictk.backbones.picking import inverted
from unictk.backbones.reading import read
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vocabulary import CODE, Vocabulary
from unictk.chance import generator

TOP = 4000
"""How many codes may come, as the authors draw (of 8,192)."""


@dataclass(slots=True)
class Drawing:
    """A batch of pictures of one size.

    ``prompts``: input vectors (length, hidden) of distinct prompts, up to where the picture starts;
    ``follows`` (B,) which of them each picture follows; ``seeds`` one per picture. ``scale`` s mixes the
    logits u + s (c - u) of the prompt and of the picture alone; 1 is no guidance. ``temperature`` 0 takes the
    best code; ``top``: only so many may come.
    """

    prompts: Sequence[Tensor]
    follows: Tensor
    seeds: Sequence[int]
    rows: int
    columns: int
    scale: float = 1.0
    temperature: float = 1.0
    top: int = TOP


@torch.no_grad()
def draw(network: UniTokenNetwork, vocabulary: Vocabulary, drawing: Drawing) -> Tensor:
    """Image codes (B, rows, columns). Each picture draws from its own seed alone."""
    device, batch = network.input_table.device, len(drawing.seeds)
    block = vocabulary.block(drawing.rows, drawing.columns)
    opening = block[: block.index(CODE)]
    alone = network.embed(torch.tensor(opening, device=device), None)
    contexts = [torch.cat([prompt, alone]) for prompt in drawing.prompts]
    follows = drawing.follows.to(device)
    guided = drawing.scale != 1
    if guided:
        contexts.append(alone)
        follows = torch.cat([follows, torch.full_like(follows, len(drawing.prompts))])
    reading = read(network, contexts, follows, len(block) - len(opening))
    cells = drawing.rows * drawing.columns
    uniform = torch.stack([torch.rand(cells, generator=generator("draw", seed)) for seed in drawing.seeds])
    drawn: list[Tensor] = []
    place = len(opening)
    while True:
        state = _guided(reading.state, batch, drawing.scale) if guided else reading.state
        logits = network.code_logits(state, vocabulary.codes).float()
        picked = pick_code(logits, uniform[:, len(drawn)].to(device), drawing.temperature, drawing.top)
        drawn.append(picked + vocabulary.first_code)
        if len(drawn) == cells:
            return vocabulary.to_codes(torch.stack(drawn, 1)).view(batch, drawing.rows, drawing.columns)
        forced = list(takewhile(lambda token: token != CODE, block[place + 1 :]))
        place += 1 + len(forced)
        ids = torch.cat(
            [drawn[-1][:, None], torch.tensor([forced], device=device).long().expand(batch, -1)], 1
        )
        reading.feed(network.embed(ids.repeat(2, 1) if guided else ids, None))


def pick_code(logits: Tensor, uniform: Tensor, temperature: float, top: int) -> Tensor:
    """One class per row of logits (B, classes), by its uniform number (B,) in [0, 1): (B,) int64."""
    if temperature <= 0:
        return logits.argmax(-1)
    best, classes = logits.topk(min(top, logits.shape[-1]))
    place = inverted((best / temperature).softmax(-1), uniform)
    return classes.gather(-1, place[:, None])[:, 0]


def _guided(states: Tensor, batch: int, scale: float) -> Tensor:
    """Guided states have guided logits, since the head is linear: it is multiplied once a picture."""
    with_prompt, without = states[:batch].float(), states[batch:].float()
    return (without + scale * (with_prompt - without)).to(states.dtype)
