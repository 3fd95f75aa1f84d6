"""Requests that can run together, and what they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from unictk.samples import Request, Sampling


def alike(requests: Sequence[Request], most: int) -> Iterator[list[int]]:
    """Places of requests with equal settings, at most ``most`` at a time."""
    groups: dict[Sampling, list[int]] = defaultdict(list)
    for place, request in enumerate(requests):
        groups[request.sampling].append(place)
    for members in groups.values():
        for first in range(0, len(members), most):
            yield members[first : first + most]


def shared(keys: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """The places of the first of each distinct key, and which of those every key equals."""
    firsts: dict[Hashable, int] = {}
    for place, key in enumerate(keys):
        firsts.setdefault(key, place)
    number = {key: index for index, key in enumerate(firsts)}
    return list(firsts.values()), [number[key] for key in keys]
