"""UniCycle in the sprites world: held-out scenes and words, and references that nobody has to guess."""

from __future__ import annotations

import random

from unictk.benchmarks.sprites.items import PHRASING, WORLD, Scale, many
from unictk.benchmarks.unicycle.questions import NAME, Cycle, uncovered
from unictk.benchmarks.unicycle.sprites_questions import questions_of
from unictk.chance import seed_of
from unictk.sprites.asked import Asked
from unictk.sprites.grammar.descriptions import Detail, prompt, relations
from unictk.sprites.lessons.parts import DETAILS
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import random_scene

GROUPS = {"one": 160, "two": 120, "relation": 120}
"""Prompts of a full benchmark: of one character, of two, and of two with a relation between them."""

SOURCE = "unicycle_sprites"


def sprites_cycles(seed: int, scale: Scale) -> list[Cycle]:
    """The whole work list; equal seeds give equal ones, and a shorter one begins a longer one's groups."""
    return [
        _cycle(group, number, random.Random(seed_of(seed, NAME, "items", group, number)))
        for group, count in GROUPS.items()
        for number in range(many(count, scale))
    ]


def _cycle(group: str, number: int, chance: random.Random) -> Cycle:
    """A prompt whose every point can be asked by itself; others are not taken, as in the published set."""
    while True:
        scene = random_scene(chance, WORLD, 1 if group == "one" else 2)
        found = _prompt(chance, scene, group)
        if found is None:
            continue
        detail, text, asked = found
        questions = questions_of(chance, asked)
        if not uncovered(asked.points(), questions):
            return Cycle(f"{group}-{number:04d}", text, detail, tuple(questions), (group,), asked)


def _prompt(chance: random.Random, scene: Scene, group: str) -> tuple[Detail, str, Asked] | None:
    """A kind of prompt with its text and what it asks; None where the scene has no relation to tell."""
    detail: Detail = "relation" if group == "relation" else chance.choice(DETAILS)
    if detail == "relation" and not relations(scene.characters):
        return None
    return detail, *prompt(chance, scene, detail, PHRASING)
