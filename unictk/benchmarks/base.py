"""What a benchmark is: questions to a backbone, scored into flat metrics and item records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from unictk.backbones.base import Backbone
from unictk.records import ItemRecord
from unictk.samples import Sampling

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData
    from unictk.judges.answers import Grader
    from unictk.judges.base import Judge

Save = Callable[[Sequence[ItemRecord]], None]
"""Receives each batch's records as soon as they are scored."""

Progress = Callable[[int, int], None]
"""Receives how many items are answered, and how many there are."""


@dataclass(frozen=True, slots=True)
class Result:
    """Flat metrics by their full name, and the records they come from, in the order of the work list.

    ``remarks`` go to ``metrics.json``, too: what a reader of the numbers must know, in words.
    """

    metrics: dict[str, float]
    items: list[ItemRecord]
    remarks: dict[str, str] = field(default_factory=dict)


class Benchmark(Protocol):
    """An evaluation of one concept in one backbone."""

    name: str

    def evaluate(
        self,
        backbone: Backbone,
        concept: ConceptTokens,
        data: ConceptData,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        judge: Judge | Grader | None = None,
        suffix: str = "",
        folder: Path | None = None,
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Ask what ``done`` does not answer yet for this phase, and score everything.

        ``suffix`` follows each metric's name (``/base`` before training). The concept is attached. What only
        a judge can score is left out without one. Drawn pictures are kept below ``folder``.
        """
        ...

    def pending(
        self,
        data: ConceptData,
        phase: str,
        done: Iterable[ItemRecord],
        judge: Judge | Grader | None = None,
    ) -> int:
        """How many items ``done`` does not answer yet for this phase."""
        ...


@runtime_checkable
class ModelBenchmark(Protocol):
    """An evaluation of a backbone itself, without a concept.

    ``needs_judge``: somebody must say how far its drawings follow their prompts. One that does not need a
    judge says in its remarks what it used a given one for.
    """

    name: str
    needs_judge: bool

    def evaluate(
        self,
        backbone: Backbone,
        judge: Any,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        folder: Path | None = None,
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Ask what ``done`` does not answer yet for this phase, and score everything.

        ``judge`` is a :class:`~unictk.judges.base.Judge` where one is needed; else that, a grader of answers,
        or None. Pictures that are kept lie below ``folder``.
        """
        ...
