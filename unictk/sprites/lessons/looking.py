"""Lessons about pictures as they are: questions, captions, comparisons, and drawing from a prompt."""

from __future__ import annotations

import random

from unictk.samples import Sample, Text
from unictk.sprites.coded import Album
from unictk.sprites.grammar.captions import caption, free_caption
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.grammar.pairs import pair_question
from unictk.sprites.grammar.questions import yes_no
from unictk.sprites.lessons.parts import answered, any_of, detail, question

ROUNDS = 6
"""Questions about one picture in one sample."""


def mixed(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and mixed questions: attributes, comparisons, counts."""
    coded = any_of(chance, album, 0.4)
    return answered(chance, [coded.image()], [question(chance, coded.scene) for _ in range(ROUNDS)])


def drill(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and yes-or-no questions only, half of them no: equality is the slow skill."""
    coded = any_of(chance, album, 0.3)
    asked = [yes_no(chance, coded.scene, chance.random() < 0.5, "training") for _ in range(ROUNDS)]
    return answered(chance, [coded.image()], asked)


def captioning(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and its one complete caption, or one of the prompts it fulfils."""
    coded = any_of(chance, album, 0.35)
    if chance.random() < 0.75:
        return answered(chance, [coded.image()], [caption(chance, coded.scene, "training")])
    free = free_caption(chance, coded.scene, detail(chance, coded.scene), "training")
    return answered(chance, [coded.image()], [free])


def comparing(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """Two pictures of one character each and questions about both."""
    known = chance.randrange(len(album.known))
    one = chance.choice(album.known[known])
    draw = chance.random()
    if draw < 0.4:
        other = chance.choice(album.known[known])
    elif draw < 0.75:
        other = chance.choice(album.look_alikes[known])
    else:
        other = chance.choice(album.singles)
    both = (one, other) if chance.random() < 0.5 else (other, one)
    asked = [pair_question(chance, both[0].scene, both[1].scene, "training") for _ in range(ROUNDS)]
    return answered(chance, [coded.image() for coded in both], asked)


def drawing(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A prompt and the picture it asks for."""
    coded = any_of(chance, album, 0.35)
    text, _ = prompt(chance, coded.scene, detail(chance, coded.scene), "training")
    return Sample(Text(text), coded.image(target=True), seed=chance.getrandbits(62))
