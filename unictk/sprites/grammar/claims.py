"""A prompt taken apart into closed questions about its picture, one a point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unictk.sprites.asked import ATTRIBUTES, SETTING, Asked
from unictk.sprites.grammar.descriptions import BETWEEN
from unictk.sprites.grammar.phrases import NUMBERS, Phrasing, sentence
from unictk.sprites.grammar.predicates import stated
from unictk.sprites.grammar.questions import HOW_MANY, TRUE, yes

CLOSED = (yes(True), yes(False))
"""Answers to a claim."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A closed question about a point of :meth:`Asked.points`, which is right if the answer is ``right``."""

    point: str
    question: str
    options: tuple[str, ...]
    right: str


def claims(asked: Asked, phrasing: Phrasing) -> list[Claim]:
    """A question a point, in the order of :meth:`Asked.points`."""
    questions = _questions(asked, phrasing)
    return [Claim(point, *rest) for point, rest in zip(asked.points(), questions, strict=True)]


def _questions(asked: Asked, phrasing: Phrasing) -> Iterator[tuple[str, tuple[str, ...], str]]:
    def claim(words: str, truth: bool = True) -> tuple[str, tuple[str, ...], str]:
        return sentence(TRUE.of(phrasing)[0].format(say=words, ask=words)), CLOSED, yes(truth)

    if asked.setting is not None:
        yield claim(stated("setting", asked.setting, ""))
    for who in asked.characters:
        for name in (one for one in ATTRIBUTES if one in who):
            yield claim(stated(name, who[name], called(who, name), who.get("accessory", "")))
    for name, one, other in asked.relations:
        names = [called(asked.characters[at], "") for at in (one, other)]
        yield claim(f"{names[0]} is {BETWEEN[name][0]} {names[1]}")
    if asked.count is not None:
        yield HOW_MANY.of(phrasing)[0], NUMBERS, NUMBERS[asked.count]
    for index, name, value in asked.refused:
        whose = called(asked.characters[index], name) if index != SETTING else ""
        yield claim(stated(name, value, whose), False)


def called(who: Mapping[str, str], hidden: str) -> str:
    """``the red star``, as far as the prompt tells; without the attribute that is asked for."""
    told = {name: word for name, word in who.items() if name != hidden}
    noun = told.get("shape", "character")
    return f"the {told['colour']} {noun}" if "colour" in told else f"the {noun}"
