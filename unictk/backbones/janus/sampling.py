"""Drawing: image codes one after another, with classifier-free guidance.

Published: the prompt is read once for every picture, and beside each of them a prompt of padding, seen, of
the same length; guidance mixes the logits of both. Here both are rows of one batch, each distinct prompt and
each length of padding is read once, and without guidance there is no second row. The codes are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.janus.layout import unconditional
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.janus.vocabulary import Vocabulary
from unictk.backbones.picking import inverted
from unictk.backbones.reading import Reading, read
from unictk.chance import generator

Pick = Callable[[Tensor, int], Tensor]
"""Codes (B,) int64 from guided logits (B, codebook) fp32 and the number of the code."""


@dataclass(slots=True)
class Drawing:
    """A batch of pictures with the same settings.

    ``prompts``: input vectors (length, hidden) of distinct prompts, the start of the picture included;
    ``follows`` (B,) which of them each picture follows; ``seeds`` one per picture. ``scale`` s mixes the
    logits u + s (c - u) of the prompt and of padding; 1 is no guidance. ``temperature`` 0 takes the best.
    """

    prompts: Sequence[Tensor]
    follows: Tensor
    seeds: Sequence[int]
    cells: int
    scale: float = 1.0
    temperature: float = 1.0


@torch.no_grad()
def draw(network: JanusNetwork, vocabulary: Vocabulary, drawing: Drawing, pick: Pick | None = None) -> Tensor:
    """Image codes (B, cells). Each picture draws from its own seed alone, unless ``pick`` says otherwise."""
    batch, guided = len(drawing.seeds), drawing.scale != 1
    chosen = pick or seeded(drawing)
    reading = _read(network, vocabulary, drawing)
    drawn: list[Tensor] = []
    while True:
        logits = network.code_logits(reading.state).float()
        if guided:
            with_prompt, without = logits.split(batch)
            logits = without + drawing.scale * (with_prompt - without)
        drawn.append(chosen(logits, len(drawn)))
        if len(drawn) == drawing.cells:
            return torch.stack(drawn, 1)
        vectors = network.code_vectors(drawn[-1][:, None])
        reading.feed(vectors.repeat(2, 1, 1) if guided else vectors)


def seeded(drawing: Drawing) -> Pick:
    """Codes by numbers of each picture's own generator, on the CPU.

    A code is where the cumulative distribution passes a uniform number. ``torch.multinomial`` would draw as
    many numbers as there are codes from one stream for the whole batch: a picture then depends on which
    others are drawn with it, and on the device.
    """
    chance = [generator("draw", seed) for seed in drawing.seeds]
    uniform = torch.stack([torch.rand(drawing.cells, generator=one) for one in chance])

    def pick(logits: Tensor, number: int) -> Tensor:
        if drawing.temperature <= 0:
            return logits.argmax(-1)
        weights = (logits / drawing.temperature).softmax(-1)
        return inverted(weights, uniform[:, number].to(logits.device))

    return pick


def _read(network: JanusNetwork, vocabulary: Vocabulary, drawing: Drawing) -> Reading:
    """The prompts and, where they are wanted, prompts of padding of the same lengths."""
    device = network.input_table.device
    contexts, follows = list(drawing.prompts), drawing.follows.to(device)
    if drawing.scale != 1:
        lengths = [len(prompt) for prompt in drawing.prompts]
        distinct = list(dict.fromkeys(lengths))
        place = torch.tensor([len(contexts) + distinct.index(length) for length in lengths], device=device)
        follows = torch.cat([follows, place[follows]])
        for length in distinct:
            ids = torch.tensor(unconditional(vocabulary, length), device=device)
            contexts.append(network.embed(ids, None))
    return read(network, contexts, follows, drawing.cells)
