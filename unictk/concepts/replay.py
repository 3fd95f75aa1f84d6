"""Knowledge replay: before it draws, a model puts what it knows of a concept into the prompt.

A prompt such as "<bo> wearing its hat" needs a fact that no photo shows. Answering with such facts is easier
than drawing from them, so the model is first asked, with the concept's definition before the question, to
write the prompt with the facts; what it says is drawn. OmniPersona (arXiv 2601.06965) found that this about
doubles knowledge-driven scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unictk.backbones.base import Backbone
from unictk.concepts import prompts
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import Request, Sampling, Text


@dataclass(frozen=True, slots=True)
class Wanted:
    """A prompt to rewrite, under a name and with a seed of its own."""

    prompt: str
    key: str
    seed: int


def replayed(
    backbone: Backbone, concepts: Sequence[ConceptTokens], wanted: Sequence[Wanted], sampling: Sampling
) -> list[str]:
    """The prompts as the model rewrites them, in one call.

    A prompt stays as it is where it names none of the concepts, and where the rewritten one no longer names
    all that it did: the picture would show somebody else. The concepts are attached.
    """
    named = [prompts.named_in(one.prompt, concepts) for one in wanted]
    requests = [
        Request(
            Text(prompts.ask_of(those, prompts.rewriting(one.prompt))),
            key=one.key,
            seed=one.seed,
            sampling=sampling,
        )
        for one, those in zip(wanted, named, strict=True)
        if those
    ]
    said = iter(backbone.generate_text(requests) if requests else ())
    return [
        _kept(one.prompt, next(said), those) if those else one.prompt
        for one, those in zip(wanted, named, strict=True)
    ]


def _kept(prompt: str, said: str, concepts: Sequence[ConceptTokens]) -> str:
    for concept in concepts:
        said = prompts.heard(said, concept)
    return said.strip() if len(prompts.named_in(said, concepts)) == len(concepts) else prompt
