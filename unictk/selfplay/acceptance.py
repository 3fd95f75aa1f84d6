"""Which proposals become prompts, and how many of each subcategory: rules without memory of their own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from unictk.selfplay.answers import read_proposal
from unictk.selfplay.categories import Category, even, folded
from unictk.selfplay.similarity import Library, normal_form

Refusal = Literal[
    "unparsed",
    "incomplete",
    "wrong_category",
    "held_out",
    "impossible",
    "full",
    "duplicate",
    "near_duplicate",
]
"""Why an answer gives no prompt: no JSON object with one; a field is missing; it names another category or
subcategory; the prompt is examined later; it cannot be taken apart, so nobody could judge its pictures; its
subcategory has enough; it is there already, or almost."""

ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an answer; ``subcategory`` in the category's own spelling."""

    status: str
    subcategory: str
    prompt: str


@dataclass(frozen=True)
class Acceptance:
    """The rules of one category. An answer that is refused once stays so: libraries and counts only grow.

    Args:
        category: whose prompts these are.
        quota: how many are wanted.
        asked: the proposer is told the subcategory, and must write for it.
        slack: where it is not told: no subcategory gets more than its even share times this.
        held_out: normal forms of prompts that nothing may be trained on.
        possible: whether a prompt can be judged; None: every one can.
    """

    category: Category
    quota: int
    asked: bool
    slack: float
    held_out: Collection[str]
    possible: Callable[[str], bool] | None = None

    def judge(self, text: str, asked: str, library: Library, counts: Mapping[str, int]) -> Decision:
        """What becomes of the answer, given the prompts and the counts of subcategories so far."""
        said = read_proposal(text)
        if said.status != "ok":
            return Decision(said.status, said.subcategory, said.prompt)
        category = self.category
        subcategory = next(
            (one for one in category.subcategories if folded(one) == folded(said.subcategory)), ""
        )
        misnamed = bool(category.subcategories) and (not subcategory or bool(asked and subcategory != asked))
        refusal: Refusal | None = None
        if folded(said.category) != folded(category.name) or misnamed:
            refusal = "wrong_category"
        elif not (form := normal_form(said.prompt)):
            refusal = "incomplete"
        elif form in self.held_out:
            refusal = "held_out"
        elif self.possible is not None and not self.possible(said.prompt):
            refusal = "impossible"
        elif category.subcategories and counts.get(subcategory, 0) >= self.most(subcategory):
            refusal = "full"
        elif library.has(said.prompt):
            refusal = "duplicate"
        elif library.near(said.prompt) is not None:
            refusal = "near_duplicate"
        return Decision(refusal or ACCEPTED, subcategory or said.subcategory, said.prompt)

    def most(self, subcategory: str) -> int:
        """How many prompts of a subcategory are taken."""
        if self.asked:
            return self.targets()[subcategory]
        return math.ceil(self.slack * self.quota / len(self.category.subcategories))

    def targets(self) -> dict[str, int]:
        """How many prompts each subcategory is asked for; ``""``: none is asked for."""
        if self.asked and self.category.subcategories:
            return even(self.quota, self.category.subcategories)
        return {"": self.quota}

    def turn(self, counts: Mapping[str, int]) -> list[str]:
        """One subcategory for each prompt that is still missing, by turns."""
        if "" in (targets := self.targets()):
            return [""] * (self.quota - sum(counts.values()))
        missing = Counter({name: target - counts.get(name, 0) for name, target in targets.items()})
        plan: list[str] = []
        while +missing:
            plan += [name for name in targets if missing[name] > 0]
            missing.subtract(targets.keys())
        return plan
