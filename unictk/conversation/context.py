"""What a model reads before it answers: the picture, who its concepts are, and what was said so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unictk.backbones.base import Layout
from unictk.concepts import prompts
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError
from unictk.samples import Image, Sample, Segment, Text


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer."""

    question: str
    answer: str


def context(
    picture: Image | None, concepts: Sequence[ConceptTokens], turns: Sequence[Turn], question: str
) -> list[Segment]:
    """Segments of a question with everything before it: the published layout of a longer conversation.

    The definitions of the concepts stand before the first question, as in training. One concept is always
    defined; of several only those that are named.
    """
    asked = [*(turn.question for turn in turns), question]
    meant = concepts if len(concepts) == 1 else [one for one in concepts if str(one) in "\n".join(asked)]
    told = [words for one in meant if (words := prompts.definition(one))]
    asked[0] = "\n".join([*told, asked[0]])
    segments: list[Segment] = [] if picture is None else [picture]
    for words, turn in zip(asked, turns, strict=False):
        segments += [Text(words), Text(turn.answer, target=True)]
    return [*segments, Text(asked[-1])]


def most_turns(
    layout: Layout,
    picture: Image | None,
    concepts: Sequence[ConceptTokens],
    turns: Sequence[Turn],
    question: str,
    longest: int,
) -> int:
    """How many of the newest turns fit before the question, with room for an answer of ``longest`` tokens.

    Raises:
        UserError: the question does not fit even alone, be the answer as short as it may.
    """
    # A layout tells whether a sample fits, not how much is left: one-letter words stand for the answer.
    room = Text(" ".join(["a"] * longest), target=True)
    for count in range(len(turns), 0, -1):
        told = context(picture, concepts, turns[-count:], question)
        if layout.supports(Sample(*told, room)) is None:
            return count
    alone = Sample(*context(picture, concepts, (), question), Text("", target=True))
    if reason := layout.supports(alone):
        raise UserError(f"question: too long: {reason}")
    return 0


def drawing_words(prompt: str, concepts: Sequence[ConceptTokens]) -> str:
    """The prompt with the drawing tokens of every concept that it names; ``<sks>`` is the only one there is.

    Raises:
        UserError: it says ``<sks>``, but not exactly one concept is attached.
    """
    if prompts.PLACEHOLDER in prompt and len(concepts) != 1:
        told = ", ".join(map(str, concepts)) or "none"
        raise UserError(f"prompt: {prompts.PLACEHOLDER} stands for the one concept; attached: {told}")
    for concept in concepts:
        if prompts.PLACEHOLDER in prompt or str(concept) in prompt:
            prompt = prompts.expand(prompt, concept)
    return prompt
