"""What a benchmark is: questions to a backbone, scored into flat metrics and item records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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
    """Flat metrics by their full name, and the records they come from, in the order of the work list."""

    metrics: dict[str, float]
    items: list[ItemRecord]


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

    ``needs_judge``: somebody must say how far its drawings follow their prompts.
    """

    name: str
    needs_judge: bool

    def evaluate(
        self,
        backbone: Backbone,
        judge: Judge,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Ask what ``done`` does not answer yet for this phase, and score everything."""
        ...
