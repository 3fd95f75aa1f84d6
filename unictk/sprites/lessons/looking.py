"""Lessons about pictures as they are: questions, captions, comparisons, and drawing from a prompt."""

from __future__ import annotations

import random

import torch

from unictk.samples import Sample, Text
from unictk.sprites.asked import Asked
from unictk.sprites.coded import Album
from unictk.sprites.grammar.captions import caption, free_caption
from unictk.sprites.grammar.descriptions import canonical, choose, named, prompt, say
from unictk.sprites.grammar.pairs import pair_question
from unictk.sprites.grammar.questions import (
    QA,
    claim_question,
    counting,
    referents,
    value_question,
    value_then_claim,
    yes_no,
)
from unictk.sprites.lessons.parts import answered, any_of, detail, question
from unictk.sprites.render import covered
from unictk.sprites.scenes import Scene

ROUNDS, CLAIMS = 10, 10
"""Questions about one picture in one sample, and in a drill."""

SKETCHED = 4
"""Questions about one sketch."""

SHOWN = 0.4
"""Share of inpaintings that show some cells of the characters."""

CAPTIONS = 0.5
"""Share of drawings whose prompt is the caption: where every word has its place, colours are found first."""


def mixed(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and mixed questions: attributes, comparisons, counts."""
    coded = any_of(chance, album, 0.65)
    return answered(chance, [coded.image()], [question(chance, coded.scene) for _ in range(ROUNDS)])


def told(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """The questions and claims of the other lessons about a picture that is told in words.

    Which of two characters is meant and what is said of it are two steps, as with claims: learnt in words
    first, they are found in pictures.
    """
    scene = any_of(chance, album, 0.8).scene
    asked: list[QA] = []
    while len(asked) < ROUNDS:
        if chance.random() < 0.6:
            asked.append(question(chance, scene))
        else:
            asked.append(yes_no(chance, scene, chance.random() < 0.5, "training"))
    first = QA(f"{canonical(scene)}\n{asked[0].question}", asked[0].answer, asked[0].kind)
    return answered(chance, [], [first, *asked[1:]])


def sketched(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A few words about two characters, questions and claims about what was said; then of others.

    The step from ``the star`` to what was said of it, without anything else to tell.
    """
    asked: list[QA] = []
    while len(asked) < ROUNDS:
        scene = chance.choice(album.pairs).scene
        sketch = choose(chance, scene, "medium")
        first, *more = _about(chance, scene, sketch)
        asked += [QA(f"{say(chance, sketch, 'training')}\n{first.question}", first.answer, first.kind), *more]
    return answered(chance, [], asked)


def _about(chance: random.Random, scene: Scene, sketch: Asked) -> list[QA]:
    """Up to :data:`SKETCHED` questions and claims about values that the sketch names."""
    subjects = []
    for words in sketch.characters:
        index = next(at for at, one in enumerate(scene.characters) if words.items() <= named(one).items())
        calls = {"shape": f"the {words.get('shape')}", "colour": f"the {words.get('colour')} character"}
        for about in words:
            known = [calls[name] for name in calls if name in words and name != about]
            if known := [who for who in known if who in referents(scene, index, about)]:
                subjects.append((index, about, chance.choice(known)))
    asked = []
    for index, about, who in chance.sample(subjects, min(SKETCHED, len(subjects))):
        if chance.random() < 0.5:
            asked.append(value_question(chance, scene, index, about, who, "training"))
        else:
            asked.append(claim_question(chance, scene, index, about, who, chance.random() < 0.5, "training"))
    return asked or [counting(chance, scene, "training")]


def drill(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and claims, half of them wrong; some follow a question for the value they are about."""
    coded = any_of(chance, album, 0.45)
    asked: list[QA] = []
    while len(asked) < CLAIMS:
        truth = chance.random() < 0.5
        if chance.random() < 0.4:
            asked += value_then_claim(chance, coded.scene, truth, "training")
        else:
            asked.append(yes_no(chance, coded.scene, truth, "training"))
    return answered(chance, [coded.image()], asked)


def captioning(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and its one complete caption, or one of the prompts it fulfils."""
    coded = any_of(chance, album, 0.6)
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


def inpainting(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A prompt, a picture without its characters, and the cells that are missing.

    A character is a seventh of a picture and its eyes are two cells, so the mean loss of whole pictures is
    mostly scenery; here nearly every cell has to follow the words.
    """
    coded = any_of(chance, album, 0.2)
    text = canonical(coded.scene)
    if chance.random() > CAPTIONS:
        text, _ = prompt(chance, coded.scene, chance.choice(("dense", "medium")), "training")
    missing = torch.from_numpy(covered(coded.scene, round(coded.codes.numel() ** 0.5))).flatten()
    if chance.random() < SHOWN:
        where = missing.nonzero().flatten().tolist()
        missing[chance.sample(where, chance.randrange(len(where)))] = False
    return Sample(Text(text), coded.image(target=True, masked=missing), seed=chance.getrandbits(62))


def drawing(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A prompt, or the complete caption in its one form, and the picture it asks for."""
    coded = any_of(chance, album, 0.2)
    text = canonical(coded.scene)
    if chance.random() > CAPTIONS:
        text, _ = prompt(chance, coded.scene, detail(chance, coded.scene), "training")
    return Sample(Text(text), coded.image(target=True), seed=chance.getrandbits(62))
