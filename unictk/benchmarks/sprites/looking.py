"""Questions on pictures (attributes, counts, claims, captions, pairs) and on somebody told in words."""

from __future__ import annotations

import random
from collections.abc import Callable

from unictk.benchmarks.sprites.items import (
    PHRASING,
    WORLD,
    Asking,
    Item,
    Questions,
    Scale,
    asked_in_words,
    made,
    many,
)
from unictk.sprites.grammar import knowledge
from unictk.sprites.grammar.captions import caption
from unictk.sprites.grammar.knowledge import NAMES
from unictk.sprites.grammar.pairs import pair_question
from unictk.sprites.grammar.questions import QA, attribute_question, comparison, counting, yes_no
from unictk.sprites.grammar.recall import recall, rewriting, same_rewriting
from unictk.sprites.scenes import Identity
from unictk.sprites.splits import Facts, facts_of, hard_negatives, identities_of, random_scene
from unictk.sprites.variants import look_alike

CAPTION_TOKENS = 96
PROMPT_TOKENS = 64

Write = Callable[[random.Random, int], Item]
"""Makes item number n."""


def looking(asking: Asking, scale: Scale) -> list[Questions]:
    """All subjects of this file."""

    def some(metric: str, count: int, write: Write) -> list[Item]:
        return made(metric, many(count, scale), asking.seed, write)

    short = [
        *some("qa", 400, _attribute(1)),
        *some("qa_two", 300, _attribute(2)),
        *some("counting", 200, _count),
        *some("comparison", 300, _comparison),
        *some("yes_no", 400, _yes_no(1)),
        *some("yes_no_two", 300, _yes_no(2)),
        *some("pairs", 300, _two_pictures),
        *some("in_context", 400, _in_context),
    ]
    captions = [*some("caption_exact", 200, _caption(1)), *some("caption_exact_two", 200, _caption(2))]
    return [
        Questions(asking, short),
        Questions(asking, captions, CAPTION_TOKENS),
        Questions(asking, some("rewrite", 160, _rewrite), PROMPT_TOKENS, is_right=same_rewriting),
    ]


SUFFIX = {1: "", 2: "_two"}
"""Of metrics, by the number of characters in the picture."""


def _attribute(characters: int) -> Write:
    def write(chance: random.Random, number: int) -> Item:
        scene = random_scene(chance, WORLD, characters)
        qa = attribute_question(chance, scene, PHRASING)
        metric = f"qa{SUFFIX[characters]}"
        return asked_in_words(metric, number, qa, [scene], tags=(f"{metric}_{qa.kind}",))

    return write


def _yes_no(characters: int) -> Write:
    def write(chance: random.Random, number: int) -> Item:
        scene = random_scene(chance, WORLD, characters)
        qa = yes_no(chance, scene, number % 2 == 0, PHRASING)
        return asked_in_words(f"yes_no{SUFFIX[characters]}", number, qa, [scene])

    return write


def _caption(characters: int) -> Write:
    def write(chance: random.Random, number: int) -> Item:
        scene = random_scene(chance, WORLD, characters)
        qa = caption(chance, scene, PHRASING)
        return asked_in_words(f"caption_exact{SUFFIX[characters]}", number, qa, [scene])

    return write


def _count(chance: random.Random, number: int) -> Item:
    scene = random_scene(chance, WORLD, 1 + number % 2)
    return asked_in_words("counting", number, counting(chance, scene, PHRASING), [scene])


def _comparison(chance: random.Random, number: int) -> Item:
    scene = random_scene(chance, WORLD, 2)
    return asked_in_words("comparison", number, comparison(chance, scene, PHRASING), [scene])


def _two_pictures(chance: random.Random, number: int) -> Item:
    """The same character, one that differs in one attribute, or any other."""
    one = anybody(chance)
    while not hard_negatives(one):
        one = anybody(chance)
    draw = chance.random()
    other = one if draw < 0.4 else look_alike(chance, one) if draw < 0.75 else anybody(chance)
    first, second = (random_scene(chance, WORLD, 1, who) for who in chance.sample((one, other), 2))
    qa = pair_question(chance, first, second, PHRASING)
    return asked_in_words("pairs", number, qa, [first, second])


def _in_context(chance: random.Random, number: int) -> Item:
    name, who, facts = stranger(chance)
    words = knowledge.definition(chance, name, who, facts, PHRASING)
    return asked_in_words("in_context", number, about(chance, number, name, who, facts), before=words)


def _rewrite(chance: random.Random, number: int) -> Item:
    name, who, facts = stranger(chance)
    words = knowledge.definition(chance, name, who, facts, PHRASING)
    qa = rewriting(chance, recall(chance, name, who, facts, PHRASING), PHRASING)
    return asked_in_words("rewrite", number, qa, before=words)


def stranger(chance: random.Random) -> tuple[str, Identity, Facts]:
    """A name, an identity and facts, all unseen in pretraining but the name."""
    return chance.choice(NAMES), anybody(chance), chance.choice(facts_of(WORLD))


def anybody(chance: random.Random) -> Identity:
    """Any identity that pretraining did not see."""
    return chance.choice(identities_of(WORLD))


def about(
    chance: random.Random, number: int, name: str, who: Identity, facts: Facts, looks: float = 0.4
) -> QA:
    """By turns a value and a claim, true by turns; about the looks with probability ``looks``."""
    truth = number % 4 < 2
    if chance.random() < looks:
        if number % 2:
            return knowledge.looks_question(chance, name, who, PHRASING)
        return knowledge.looks_yes_no(chance, name, who, truth, PHRASING)
    if number % 2:
        return knowledge.fact_question(chance, name, facts, PHRASING)
    return knowledge.fact_yes_no(chance, name, facts, truth, PHRASING)
