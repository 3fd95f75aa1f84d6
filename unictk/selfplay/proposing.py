"""The proposer of one category as a state machine: what to ask next, given all that was answered.

It works in *steps*. A step of proposals ends when examples must be chosen anew, a step of ratings when they
are; each becomes one shard. Within a step, prompts are counted in *slots* of a few attempts, and decided
strictly in the order of the slots, whatever order the answers come in. So the state is a function of the
answers alone: a run that goes on after a kill replays its records, and then asks what it would have asked.

Categories never look at each other, so that each can be somebody else's work.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from unictk.chance import seed_of
from unictk.selfplay.acceptance import ACCEPTED, Acceptance, Decision
from unictk.selfplay.answers import read_judgement
from unictk.selfplay.categories import Category
from unictk.selfplay.rows import ProposalRow, RatingRow
from unictk.selfplay.seeding import AGAIN, Rated, chosen, drawn, rating_rows
from unictk.selfplay.shards import content_key
from unictk.selfplay.similarity import THRESHOLD, Library
from unictk.selfplay.wording import Demonstration, Question, Wording

Kind = Literal["proposals", "ratings"]
Key = tuple[int, int]
"""Slot and attempt of a proposal; place in the draw and attempt of a rating."""


@dataclass(frozen=True, slots=True)
class ProposerRules:
    """Counts that the paper does not give.

    Args:
        initial: prompts written without examples.
        kept: of these, how many become the first examples.
        period: prompts between two choices of examples.
        draw: prompts drawn from the library at each choice.
        demonstrations: of these, how many become the next examples.
        attempts: answers asked for a slot before it is given up.
        passes: how often slots for what is missing are dealt again.
        threshold: Jaccard index of near-duplicates (:mod:`~unictk.selfplay.similarity`).
        slack: see :class:`~unictk.selfplay.acceptance.Acceptance`.
        temperature: of proposals.
    """

    initial: Annotated[int, Ge(1)] = 8
    kept: Annotated[int, Ge(0)] = 1
    period: Annotated[int, Ge(1)] = 50
    draw: Annotated[int, Ge(0)] = 8
    demonstrations: Annotated[int, Ge(0)] = 3
    attempts: Annotated[int, Ge(1)] = 4
    passes: Annotated[int, Ge(1)] = 4
    threshold: Annotated[float, Gt(0)] = THRESHOLD
    slack: Annotated[float, Ge(1)] = 1.5
    temperature: Annotated[float, Ge(0)] = 1.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the proposer, with a seed of its own."""

    key: Key
    question: Question
    seed: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step: the shard of ``kind`` that it becomes."""

    kind: Kind
    name: str
    rows: tuple[ProposalRow, ...] | tuple[RatingRow, ...]


class Stream:
    """The proposals of one category.

    Args:
        category: what to write.
        quota: how many prompts.
        wording: how to ask.
        rules: counts.
        seed: the run's.
        round_number: of self-play, from 0.
        held_out: normal forms of prompts that nothing may be trained on.
    """

    def __init__(
        self,
        category: Category,
        quota: int,
        wording: Wording,
        rules: ProposerRules,
        seed: int,
        round_number: int = 0,
        held_out: Collection[str] = frozenset(),
    ) -> None:
        self.category, self.quota, self.wording, self.rules = category, quota, wording, rules
        self.seed, self.round = seed, round_number
        asked = wording.asks_subcategory and bool(category.subcategories)
        possible = (lambda prompt: wording.points(prompt) is not None) if wording.takes_apart else None
        self.acceptance = Acceptance(category, quota, asked, rules.slack, held_out, possible)
        self.library = Library(threshold=rules.threshold)
        self.accepted: list[Demonstration] = []
        self.demonstrations: tuple[Demonstration, ...] = ()
        self.counts: Counter[str] = Counter()
        self.answered = 0
        self.kind: Kind = "proposals"
        self.event = 0
        self._passes = 0
        self._plan: list[str] = []
        self._slot, self._attempt = 0, 0
        self._first_slot_of_plan = 0
        self._draw: list[int] = []
        self._answers: dict[Key, str] = {}
        self._rows: list[ProposalRow] = []
        self._finished: list[Step] = []
        self.done = quota <= 0
        self._walk()

    @property
    def step(self) -> str:
        """Name of the current step's shard; steps of a kind sort in their order."""
        return f"{self.round:02d}-{self.category.slug}-{self.event:04d}"

    def content(self, *made_by: object) -> str:
        """A key of what the answers depend on, beside the steps before."""
        return content_key(
            self.category, self.quota, self.rules, self.wording.name, self.seed, self.round,
            sorted(self.acceptance.held_out), *made_by,
        )  # fmt: skip

    def wanted(self) -> list[Ask]:
        """What to ask now: everything that is certain to be needed and does not wait for another answer."""
        if self.done:
            return []
        return list(self._ratings_wanted() if self.kind == "ratings" else self._proposals_wanted())

    def tell(self, answers: Mapping[Key, str]) -> None:
        """Answers to what was wanted, any of them in any order."""
        self._answers.update(answers)
        self._walk()

    def recall(self, rows: Sequence[ProposalRow | RatingRow]) -> None:
        """The answers of the current step as they were recorded."""
        answers: dict[Key, str] = {}
        for row in rows:
            if isinstance(row, ProposalRow):
                answers[row.slot, row.attempt] = row.raw_text
            elif row.raw_text is not None:
                answers[row.place, 0] = row.raw_text
                if row.again_text is not None:
                    answers[row.place, 1] = row.again_text
        self.tell(answers)

    def take(self) -> list[Step]:
        """The steps that were finished since the last call."""
        finished, self._finished = self._finished, []
        return finished

    # -- proposals -------------------------------------------------------------------------------------

    @property
    def _bound(self) -> int:
        """Prompts at the end of this step."""
        return min(self.quota, self.rules.initial + self.event * self.rules.period)

    def _window(self) -> range:
        """Slots that will all be needed before examples or plan change: each gives one prompt at most."""
        left_of_plan = self._first_slot_of_plan + len(self._plan) - self._slot
        return range(self._slot, self._slot + min(left_of_plan, self._bound - len(self.accepted)))

    def _proposals_wanted(self) -> Iterator[Ask]:
        for slot in self._window():
            attempt = self._attempt if slot == self._slot else 0
            while attempt < self.rules.attempts and (slot, attempt) in self._answers:
                if self._judged(slot, attempt).status == ACCEPTED:
                    break  # so far: an earlier slot may still say the same
                attempt += 1
            if attempt < self.rules.attempts and (slot, attempt) not in self._answers:
                yield Ask(
                    (slot, attempt), self._question(slot), self._seed(slot, attempt), self.rules.temperature
                )

    def _question(self, slot: int) -> Question:
        chance = random.Random(seed_of(self.seed, "proposer words", self.round, self.category.slug, slot))
        return self.wording.propose(self.category, self._subcategory(slot), self.demonstrations, chance)

    def _subcategory(self, slot: int) -> str:
        return self._plan[slot - self._first_slot_of_plan]

    def _seed(self, slot: int, attempt: int) -> int:
        return seed_of(self.seed, "propose", self.round, self.category.slug, slot, attempt)

    def _judged(self, slot: int, attempt: int) -> Decision:
        text, asked = self._answers[slot, attempt], self._subcategory(slot)
        return self.acceptance.judge(text, asked, self.library, self.counts)

    # -- the walk --------------------------------------------------------------------------------------

    def _walk(self) -> None:
        """Go on as far as the answers reach."""
        while not self.done and (self._choose() if self.kind == "ratings" else self._advance()):
            pass

    def _advance(self) -> bool:
        """Decide one attempt, deal slots, or end the step; False if an answer is missing."""
        if len(self.accepted) >= self._bound:
            self._end_proposals()
        elif self._slot == self._first_slot_of_plan + len(self._plan):
            if self._passes == self.rules.passes:
                self._end_proposals(exhausted=True)
            else:
                self._passes += 1
                self._plan, self._first_slot_of_plan = self.acceptance.turn(self.counts), self._slot
        elif (self._slot, self._attempt) not in self._answers:
            return False
        else:
            self._decide()
        return True

    def _decide(self) -> None:
        slot, attempt = self._slot, self._attempt
        found = self._judged(slot, attempt)
        self.answered += 1
        number = len(self.accepted) if found.status == ACCEPTED else -1
        prefix = f"{self.round:02d}-{self.category.slug}"
        uid = f"{prefix}-{number:05d}" if number >= 0 else ""
        self._rows.append(
            ProposalRow(
                sample_id=f"{prefix}-slot-{slot:05d}-{attempt}",
                round=self.round,
                category=self.category.name,
                subcategory=found.subcategory,
                asked_subcategory=self._subcategory(slot),
                slot=slot,
                attempt=attempt,
                seed=self._seed(slot, attempt),
                demonstrations=tuple(one.prompt_uid for one in self.demonstrations),
                raw_text=self._answers.pop((slot, attempt)),
                status=found.status,
                prompt=found.prompt,
                number=number,
                prompt_uid=uid,
            )
        )
        if number >= 0:
            self.accepted.append(Demonstration(uid, found.subcategory, found.prompt))
            self.library.add(found.prompt)
            self.counts[found.subcategory] += 1
        if number >= 0 or attempt + 1 == self.rules.attempts:
            self._slot, self._attempt = slot + 1, 0
        else:
            self._attempt = attempt + 1

    def _end_proposals(self, exhausted: bool = False) -> None:
        self._finished.append(Step("proposals", self.step, tuple(self._rows)))
        self._rows = []
        self._answers.clear()
        self.done = exhausted or len(self.accepted) >= self.quota
        if not self.done:
            self.kind = "ratings"
            where = (self.seed, self.round, self.category.slug)
            self._draw = drawn(len(self.accepted), self.rules.draw, self.event, *where)

    # -- ratings ---------------------------------------------------------------------------------------

    def _rate_question(self, place: int) -> Question | None:
        return self.wording.rate(self.category, self.accepted[self._draw[place]].prompt)

    def _rate_seed(self, place: int) -> int:
        return seed_of(self.seed, "rate", self.round, self.category.slug, self.event, place)

    def _ratings_wanted(self) -> Iterator[Ask]:
        for place in range(len(self._draw)):
            question = self._rate_question(place)
            first = self._answers.get((place, 0))
            if question is None or (place, 1) in self._answers:
                continue
            if first is None:
                yield Ask((place, 0), question, self._rate_seed(place), 0.0)
            elif read_judgement(first).status == "unparsed":
                yield Ask((place, 1), question, self._rate_seed(place), AGAIN)

    def _choose(self) -> bool:
        """Choose the examples; False if a rating is missing."""
        if next(self._ratings_wanted(), None) is not None:
            return False
        rated = [
            Rated(
                number,
                place,
                self.accepted[number],
                self._answers.get((place, 0)),
                self._answers.get((place, 1)),
            )
            for place, number in enumerate(self._draw)
        ]
        count = self.rules.demonstrations if self.event else self.rules.kept
        best = chosen(rated, count, self.demonstrations)
        seeds = [self._rate_seed(place) for place in range(len(rated))]
        rows = rating_rows(rated, best, self.step, self.event, self.round, self.category.name, seeds)
        self._finished.append(Step("ratings", self.step, tuple(rows)))
        self.demonstrations = tuple(one.shown for one in best)
        self._answers.clear()
        self.kind, self.event = "proposals", self.event + 1
        return True
