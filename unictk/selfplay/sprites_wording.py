"""The short prompts that the small model of the sprites world was taught in pretraining."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from unictk.selfplay.answers import judgement_text
from unictk.selfplay.categories import Category
from unictk.selfplay.wording import Demonstration, Flavour, Points, Question
from unictk.sprites.grammar.captions import FREE
from unictk.sprites.grammar.parse import parse
from unictk.sprites.grammar.phrases import Phrasing
from unictk.sprites.grammar.selfplay import proposer_question
from unictk.sprites.grammar.verdicts import (
    criticism,
    critique,
    judge_question,
    parse_verdict,
    redraw,
    verdict_text,
)


class SpritesWording:
    """Words that pretraining used for the same roles.

    The subcategory is the model's own choice: it was never told one. It was never asked to score a prompt
    without a picture either, so demonstrations are drawn from the library without being rated.

    Args:
        phrasing: ``training``: as in pretraining; ``evaluation``: held-out ways of saying it.
    """

    name = "sprites"
    asks_subcategory = False
    takes_apart = True

    def __init__(self, phrasing: Phrasing = "training") -> None:
        self.phrasing: Phrasing = phrasing

    def propose(
        self,
        category: Category,
        subcategory: str,
        demonstrations: Sequence[Demonstration],
        chance: random.Random,
    ) -> Question:
        """Category, rule, examples."""
        shown = [one.prompt for one in demonstrations]
        return Question(proposer_question(chance, category.name, shown, self.phrasing))

    def rate(self, category: Category, prompt: str) -> Question | None:
        """Nothing."""
        return None

    def judge(self, category: Category, prompt: str, chance: random.Random) -> Question:
        """The short rubric with the prompt; the picture follows."""
        return Question(judge_question(chance, prompt, self.phrasing))

    def points(self, prompt: str) -> Points | None:
        """As the grammar reads it; a prompt that asks nothing cannot be judged either."""
        asked = parse(prompt)
        return Points(asked, partial(verdict_text, asked)) if asked is not None and asked.points() else None

    def caption(self, flavour: Flavour, chance: random.Random) -> str:
        """Asks for a prompt in both flavours: a caption means the complete one here, which T is not."""
        return FREE.pick(chance, self.phrasing)

    def redraw(self, prompt: str, analysis: str, chance: random.Random) -> str:
        """The points that the judge called wrong, as pretraining words a critique.

        An analysis that does not name points in the taught form stands as it is.
        """
        verdict = parse_verdict(judgement_text(analysis, 0))  # the score is not read
        said = criticism(verdict.points) if verdict else analysis
        if verdict and not verdict.clear and (asked := parse(prompt)):
            said = critique(asked, verdict.each(asked))
        return redraw(chance, prompt, said, self.phrasing)
