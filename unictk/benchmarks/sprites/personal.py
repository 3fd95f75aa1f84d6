"""Characters known by their personal tokens: recognised, told about, drawn, and drawn from their facts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unictk.benchmarks.sprites.drawing import Drawings, Planned, planned, to_draw
from unictk.benchmarks.sprites.items import (
    PHRASING,
    WORLD,
    Asking,
    Item,
    Questions,
    Scale,
    asked_in_words,
    many,
    picture,
)
from unictk.benchmarks.sprites.looking import PROMPT_TOKENS, about, anybody
from unictk.benchmarks.work import Scores
from unictk.chance import seed_of
from unictk.concepts import prompts
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.writers import BLACK
from unictk.judges.base import Judge, Verdict
from unictk.metrics.answers import conclusion, yes_or_no
from unictk.samples import Image, Segment, Text
from unictk.sprites.asked import Asked
from unictk.sprites.grammar import knowledge
from unictk.sprites.grammar.questions import QA
from unictk.sprites.grammar.recall import named_prompt, recall, rewriting, same_rewriting
from unictk.sprites.known import Known, known_characters
from unictk.sprites.scenes import IDENTITY, Identity
from unictk.sprites.splits import neighbours, random_scene
from unictk.sprites.variants import look_alike

COMPARED = ("positive", "random", "hard")
"""Kinds of recognition that are asked a second time, value by value."""

COMPARISON_TOKENS = 96


@dataclass(frozen=True, slots=True)
class Somebody:
    """A known character with its tokens, and the chance of its items."""

    who: Known
    tokens: ConceptTokens
    chance: random.Random

    @property
    def name(self) -> str:
        """``<c0>``."""
        return str(self.tokens)


def personal(asking: Asking, scale: Scale, concepts: Sequence[ConceptTokens]) -> list[Questions | Drawings]:
    """All subjects of this file; none without known characters."""
    if not concepts:
        return []

    def each(metric: str, count: int) -> list[tuple[int, Somebody]]:
        return _by_turns(metric, many(count, scale), asking.seed, concepts)

    judge = asking.judge

    def again(items: Sequence[Item]) -> list[Item]:
        return planned(items, "known", "planned_known", len(items) // 2)

    short = [
        *(_positive(*one) for one in each("known_positive", 240)),
        *(_random(*one) for one in each("known_random", 120)),
        *(_hard(*one) for one in each("known_hard", 240)),
        *(_fact(*one) for one in each("known_facts", 240)),
    ]
    rewrites = [_rewrite(*one) for one in each("known_rewrite", 96)]
    compared = [_compared(item) for item in short if item.metric.removeprefix("known_") in COMPARED]
    drawn = [_drawn(*one, judge) for one in each("known_drawn", 192)]
    needing = [_needing(*one, judge) for one in each("known_knowledge", 192)]
    return [
        Questions(asking, short, concepts=concepts),
        Questions(asking, compared, COMPARISON_TOKENS, concepts, _concludes),
        Questions(asking, rewrites, PROMPT_TOKENS, concepts, same_rewriting),
        Drawings(asking, drawn, _measure_drawn, concepts),
        Drawings(asking, needing, _measure_knowledge, concepts),
        Planned(asking, again(drawn), _measure_drawn, concepts),
        Planned(asking, again(needing), _measure_knowledge, concepts),
    ]


def _by_turns(
    metric: str, count: int, seed: int, concepts: Sequence[ConceptTokens]
) -> list[tuple[int, Somebody]]:
    known = known_characters()
    found = []
    for number in range(count):
        place = number % len(concepts)
        chance = random.Random(seed_of(seed, "sprites", "items", metric, number))
        found.append((number, Somebody(known[place], concepts[place], chance)))
    return found


def _positive(number: int, one: Somebody) -> Item:
    return _recognised("known_positive", number, one, one.who.identity)


def _random(number: int, one: Somebody) -> Item:
    """Anybody who differs in more than one attribute; every other one is known, too."""
    alike = {one.who.identity, *neighbours(one.who.identity)}
    while True:
        other = one.chance.choice(known_characters()).identity if number % 2 else anybody(one.chance)
        if other not in alike:
            return _recognised("known_random", number, one, other)


def _hard(number: int, one: Somebody) -> Item:
    return _recognised("known_hard", number, one, look_alike(one.chance, one.who.identity))


def _recognised(metric: str, number: int, one: Somebody, shown: Identity) -> Item:
    scene = random_scene(one.chance, WORLD, 1, shown)
    qa = knowledge.recognition(one.chance, one.name, shown == one.who.identity, PHRASING)
    return _asked(asked_in_words(metric, number, qa, [scene]), one, qa, [picture(scene)])


def _compared(item: Item) -> Item:
    """The same recognition once more, where the model says what it recalls and sees before it answers."""
    question = prompts.comparing(item.question)
    *before, asked = item.segments
    assert isinstance(asked, Text)
    return replace(
        item,
        metric=item.metric.replace("known", "compared"),
        question=question,
        segments=(*before, Text(asked.text.removesuffix(item.question) + question)),
    )


def _concludes(answer: str, reference: str) -> bool:
    return conclusion(answer) == yes_or_no(reference)


def _fact(number: int, one: Somebody) -> Item:
    qa = about(one.chance, number, one.name, one.who.identity, one.who.facts, looks=0.0)
    return _asked(asked_in_words("known_facts", number, qa), one, qa, [Image(BLACK, key="black")])


def _rewrite(number: int, one: Somebody) -> Item:
    needs = recall(one.chance, one.name, one.who.identity, one.who.facts, PHRASING)
    qa = rewriting(one.chance, needs, PHRASING)
    return _asked(asked_in_words("known_rewrite", number, qa), one, qa, [Image(BLACK, key="black")])


def _asked(item: Item, one: Somebody, qa: QA, before: Sequence[Segment]) -> Item:
    """The item with the character's definition before its question; records show the question alone."""
    return replace(item, segments=(*before, Text(prompts.ask(one.tokens, qa.question))))


def _drawn(number: int, one: Somebody, judge: Judge) -> Item:
    scene = random_scene(one.chance, WORLD, 1, one.who.identity)
    text, asked = named_prompt(one.chance, scene, 0, one.name, PHRASING)
    return _to_draw("known_drawn", number, one, text, asked, judge)


def _needing(number: int, one: Somebody, judge: Judge) -> Item:
    needs = recall(one.chance, one.name, one.who.identity, one.who.facts, PHRASING)
    return _to_draw("known_knowledge", number, one, needs.prompt, needs.asked, judge)


def _to_draw(metric: str, number: int, one: Somebody, text: str, asked: Asked, judge: Judge) -> Item:
    """The prompt with the drawing tokens before the name; records show it without."""
    item = to_draw(metric, number, text, asked, judge)
    return replace(item, segments=(Text(prompts.expand(text, one.tokens)),))


def _measure_drawn(item: Item, verdict: Verdict) -> Scores:
    return {item.metric: verdict.share, f"{item.metric}_all": float(verdict.all_right)}


def _measure_knowledge(item: Item, verdict: Verdict) -> Scores:
    """What only the facts tell, and the looks beside it."""
    looks = [f"0.{name}" for name in IDENTITY]
    told = [point for point in item.points.points() if point not in looks]
    share = {
        name: sum(verdict.right.get(point, False) for point in points) / len(points)
        for name, points in ((item.metric, told), (f"{item.metric}_looks", looks))
    }
    return share | {f"{item.metric}_all": float(verdict.all_right)}
