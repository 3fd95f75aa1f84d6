"""What a request says of self-play: section ``selfplay`` of the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from unictk.errors import UserError
from unictk.judges.base import Judge
from unictk.selfplay.categories import CategorySet, load_categories
from unictk.selfplay.choosing import ReconstructionRules
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.proposing import ProposerRules
from unictk.selfplay.quotas import Limits
from unictk.selfplay.sprites_wording import SpritesWording
from unictk.selfplay.wording import Wording

Count = Annotated[int, Ge(1)]
Choice = Literal["judge", "random", "examiner"]
Control = Literal["scenes", "pretraining"]
Turns = Annotated[list[Annotated[float, Ge(0)]], MinLen(1)]


@dataclass(frozen=True)
class SelfPlay:
    """Rounds of proposing, drawing, judging and learning.

    Args:
        categories: a set of the package, or the path of a YAML file.
        only: these of them; None: all.
        wording: how the roles are told what to do.
        proposer: the model itself, or for comparison the grammar of the sprites world.
        prompts: accepted prompts of a round, evenly divided over the categories.
        rollouts: pictures of a prompt.
        rounds: each begins with the model that the one before has made.
        allow_oracle: let an oracle be the judge, which then shows what a perfect judge would be worth.
        examiner: judges the benchmark before and after, never what is learnt; None: the judge itself.
        expected_scores: a judge that gives verdicts in words is also asked how likely each score is.
        guidance: of the rollouts of a prompt, by turns; None: that of ``sampling``.
        temperature: the same; the next one after each turn of ``guidance``.
        planned: the solver first says what the whole picture shows, for every rollout anew, and draws from
            that; what is learnt is to draw from the prompt itself.
        plan_temperature: of these words; 0: all rollouts of a prompt have the same.
        batch_size: pictures that are drawn and judged together: whole prompts, so at least ``rollouts``.
        questions: proposals asked for in one call.
        proposal_tokens: of a proposal.
        selector: who chooses among the drawings: the judge's scores, a lot, or the examiner
            (:mod:`unictk.selfplay.selectors`).
        control: learn as many samples of something else, to compare (:mod:`unictk.selfplay.controls`).
        records: a folder in which runs share what is proposed, drawn and judged; None: each its own.
        audit: prompts whose pictures the examiner looks at when they are chosen: it measures the choice.
        proposing: counts of the proposer.
        selection: what is kept and chosen.
        quotas: most lessons of each kind.
    """

    categories: str = "paper"
    only: list[str] | None = None
    wording: Literal["paper", "sprites"] = "paper"
    proposer: Literal["self", "grammar"] = "self"
    prompts: Count = 5000
    rollouts: Count = 8
    rounds: Count = 1
    allow_oracle: bool = False
    examiner: Judge | None = None
    expected_scores: bool = False
    guidance: Turns | None = None
    temperature: Turns = field(default_factory=lambda: [1.0])
    planned: bool = False
    plan_temperature: Annotated[float, Ge(0)] = 0.7
    batch_size: Count = 64
    questions: Count = 64
    proposal_tokens: Count = 256
    selector: Choice = "judge"
    control: Control | None = None
    records: str | None = None
    audit: Annotated[int, Ge(0)] = 0
    proposing: ProposerRules = field(default_factory=ProposerRules)
    selection: ReconstructionRules = field(default_factory=ReconstructionRules)
    quotas: Limits = field(default_factory=Limits)

    def category_set(self) -> CategorySet:
        """The categories that take part.

        Raises:
            UserError: there is no such set, or no such category in it.
        """
        return load_categories(self.categories).only(self.only)

    def make_wording(self, categories: CategorySet) -> Wording:
        """How the roles are told what to do.

        Raises:
            UserError: the sprites world's words know other categories.
        """
        if self.wording == "paper":
            return PaperWording()
        if categories.name != "sprites":
            raise UserError(
                "selfplay.wording: sprites knows no categories but its own, and selfplay.categories is "
                f"{self.categories!r}; nearest: selfplay.wording=paper"
            )
        return SpritesWording()
