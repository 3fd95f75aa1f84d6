"""Drawing: image codes one after another, with classifier-free guidance.

Published: the prompt is read once for every picture, and beside each of them a prompt of padding, seen, of
the same length; guidance mixes the logits of both. Here both are rows of one batch, each distinct prompt and
each length of padding is read once, and without guidance there is no second row. The codes are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unictk.backbones.drawing import Drawing, Pick, begin, draw_codes, mixed
from unictk.backbones.janus.layout import unconditional
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.janus.vocabulary import Vocabulary


@torch.no_grad()
def draw(network: JanusNetwork, vocabulary: Vocabulary, drawing: Drawing, pick: Pick | None = None) -> Tensor:
    """Image codes (B, cells); the prompts include the start of the picture.

    Each picture draws from its own seed alone, unless ``pick`` says otherwise.
    """
    device = network.input_table.device
    lengths = [len(prompt) for prompt in drawing.prompts]
    distinct = list(dict.fromkeys(lengths))
    without = [
        network.embed(torch.tensor(unconditional(vocabulary, length), device=device), None)
        for length in distinct
    ]
    beside = [distinct.index(length) for length in lengths]
    reading = begin(network, drawing, drawing.prompts, without, beside, drawing.cells)

    def logits(states: Tensor) -> Tensor:
        return mixed(network.code_logits(states), drawing.scale)

    def vectors(codes: Tensor, number: int) -> Tensor:
        return network.code_vectors(codes[:, None])

    return draw_codes(reading, drawing, logits, vectors, pick)
