"""The sentences that carry a concept's tokens (UniCTokens, section 3; spelled as the released code does)."""

from __future__ import annotations

from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError

PLACEHOLDER = "<sks>"
"""Stands for any concept in evaluation prompts."""


def _soft(concept: ConceptTokens, *groups: str) -> str:
    return concept.soft(*(group for group in groups if group in concept.groups))


def _drawn(concept: ConceptTokens) -> str:
    """The identifier behind the soft tokens that serve drawing; understanding tokens never draw."""
    soft = _soft(concept, "shared", "generation")
    return f"{soft} {concept}" if soft else str(concept)


def definition(concept: ConceptTokens) -> str:
    """``<C> is <shared...><understanding...>.``; empty when the concept has neither group."""
    soft = _soft(concept, "shared", "understanding")
    return f"{concept} is {soft}." if soft else ""


def ask(concept: ConceptTokens, question: str) -> str:
    """The definition, a new line and the question: what stands before every first question."""
    words = definition(concept)
    return f"{words}\n{question}" if words else question


def photo_of(concept: ConceptTokens) -> str:
    """``A photo of <shared...><generation...> <C>.``: the caption of every training picture."""
    return f"A photo of {_drawn(concept)}."


def expand(prompt: str, concept: ConceptTokens) -> str:
    """An evaluation prompt with the drawing tokens before each ``<C>`` or ``<sks>``.

    Expanding twice changes nothing more.

    Raises:
        UserError: the prompt names neither ``<C>`` nor ``<sks>``.
    """
    named = prompt.replace(PLACEHOLDER, str(concept))
    if str(concept) not in named:
        raise UserError(f"prompt: {prompt!r} does not name the concept; expected {concept} or {PLACEHOLDER}")
    drawn = _drawn(concept)
    return named.replace(drawn, str(concept)).replace(str(concept), drawn)


def rewriting(prompt: str) -> str:
    """Asks for the prompt with everything in it that the model knows of the concept (knowledge replay)."""
    return f"Rewrite the prompt with the facts: {prompt}"


def bridge_prompt(concept: ConceptTokens, human: bool) -> str:
    """What is drawn between stages 2 and 3 to find where a picture changes late."""
    place = "'s face in detail." if human else " in the middle of the photo."
    return f"A photo of {_drawn(concept)}{place}"
