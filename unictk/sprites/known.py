"""Characters that pretraining knows by name: their personal tokens make the slot usable for new ones."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from unictk.chance import seed_of
from unictk.sprites.scenes import Identity
from unictk.sprites.splits import Facts, facts_of, identities_of

KNOWN = 160


@dataclass(frozen=True, slots=True)
class Known:
    """A known character: its number in the table of rows, who it is, and what no picture shows."""

    number: int
    identity: Identity
    facts: Facts


@cache
def known_characters(count: int = KNOWN) -> tuple[Known, ...]:
    """The known characters, all of the pretraining part of the world."""
    chance = random.Random(seed_of("sprites known characters"))
    who = chance.sample(identities_of("pretraining"), count)
    facts = [chance.choice(facts_of("pretraining")) for _ in who]
    return tuple(Known(number, *both) for number, both in enumerate(zip(who, facts, strict=True)))
