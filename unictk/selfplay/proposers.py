"""Who writes prompts: the model itself, or for comparison the grammar of the sprites world."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge

from unictk.backbones.base import Backbone
from unictk.samples import Request, Sampling, Text
from unictk.selfplay.proposing import Ask
from unictk.sprites.grammar.categories import categories
from unictk.sprites.grammar.selfplay import proposal
from unictk.sprites.splits import random_scene


class ModelProposer:
    """The backbone writes (UniCorn, section 3.3.1): one answer a question, each as it would be alone.

    Args:
        backbone: who writes.
        max_new_tokens: of an answer.
    """

    def __init__(self, backbone: Backbone, max_new_tokens: Annotated[int, Ge(1)]) -> None:
        self.backbone, self.max_new_tokens = backbone, max_new_tokens

    def say(self, asks: Sequence[Ask], category: str) -> list[str]:
        """An answer per question; the question names its category itself."""
        return self.backbone.generate_text([self._request(ask) for ask in asks])

    def _request(self, ask: Ask) -> Request:
        sampling = Sampling(max_new_tokens=self.max_new_tokens, text_temperature=ask.temperature)
        return Request(Text(ask.question.text), seed=ask.seed, sampling=sampling)


class GrammarProposer:
    """The grammar writes a prompt of a random scene of pretraining, whatever the examples are."""

    def say(self, asks: Sequence[Ask], category: str) -> list[str]:
        """An answer per question, in the form that a model gives.

        Raises:
            KeyError: a category that is none of the sprites world's.
        """
        return [_written(category, ask.seed) for ask in asks]


Proposer = ModelProposer | GrammarProposer


def _written(category: str, seed: int) -> str:
    chance = random.Random(seed)
    while True:
        scene = random_scene(chance, "pretraining", chance.choice(categories()[category].characters))
        try:
            return proposal(chance, scene, category, "training")[0]
        except ValueError:  # characters that stand alike have no relation: take another scene
            continue
