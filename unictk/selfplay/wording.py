"""What the roles of self-play are told: one way of saying it per kind of model.

The roles are prompts on the same weights (UniCorn, section 3.2). :class:`Wording` is what any set of prompts
gives; ``paper_wording.py`` has the method's for models that follow instructions, ``sprites_wording.py`` the
short ones that the small model of the sprites world was taught.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from unictk.selfplay.categories import Category
from unictk.sprites.asked import Asked

Flavour = Literal["caption", "prompt"]
"""What a caption is asked for as: a description, or the prompt that the picture was drawn from."""

_ASKS_FOR_A_PICTURE = re.compile(
    r"\b(generate|create|draw|make|render)\b.{0,20}\b(image|picture|photo|illustration)\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words; ``system`` is the standing part, for models that keep it apart."""

    user: str
    system: str = ""

    @property
    def text(self) -> str:
        """Both parts as one text."""
        return f"{self.system}\n\n{self.user}" if self.system else self.user


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A prompt that is shown to the proposer as an example."""

    prompt_uid: str
    subcategory: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Points:
    """A prompt taken apart.

    ``asked`` has the points; ``judgement`` gives the answer to :meth:`Wording.judge` that says which of them
    are right.
    """

    asked: Asked
    judgement: Callable[[Mapping[str, bool]], str]


class Wording(Protocol):
    """What each role is told. ``chance`` picks among ways of saying it, and nothing else is random.

    ``name`` stands in records. ``asks_subcategory``: the proposer is told which subcategory to write for.
    ``takes_apart``: its prompts are of a grammar, so that a judge can be asked point by point.
    """

    name: str
    asks_subcategory: bool
    takes_apart: bool

    def propose(
        self,
        category: Category,
        subcategory: str,
        demonstrations: Sequence[Demonstration],
        chance: random.Random,
    ) -> Question:
        """For one new prompt."""
        ...

    def rate(self, category: Category, prompt: str) -> Question | None:
        """For a score of a prompt alone, without a picture; None: this model cannot be asked for one."""
        ...

    def judge(self, category: Category, prompt: str, chance: random.Random) -> Question:
        """For reasons and a score. The picture follows: pictures of one prompt share all before them."""
        ...

    def points(self, prompt: str) -> Points | None:
        """The prompt taken apart; None: it cannot be."""
        ...

    def caption(self, flavour: Flavour, chance: random.Random) -> str:
        """What asks for the prompt of the picture before it."""
        ...

    def redraw(self, prompt: str, analysis: str, chance: random.Random) -> str:
        """What asks for a better picture than the one before it, given what a judge said of that."""
        ...


def flavour_of(prompt: str, chance: random.Random, generalised: float = 0.0) -> Flavour:
    """``prompt`` where the prompt itself asks for a picture, and for a share of others; else ``caption``."""
    if _ASKS_FOR_A_PICTURE.search(prompt):
        return "prompt"
    return "prompt" if chance.random() < generalised else "caption"
