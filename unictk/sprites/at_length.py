"""What is said of a concept at length: all of its looks, one value after another.

Questions about one attribute teach a concept's rows to answer with it; whether a picture shows the concept,
and what a drawing of it has to show, needs every attribute in one answer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from unictk.chance import seed_of
from unictk.concepts import prompts
from unictk.sprites.grammar import knowledge
from unictk.sprites.grammar.descriptions import canonical
from unictk.sprites.grammar.recall import named_prompt
from unictk.sprites.scenes import Identity, Scene
from unictk.sprites.story import Exchange


def comparisons(name: str, identity: Identity, scenes: Sequence[Scene]) -> list[Exchange]:
    """Whether each scene's one character is the concept, its values recalled and seen before the answer."""
    chance = random.Random(seed_of("comparisons", name))
    found = []
    for scene in scenes:
        (one,) = scene.characters
        asked = knowledge.compared(chance, name, identity, one.identity, "training")
        found.append((asked.question, asked.answer))
    return found


def descriptions(name: str, scenes: Sequence[Scene]) -> list[Exchange]:
    """A prompt about the concept that each scene fulfils, and the scene's complete caption.

    The first is the prompt of every training picture, without anything but the name.
    """
    chance = random.Random(seed_of("descriptions", name))
    found = []
    for number, scene in enumerate(scenes):
        asked, _ = named_prompt(chance, scene, 0, name, "training")
        text = f"A photo of {name}." if number == 0 else asked
        found.append((prompts.planning(text), canonical(scene)))
    return found
