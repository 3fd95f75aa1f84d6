"""What Janus's vision tower reads of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from unictk.backbones.janus.batch import Seen
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.pictures import from_levels


def squares_of(seen: Seen, network: JanusNetwork, most: int) -> Tensor:
    """What the vision tower reads, (T, 3, side, side) in [-1, 1].

    Pictures that the model drew are decoded for it, in the 256 levels that a file would have.
    """
    squares = seen.squares
    if len(seen.decoded):
        squares = squares.clone()
        squares[seen.decoded] = torch.cat([network.decode(part) for part in seen.codes.split(most)])
    return from_levels(squares)
