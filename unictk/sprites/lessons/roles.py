"""Lessons for the roles of self-play: judging a picture, proposing a prompt, drawing after a critique."""

from __future__ import annotations

import random

from unictk.samples import Sample, Segment, Text
from unictk.sprites.coded import Album, Coded
from unictk.sprites.grammar.categories import categories
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.grammar.questions import QA, yes
from unictk.sprites.grammar.selfplay import parse_proposal, proposal, proposer_question
from unictk.sprites.grammar.verdicts import CLEAR, critique, judge_question, redraw, verdict_on
from unictk.sprites.lessons.parts import answered, any_of, detail
from unictk.sprites.oracle import score

MOST_EXAMPLES = 3
"""Demonstrations before a proposal."""

MOST_POINTS = 24
"""Points of two verdicts in one lesson: more would not fit the small model's positions."""

LOOKED = 0.5
"""Share of judgements in which the picture comes first and whether it is clear is asked before any prompt."""


def judging(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A prompt, a picture that follows it more or less, and the verdict; then often another prompt for it."""
    wanted, shown = _tried(chance, album)
    question, verdict, points = _judged(chance, wanted, shown)
    if chance.random() < LOOKED:
        clear = QA(CLEAR.pick(chance, "training"), yes(shown.readable), "clear")
        return answered(chance, [shown.image()], [clear, QA(question, verdict, "verdict")])
    turns: list[Segment] = [Text(question), shown.image(), Text(verdict, target=True)]
    other = chance.choice((wanted, shown, any_of(chance, album, 0.4)))
    question, verdict, more = _judged(chance, other, shown)
    if points + more <= MOST_POINTS:
        turns += [Text(question), Text(verdict, target=True)]
    return Sample(*turns, seed=chance.getrandbits(62))


def proposing(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A category, its rule, some examples, and one new prompt."""
    category = chance.choice(tuple(categories()))
    answer = _proposal(chance, album, category)
    examples = []
    for _ in range(chance.randint(0, MOST_EXAMPLES)):
        made = parse_proposal(_proposal(chance, album, category))
        assert made is not None
        examples.append(made.prompt)
    asked = proposer_question(chance, category, examples, "training")
    return answered(chance, [], [QA(asked, answer, "proposal")])


def reflecting(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture that misses its prompt, what is wrong with it, and the picture that was meant."""
    meant, losing = _failed(chance, album)
    text, asked = prompt(chance, meant.scene, detail(chance, meant.scene), "training")
    wrong = critique(asked, score(asked, losing.reading()).each)
    return Sample(
        losing.image(),
        Text(redraw(chance, text, wrong, "training")),
        meant.image(target=True),
        seed=chance.getrandbits(62),
    )


def _judged(chance: random.Random, wanted: Coded, shown: Coded) -> tuple[str, str, int]:
    """The question with a prompt for one picture, how another one does, and the number of points."""
    text, asked = prompt(chance, wanted.scene, detail(chance, wanted.scene), "training")
    return judge_question(chance, text, "training"), verdict_on(asked, shown.reading()), len(asked.points())


def _tried(chance: random.Random, album: Album) -> tuple[Coded, Coded]:
    """(what was meant, what is shown): the same, a variant, something spoilt, or anything else."""
    draw = chance.random()
    if draw < 0.25:
        coded = any_of(chance, album, 0.4)
        return coded, coded
    if draw < 0.4:
        return chance.choice(album.blends)
    if draw < 0.7:
        return chance.choice(album.drawn or album.blends)
    if draw < 0.95:
        return _failed(chance, album)
    return any_of(chance, album, 0.4), any_of(chance, album, 0.4)


def _failed(chance: random.Random, album: Album) -> tuple[Coded, Coded]:
    """(what was meant, a variant or something spoilt)."""
    draw = chance.random()
    if draw < 0.5:
        both = chance.choice(album.variants)
        return both if chance.random() < 0.5 else both[::-1]
    if draw < 0.75:
        return chance.choice(album.spoilt if draw < 0.65 else album.blends)
    return chance.choice(album.drawn or album.blends)


def _proposal(chance: random.Random, album: Album, category: str) -> str:
    allowed = categories()[category].characters
    while True:
        coded = any_of(chance, album, 0.5)
        if len(coded.scene.characters) in allowed:
            try:
                return proposal(chance, coded.scene, category, "training")[0]
            except ValueError:  # two characters that stand alike have no relation: take others
                continue
