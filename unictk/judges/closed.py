"""Closed questions to a backbone: how likely each of the offered answers is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from unictk.backbones.base import Backbone
from unictk.samples import Request

DIGITS = 5
"""Probabilities are rounded as records are: the last digits of a float depend on what shares its batch."""

Options = tuple[str, ...]


def probabilities(backbone: Backbone, asked: Sequence[tuple[Request, Options]]) -> list[dict[str, float]]:
    """Probability of every option of each question, given that one of them is the answer.

    Questions with equal options go to the backbone in one call; each is answered on its own.
    """
    places: dict[Options, list[int]] = defaultdict(list)
    for place, (_, options) in enumerate(asked):
        places[options].append(place)
    found: list[dict[str, float]] = [{} for _ in asked]
    for options, mine in places.items():
        shares = backbone.choose([asked[place][0] for place in mine], options).double().softmax(-1)
        for place, share in zip(mine, shares.tolist(), strict=True):
            found[place] = {option: round(p, DIGITS) for option, p in zip(options, share, strict=True)}
    return found
