"""What the solver draws: a unit of work is a prompt with all its rollouts, and each picture is its own.

A rollout's seed comes from (run seed, round, prompt, rollout), its guidance and temperature from lists that
are gone through by turns (UniCorn, appendix A: seed and guidance differ within a prompt's group). Batches are
cut from the whole list of units, whatever of it is done already or done by whom: so the composition of a
batch, and with it the last digit of every float, is the same in any run of the same request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge

from unictk.chance import seed_of
from unictk.errors import UserError
from unictk.samples import Request, Sampling, Text
from unictk.selfplay.rows import ProposalRow
from unictk.selfplay.shards import content_key


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that was accepted, with its key."""

    prompt_uid: str
    round: int
    category: str
    subcategory: str
    text: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """One picture to draw."""

    prompt: Prompt
    number: int
    seed: int
    sampling: Sampling

    @property
    def sample_id(self) -> str:
        """The key of the picture and of its judgement."""
        return f"{self.prompt.prompt_uid}-{self.number:02d}"

    def request(self, text: str = "") -> Request:
        """What the backbone is asked: the prompt, or ``text`` that the model has made of it."""
        asked = Text(text or self.prompt.text)
        return Request(asked, key=self.sample_id, seed=self.seed, sampling=self.sampling)


@dataclass(frozen=True, slots=True)
class Unit:
    """A prompt with all its rollouts: never divided between batches."""

    prompt: Prompt
    rollouts: tuple[Rollout, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Units that are drawn, judged and recorded together; ``name`` is that of their shards."""

    number: int
    units: tuple[Unit, ...]

    @property
    def name(self) -> str:
        """Sorts as the work list does."""
        return f"{self.units[0].prompt.round:02d}-{self.number:06d}"

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        """All pictures of the batch, in order."""
        return tuple(rollout for unit in self.units for rollout in unit.rollouts)

    def content(self, *made_by: object) -> str:
        """A key of all that its results depend on: prompts, seeds, settings, and ``made_by``."""
        asked = [(one.sample_id, one.prompt.text, one.seed, one.sampling) for one in self.rollouts]
        return content_key(*made_by, *asked)


class RolloutPlan:
    """How often and how differently each prompt is drawn.

    Args:
        sampling: of every rollout, but for what the lists say.
        rollouts: pictures of a prompt.
        guidance: by turns; g as in :class:`~unictk.samples.Sampling`, where a CFG scale s is g = s - 1. The
            default are the scales 3, 4, 5, 6, 3.5, 4.5, 5.5 and 7.
        temperature: the next one after each turn of ``guidance``.

    Raises:
        UserError: a list is empty or has a value below 0.
    """

    def __init__(
        self,
        sampling: Sampling,
        rollouts: Annotated[int, Ge(1)] = 8,
        guidance: Sequence[float] = (2.0, 3.0, 4.0, 5.0, 2.5, 3.5, 4.5, 6.0),
        temperature: Sequence[float] = (1.0,),
    ) -> None:
        for key, values in (("guidance", guidance), ("temperature", temperature)):
            if not values or min(values) < 0:
                raise UserError(f"selfplay.{key}: {list(values)}; expected one or more numbers from 0 on")
        self.sampling, self.rollouts = sampling, rollouts
        self.guidance, self.temperature = tuple(guidance), tuple(temperature)

    def unit(self, prompt: Prompt, seed: int) -> Unit:
        """The prompt's rollouts in a run of this seed."""
        return Unit(prompt, tuple(self._rollout(prompt, number, seed) for number in range(self.rollouts)))

    def _rollout(self, prompt: Prompt, number: int, seed: int) -> Rollout:
        turn, place = divmod(number, len(self.guidance))
        sampling = replace(
            self.sampling,
            guidance=self.guidance[place],
            temperature=self.temperature[turn % len(self.temperature)],
        )
        own = seed_of(seed, "rollout", prompt.round, prompt.prompt_uid, prompt.text, number)
        return Rollout(prompt, number, own, sampling)

    def batches(self, prompts: Iterable[Prompt], seed: int, size: Annotated[int, Ge(1)]) -> Iterator[Batch]:
        """Batches of whole units with at most ``size`` pictures (one unit, if that has more), in order."""
        units_each = max(1, size // self.rollouts)
        waiting: list[Unit] = []
        number = 0
        for prompt in prompts:
            waiting.append(self.unit(prompt, seed))
            if len(waiting) == units_each:
                yield Batch(number, tuple(waiting))
                waiting, number = [], number + 1
        if waiting:
            yield Batch(number, tuple(waiting))


def accepted(rows: Iterable[ProposalRow]) -> Iterator[Prompt]:
    """The prompts to draw, in the order of the records."""
    for row in rows:
        if row.status == "accepted":
            yield Prompt(row.prompt_uid, row.round, row.category, row.subcategory, row.prompt)


def mine(batches: Iterable[Batch], rank: int, world: int) -> Iterator[Batch]:
    """The batches that process ``rank`` of ``world`` does: every one is somebody's, and nobody else's."""
    return (batch for batch in batches if batch.number % world == rank)
