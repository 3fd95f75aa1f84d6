"""What a model makes of a prompt before it draws it: its facts put in, or the whole picture told in words.

Knowledge replay: a prompt such as "<bo> wearing its hat" needs a fact that no photo shows. Answering with
such facts is easier than drawing from them, so the model is first asked, with the concept's definition before
the question, to write the prompt with the facts; what it says is drawn. OmniPersona (arXiv 2601.06965) found
that this about doubles knowledge-driven scores.

Planning: a prompt leaves most of a picture open, and cells that are drawn in the same step decide it each for
itself. A model that first describes the picture decides it in order, one word after another, and draws what
nothing is open in. A concept's looks and facts are in the description too, as far as the model can tell them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from unictk.backbones.base import Backbone
from unictk.concepts import prompts
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import Request, Sampling, Text

LEAST_TOKENS = 128
"""A prompt is written in at least so many tokens, however short answers are."""

How = Literal["replay", "plan"]

ASKED = {"replay": prompts.rewriting, "plan": prompts.planning}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A prompt to rewrite, under a name and with a seed of its own."""

    prompt: str
    key: str
    seed: int


def rewritten(
    backbone: Backbone,
    concepts: Sequence[ConceptTokens],
    wanted: Sequence[Wanted],
    sampling: Sampling,
    how: How,
) -> list[str]:
    """The prompts as the model rewrites them, in one call.

    Replay leaves a prompt as it is where it names none of the concepts, and where the rewritten one no longer
    names all that it did: the picture would show somebody else. A plan names nobody: it describes. An empty
    answer leaves the prompt as it is. The concepts are attached.
    """
    named = [prompts.named_in(one.prompt, concepts) for one in wanted]
    asked = [how == "plan" or bool(those) for those in named]
    settings = replace(sampling, max_new_tokens=max(LEAST_TOKENS, sampling.max_new_tokens))
    requests = [
        Request(
            Text(prompts.ask_of(those, ASKED[how](one.prompt))), key=one.key, seed=one.seed, sampling=settings
        )
        for one, those, ask in zip(wanted, named, asked, strict=True)
        if ask
    ]
    said = iter(backbone.generate_text(requests) if requests else ())
    return [
        _kept(one.prompt, next(said), those, how) if ask else one.prompt
        for one, those, ask in zip(wanted, named, asked, strict=True)
    ]


def _kept(prompt: str, said: str, concepts: Sequence[ConceptTokens], how: How) -> str:
    for concept in concepts:
        said = prompts.heard(said, concept)
    if how == "replay" and len(prompts.named_in(said, concepts)) != len(concepts):
        return prompt
    return said.strip() or prompt
