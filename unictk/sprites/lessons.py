"""What a model is taught about the world: one writer per kind of lesson, each giving samples.

A lesson's text comes from the grammar in its training phrasings, its pictures from an album. A writer takes
(chance, album, who is seated in the slots) and gives one sample; nothing here knows a backbone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from unictk.samples import Sample, Segment, Text
from unictk.sprites.coded import Album, Coded
from unictk.sprites.grammar.captions import caption, free_caption
from unictk.sprites.grammar.descriptions import HOLDS, Detail, prompt
from unictk.sprites.grammar.questions import QA, attribute_question, comparison, counting, yes_no

Writer = Callable[[random.Random, Album, tuple[int, ...]], Sample]

ROUNDS = 6
"""Mixed questions about one picture in one sample."""

DRILLED = 6
"""Yes-or-no questions in one drill."""

SOFT = {"shared": (4, 8, 16), "generation": (0, 4, 8), "understanding": (0, 4, 8)}
"""How many personal tokens of each group a lesson shows."""

ROWS = {"identifier": 1, "shared": 16, "generation": 8, "understanding": 8}
"""Rows of a known character."""


def mixed(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and mixed questions: attributes, comparisons, counts, some yes-or-no."""
    coded = _any(chance, album, 0.4)
    return _answered(chance, [coded.image()], [_question(chance, coded) for _ in range(ROUNDS)])


def drill(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and yes-or-no questions only, half of them no: equality is the slow skill."""
    coded = _any(chance, album, 0.3)
    asked = [yes_no(chance, coded.scene, chance.random() < 0.5, "training") for _ in range(DRILLED)]
    return _answered(chance, [coded.image()], asked)


def captioning(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and its one complete caption, or one of the prompts it fulfils."""
    coded = _any(chance, album, 0.35)
    if chance.random() < 0.75:
        return _answered(chance, [coded.image()], [caption(chance, coded.scene, "training")])
    asked = free_caption(chance, coded.scene, _detail(chance, coded), "training")
    return _answered(chance, [coded.image()], [asked])


def drawing(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A prompt and the picture it asks for."""
    coded = _any(chance, album, 0.35)
    text, _ = prompt(chance, coded.scene, _detail(chance, coded), "training")
    return Sample(Text(text), coded.image(target=True), seed=chance.getrandbits(62))


def recognition(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """Is this the known character in the slot? Half of the pictures show another one."""
    slot = chance.randrange(len(seated))
    shown = seated[slot] if chance.random() < 0.5 else chance.choice([n for n in seated if n != seated[slot]])
    coded = chance.choice(album.known[shown])
    name = f"<c{slot}>"
    frames = (f"Is {name} here?", f"Can you see {name} in the picture?", f"Does the picture show {name}?")
    first = QA(
        f"{_definition(chance, slot)}\n{chance.choice(frames)}", yes(shown == seated[slot]), "recognition"
    )
    more = [_question(chance, coded) for _ in range(2)]
    return _answered(chance, [coded.image()], [first, *more])


def drawing_known(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A known character by its personal tokens, sometimes with the place it is drawn in."""
    slot = chance.randrange(len(seated))
    coded = chance.choice(album.known[seated[slot]])
    shared, own = _some(chance, slot, "shared"), _some(chance, slot, "generation")
    who = f"{shared}{own} <c{slot}>"
    return Sample(Text(f"A photo of {who}."), coded.image(target=True), seed=chance.getrandbits(62))


WRITERS: Mapping[str, Writer] = {
    "mixed": mixed,
    "drill": drill,
    "caption": captioning,
    "drawing": drawing,
    "recognition": recognition,
    "drawing_known": drawing_known,
}
SHARES: Mapping[str, int] = {
    "mixed": 5, "drill": 5, "caption": 3, "drawing": 11, "recognition": 3, "drawing_known": 3,
}  # fmt: skip
"""Samples of each kind in a step."""

WEIGHTS: Mapping[str, float] = {
    "mixed": 0.5, "drill": 2.0, "caption": 0.5, "drawing": 1.0, "recognition": 0.5, "drawing_known": 0.25,
}  # fmt: skip
"""Weight of each kind's mean losses."""


def yes(truth: bool) -> str:
    """The two answers of a yes-or-no question."""
    return "Yes." if truth else "No."


def _answered(chance: random.Random, before: Sequence[Segment], asked: Sequence[QA]) -> Sample:
    """The questions one after another behind what stands before, every answer a target."""
    turns: list[Segment] = []
    for one in asked:
        turns += [Text(one.question), Text(one.answer, target=True)]
    return Sample(*before, *turns, seed=chance.getrandbits(62))


def _question(chance: random.Random, coded: Coded) -> QA:
    scene, draw = coded.scene, chance.random()
    if draw < 0.7:
        return attribute_question(chance, scene, "training")
    if draw < 0.85 and len(scene.characters) > 1:
        return comparison(chance, scene, "training")
    return counting(chance, scene, "training")


def _any(chance: random.Random, album: Album, pairs: float) -> Coded:
    return chance.choice(album.pairs if chance.random() < pairs else album.singles)


def _detail(chance: random.Random, coded: Coded) -> Detail:
    details: list[Detail] = [
        "dense",
        "dense",
        "dense",
        "medium",
        "medium",
        "medium",
        "short",
        "count",
        "negation",
    ]
    if len(coded.scene.characters) == 2:
        pair = coded.scene.characters
        if any(holds(*pair) or holds(*pair[::-1]) for holds in HOLDS.values()):
            details += ["relation"] * 4
    return chance.choice(details)


def _definition(chance: random.Random, slot: int) -> str:
    """``<c0> is <shared...><understanding...>.``, as the stages write it."""
    return f"<c{slot}> is {_some(chance, slot, 'shared')}{_some(chance, slot, 'understanding')}."


def _some(chance: random.Random, slot: int, group: str) -> str:
    """The first few soft tokens of a group; soft tokens count from the first behind the identifier."""
    first = {"shared": 0, "generation": ROWS["shared"], "understanding": ROWS["shared"] + ROWS["generation"]}[
        group
    ]
    return "".join(f"<c{slot}:{first + index}>" for index in range(chance.choice(SOFT[group])))
