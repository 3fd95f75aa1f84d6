"""What several writers of lessons need: pictures drawn from an album, conversations, personal tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from unictk.samples import Sample, Segment, Text
from unictk.sprites.coded import Album, Coded
from unictk.sprites.grammar.descriptions import HOLDS, Detail
from unictk.sprites.grammar.questions import QA, attribute_question, comparison, counting
from unictk.sprites.scenes import Scene

Writer = Callable[[random.Random, Album, tuple[int, ...]], Sample]
"""(chance, album, which known characters are seated in the slots) -> a sample."""

SOFT = {"shared": (4, 8, 16), "generation": (0, 4, 8), "understanding": (0, 4, 8)}
"""How many personal tokens of each group a lesson shows: any of these is then a usable size."""

ROWS = {"identifier": 1, "shared": 16, "generation": 8, "understanding": 8}
"""Rows of a known character."""

_FIRST = {"shared": 0, "generation": ROWS["shared"], "understanding": ROWS["shared"] + ROWS["generation"]}
"""Soft tokens count from the first behind the identifier."""

DETAILS: tuple[Detail, ...] = (*("dense",) * 3, *("medium",) * 3, "short", "count", "negation")
"""Kinds of prompts that any scene can serve, as often as they are written."""


def answered(chance: random.Random, before: Sequence[Segment], asked: Sequence[QA]) -> Sample:
    """The questions one after another behind what stands before, every answer a target."""
    turns: list[Segment] = []
    for one in asked:
        turns += [Text(one.question), Text(one.answer, target=True)]
    return Sample(*before, *turns, seed=chance.getrandbits(62))


def question(chance: random.Random, scene: Scene) -> QA:
    """An attribute, a comparison or a count."""
    draw = chance.random()
    if draw < 0.12:
        return counting(chance, scene, "training")
    if draw < 0.35 and len(scene.characters) > 1:
        return comparison(chance, scene, "training")
    return attribute_question(chance, scene, "training")


def any_of(chance: random.Random, album: Album, pairs: float) -> Coded:
    """A picture of two characters with probability ``pairs``, else of one."""
    return chance.choice(album.pairs if chance.random() < pairs else album.singles)


def detail(chance: random.Random, scene: Scene) -> Detail:
    """A kind of prompt that the scene can serve."""
    choices: list[Detail] = [*DETAILS]
    if len(scene.characters) == 2:
        pair = scene.characters
        if any(holds(*pair) or holds(*pair[::-1]) for holds in HOLDS.values()):
            choices += ["relation"] * 4
    return chance.choice(choices)


def defined(chance: random.Random, slot: int) -> str:
    """``<c0> is <shared...><understanding...>.``, as the stages of UniCTokens write it."""
    return f"<c{slot}> is {_some(chance, slot, 'shared')}{_some(chance, slot, 'understanding')}."


def drawn(chance: random.Random, slot: int) -> str:
    """``<shared...><generation...> <c0>``, as the stages write whom to draw."""
    return f"{_some(chance, slot, 'shared')}{_some(chance, slot, 'generation')} <c{slot}>"


def _some(chance: random.Random, slot: int, group: str) -> str:
    count = chance.choice(SOFT[group])
    return "".join(f"<c{slot}:{_FIRST[group] + index}>" for index in range(count))
