"""The sentences that carry a concept's tokens (UniCTokens, section 3; spelled as the released code does).

Where a model has no tokens of it, words stand in their places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from unictk.concepts.names import PLACEHOLDER
from unictk.concepts.tokens import ConceptTokens
from unictk.concepts.told import ToldConcept
from unictk.errors import UserError


def _soft(concept: ConceptTokens, *groups: str) -> str:
    return concept.soft(*(group for group in groups if group in concept.groups))


def _drawn(concept: ConceptTokens) -> str:
    """The identifier behind the soft tokens that serve drawing; understanding tokens never draw."""
    soft = _soft(concept, "shared", "generation")
    return f"{soft} {concept}" if soft else str(concept)


def spoken(text: str, concept: ConceptTokens) -> str:
    """``text`` as the model can read it: a concept without tokens is called by its word."""
    return text.replace(str(concept), concept.word) if isinstance(concept, ToldConcept) else text


def heard(text: str, concept: ConceptTokens) -> str:
    """The inverse of :func:`spoken` for what the model says: ``<C>`` again wherever it means the concept."""
    if not isinstance(concept, ToldConcept):
        return text
    return re.sub(rf"(?<![\w<]){re.escape(concept.word)}(?![\w>])", lambda _: str(concept), text)


def definition(concept: ConceptTokens) -> str:
    """``<C> is <shared...><understanding...>.``, or what is told in words; empty where there is neither."""
    if isinstance(concept, ToldConcept):
        return spoken(concept.told, concept)
    soft = _soft(concept, "shared", "understanding")
    return f"{concept} is {soft}." if soft else ""


def ask(concept: ConceptTokens, question: str) -> str:
    """The definition, a new line and the question: what stands before every first question."""
    return _behind(definition(concept), spoken(question, concept))


def ask_of(concepts: Sequence[ConceptTokens], question: str) -> str:
    """The question behind the definitions of several concepts, a line each."""
    for concept in reversed(concepts):
        question = ask(concept, question)
    return question


def named_in(text: str, concepts: Sequence[ConceptTokens]) -> list[ConceptTokens]:
    """The concepts that a text names, in their own order."""
    return [concept for concept in concepts if str(concept) in heard(text, concept)]


def photo_of(concept: ConceptTokens) -> str:
    """``A photo of <shared...><generation...> <C>.``: the caption of every training picture."""
    return f"A photo of {_drawn(concept)}."


def expand(prompt: str, concept: ConceptTokens) -> str:
    """An evaluation prompt with the drawing tokens before each ``<C>`` or ``<sks>``.

    Of a concept that is told in words, what is told stands once before the prompt, as before a question.
    Expanding twice changes nothing more.

    Raises:
        UserError: the prompt names neither ``<C>`` nor ``<sks>``.
    """
    named = heard(prompt.replace(PLACEHOLDER, str(concept)), concept)
    if str(concept) not in named:
        raise UserError(f"prompt: {prompt!r} does not name the concept; expected {concept} or {PLACEHOLDER}")
    if isinstance(concept, ToldConcept):
        words, plain = definition(concept), spoken(named, concept)
        return plain if words and plain.startswith(f"{words}\n") else _behind(words, plain)
    drawn = _drawn(concept)
    return named.replace(drawn, str(concept)).replace(str(concept), drawn)


def rewriting(prompt: str) -> str:
    """Asks for the prompt with everything in it that the model knows of the concept (knowledge replay)."""
    return f"Rewrite the prompt with the facts: {prompt}"


def planning(prompt: str) -> str:
    """Asks for the whole picture in words before it is drawn."""
    return f"Describe the picture that this prompt asks for: {prompt}"


def comparing(question: str) -> str:
    """Asks to say what is recalled and what is seen before the answer (recognition, one value at a time)."""
    return f"{question} Compare first."


def bridge_prompt(concept: ConceptTokens, human: bool) -> str:
    """What is drawn between stages 2 and 3 to find where a picture changes late."""
    place = "'s face in detail." if human else " in the middle of the photo."
    return f"A photo of {_drawn(concept)}{place}"


def _behind(words: str, text: str) -> str:
    return f"{words}\n{text}" if words else text
