"""Pictures to codes and back, and to what the vision tower reads; each distinct picture once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unictk.backbones.janus.batch import Drawn, Seen
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.pictures import from_levels
from unictk.samples import GeneratedImage, Image


def codes_of(drawn: Drawn, network: JanusNetwork, layout: JanusLayout, most: int) -> Tensor:
    """All codes of a batch's drawn pictures (J, cells); those not known yet are encoded and remembered.

    Args:
        drawn: from a layout, on the network's device.
        network: its image tokenizer is used.
        layout: keeps the code store.
        most: pictures per forward pass.
    """
    if not len(drawn.unknown):
        return drawn.codes
    codes = drawn.codes.clone()
    codes[drawn.unknown] = torch.cat([network.encode(part) for part in drawn.squares.split(most)])
    for number in drawn.unknown.tolist():
        layout.codes.put(drawn.keys[number], codes[number])
    return codes


def squares_of(seen: Seen, network: JanusNetwork, most: int) -> Tensor:
    """What the vision tower reads, (T, 3, side, side) in [-1, 1].

    Pictures that the model drew are decoded for it, in the 256 levels that a file would have.
    """
    squares = seen.squares
    if len(seen.decoded):
        squares = squares.clone()
        squares[seen.decoded] = torch.cat([network.decode(part) for part in seen.codes.split(most)])
    return from_levels(squares)


def encode(images: Sequence[Image], network: JanusNetwork, layout: JanusLayout, most: int) -> Tensor:
    """Codes (images, cells)."""
    shelf = layout.shelf()
    places = [shelf.place(image, drawn=True) for image in images]
    return codes_of(shelf.drawn().to(network.input_table.device), network, layout, most)[places]


def pictures_of(codes: Tensor, network: JanusNetwork, most: int) -> list[GeneratedImage]:
    """(B, cells) codes as pictures that carry them."""
    found = []
    for part in codes.split(most):
        levels = network.decode(part).cpu().float() / 255
        found += [GeneratedImage(pixels, one.cpu(), {}) for pixels, one in zip(levels, part, strict=True)]
    return found
