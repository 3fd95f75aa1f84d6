"""Drawing: image codes one after another on a forced grid, with classifier-free guidance (section 4.2).

Published: two caches read one id at a time, the whole head at every step, sizes and newlines included. Here
both contexts are rows of one batch, what the grid forces is read together with the code before it, and only
rows of image codes of the head are multiplied. The codes are the same.
"""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor

from unictk.backbones.drawing import Drawing, begin, draw_codes, mixed
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vocabulary import CODE, Vocabulary

TOP = 4000
"""How many codes may come, as the authors draw (of 8,192)."""


@torch.no_grad()
def draw(network: UniTokenNetwork, vocabulary: Vocabulary, drawing: Drawing) -> Tensor:
    """Image codes (B, cells); the prompts end where the picture starts, and the picture alone is no prompt.

    Each picture draws from its own seed alone.
    """
    device = network.input_table.device
    block = vocabulary.block(drawing.rows, drawing.columns)
    opening = block[: block.index(CODE)]
    alone = network.embed(torch.tensor(opening, device=device), None)
    contexts = [torch.cat([prompt, alone]) for prompt in drawing.prompts]
    reading = begin(network, drawing, contexts, [alone], [0] * len(contexts), len(block) - len(opening))
    forced = _behind_each_code(block)

    def logits(states: Tensor) -> Tensor:
        # Guided states have guided logits, since the head is linear: it is multiplied once a picture.
        guided = mixed(states, drawing.scale).to(states.dtype)
        return network.code_logits(guided, vocabulary.codes).float()

    def vectors(classes: Tensor, number: int) -> Tensor:
        rest = torch.tensor([forced[number - 1]], dtype=torch.long, device=device)
        ids = torch.cat([classes[:, None] + vocabulary.first_code, rest.expand(len(classes), -1)], 1)
        return network.embed(ids, None)

    return vocabulary.to_codes(draw_codes(reading, drawing, logits, vectors) + vocabulary.first_code)


def _behind_each_code(block: list[int]) -> list[list[int]]:
    """The ids of a picture that follow each of its codes, up to the next one."""
    found: list[list[int]] = []
    for is_code, run in groupby(block[block.index(CODE) :], lambda token: token == CODE):
        if is_code:
            found += [[] for _ in run]
        else:
            found[-1] = list(run)
    return found
