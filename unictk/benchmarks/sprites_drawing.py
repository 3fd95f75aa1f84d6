"""The part of the sprites benchmark that self-play should change: drawing, and what must not suffer by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from unictk.backbones.base import Backbone
from unictk.benchmarks.base import Progress, Result, Save
from unictk.benchmarks.sprites.drawing import ORACLE, as_prompted
from unictk.benchmarks.sprites.items import NAME, Asking, Scale
from unictk.benchmarks.sprites.looking import looking
from unictk.benchmarks.sprites.roles import judgements
from unictk.benchmarks.sprites.totals import totals
from unictk.benchmarks.work import Subject, Work, named
from unictk.judges.base import Judge
from unictk.records import ItemRecord
from unictk.samples import Sampling

QUICK_QUESTIONS = 50
"""Items of a quick benchmark, whose making takes an eighth of the time; longer lists begin with them."""


class SpritesDrawing:
    """Held-out prompts, questions on held-out scenes, and judging: items and names are the full benchmark's.

    Args:
        one: prompts of one character; the full benchmark has 300.
        two: prompts of two characters; the full benchmark has 150.
        images: drawn of each prompt.
        questions: on the attributes of a character, at most 400: whether the model still reads.
        judgements: of the model's own pictures, at most 200, compared with the oracle's.
        batch_size: items a call; after each its records are saved.
    """

    name = NAME
    needs_judge = True

    def __init__(
        self,
        one: Annotated[int, Ge(1)] = 160,
        two: Annotated[int, Ge(0)] = 80,
        images: Annotated[int, Ge(1)] = 1,
        questions: Annotated[int, Ge(0)] = 50,
        judgements: Annotated[int, Ge(0)] = 0,
        batch_size: Annotated[int, Ge(1)] = 48,
    ) -> None:
        self.one, self.two, self.images = one, two, images
        self.questions, self.judgements, self.batch_size = questions, judgements, batch_size

    def evaluate(
        self,
        backbone: Backbone,
        judge: Judge,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        folder: Path | None = None,
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Ask what ``done`` does not answer yet for this phase, and score everything; no picture is kept."""
        work = Work(NAME, self.subjects(Asking(backbone, judge, sampling, seed)), phase, done)
        records = work.run(self.batch_size, backbone.attach, save, progress)
        return Result(named(NAME, totals(work.found(records))), records)

    def subjects(self, asking: Asking) -> list[Subject[Any]]:
        """The work list: the first items of each subject of the full benchmark."""
        return [*self._asked(asking), *self._drawn(asking)]

    def prompts(self, backbone: Backbone, seed: int) -> list[str]:
        """What is drawn here, so that nothing of it is trained on."""
        subjects = self._drawn(Asking(backbone, ORACLE, Sampling(), seed))
        return [item.question for subject in subjects for item in subject.items]

    def _asked(self, asking: Asking) -> list[Subject[Any]]:
        """The short questions begin with those on attributes; a quick benchmark has some of them."""
        scale: Scale = "quick" if self.questions <= QUICK_QUESTIONS else "full"
        return _first(looking(asking, scale)[:1], [self.questions]) if self.questions else []

    def _drawn(self, asking: Asking) -> list[Subject[Any]]:
        drawn = [one for one in as_prompted(asking, self.one, self.two, self.images) if one.items]
        return [*drawn, *(_first(judgements(asking, "full"), [self.judgements]) if self.judgements else ())]


def _first(subjects: Sequence[Any], counts: Sequence[int]) -> list[Subject[Any]]:
    """The first items of each subject."""
    pairs = zip(subjects, counts, strict=True)
    return [replace(subject, items=subject.items[:count]) for subject, count in pairs]
