"""The proposer's words: a category, its rule and examples, and one new prompt as JSON (UniCorn, figure 8)."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from unictk.sprites.asked import Asked
from unictk.sprites.grammar.categories import categories, choose
from unictk.sprites.grammar.descriptions import say
from unictk.sprites.grammar.phrases import Phrases, Phrasing
from unictk.sprites.scenes import Scene

PROPOSE = Phrases(
    (
        "Write one new prompt. Category: {category}. {rule}{examples}",
        "Category: {category}. {rule}{examples} Write a new prompt.",
        "Give one new prompt of this category: {category}. {rule}{examples}",
    ),
    ("Write one new prompt of this category: {category}. {rule}{examples}",),
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a proposer wrote."""

    category: str
    subcategory: str
    prompt: str


def proposer_question(
    chance: random.Random, category: str, demonstrations: Sequence[str], phrasing: Phrasing
) -> str:
    """The category, its rule and prompts as examples."""
    rule = categories()[category].rule
    examples = " ".join([" Examples:", *demonstrations]) if demonstrations else ""
    return PROPOSE.pick(chance, phrasing).format(category=category, rule=rule, examples=examples)


def proposal(chance: random.Random, scene: Scene, category: str, phrasing: Phrasing) -> tuple[str, Asked]:
    """A proposer's answer whose prompt the scene fulfils, and what that prompt asks.

    Raises:
        ValueError: the category does not allow the scene's number of characters.
    """
    subcategory, asked = choose(chance, scene, category)
    return proposal_text(Proposal(category, subcategory, say(chance, asked, phrasing))), asked


def proposal_text(made: Proposal) -> str:
    """The method's JSON: ``major_category``, ``subcategory``, ``prompt``."""
    return json.dumps(
        {"major_category": made.category, "subcategory": made.subcategory, "prompt": made.prompt}
    )


def parse_proposal(text: str) -> Proposal | None:
    """The proposal, or None unless the text is exactly that JSON object."""
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(said, dict) or list(said) != ["major_category", "subcategory", "prompt"]:
        return None
    values = tuple(said.values())
    return Proposal(*values) if all(isinstance(value, str) for value in values) else None
