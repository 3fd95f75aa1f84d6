"""Everything a backbone can do in the sprites world, on held-out scenes and phrasings, from one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from annotated_types import Ge

from unictk.backbones.base import Backbone
from unictk.benchmarks.base import Progress, Result, Save
from unictk.benchmarks.sprites.drawing import drawing, reconstructions, reflections
from unictk.benchmarks.sprites.items import NAME, Asking, Item, Scale
from unictk.benchmarks.sprites.looking import looking
from unictk.benchmarks.sprites.personal import personal
from unictk.benchmarks.sprites.roles import judgements, proposals
from unictk.benchmarks.sprites.totals import totals
from unictk.benchmarks.work import Subject, Work, named
from unictk.concepts.known_rows import BUNDLED, load_known
from unictk.concepts.tokens import ConceptTokens
from unictk.judges.base import Judge
from unictk.records import ItemRecord
from unictk.samples import Sampling

Part = Literal["tokenizer", "looking", "personal", "drawing", "proposing", "judging", "reflecting"]
"""What can be asked by itself."""


class SpritesBenchmark:
    """Asks, draws and judges; every number is a mean or a rank correlation of its records' scores.

    Args:
        scale: ``full`` is good to about 0.015 where a share is near 0.95; ``quick`` asks an eighth.
        known: file of known characters' rows (see :mod:`unictk.concepts.known_rows`). None: the file beside
            the bundled backbone, and where that is absent too the ``known`` metrics are left out.
        batch_size: items a call; after each its records are saved.
        parts: which of the parts to ask; None: all of them. Items and scores of a part do not depend on it.
    """

    name = NAME
    needs_judge = True

    def __init__(
        self,
        scale: Scale = "full",
        known: str | None = None,
        batch_size: Annotated[int, Ge(1)] = 48,
        parts: Sequence[Part] | None = None,
    ) -> None:
        self.parts = tuple(get_args(Part) if parts is None else parts)
        self.scale: Scale = scale
        self.known = known
        self.batch_size = batch_size

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
        """Ask what ``done`` does not answer yet for this phase, and score everything.

        No concept stays attached, and no picture is kept in ``folder``.

        Raises:
            WeightsError: the known characters' file is missing, damaged, or of another backbone.
        """
        work = Work(NAME, self.subjects(Asking(backbone, judge, sampling, seed)), phase, done)
        records = work.run(self.batch_size, backbone.attach, save, progress)
        backbone.attach([])
        return Result(named(NAME, totals(work.found(records))), records)

    def subjects(self, asking: Asking) -> list[Subject[Item]]:
        """The whole work list; equal seeds and scales give equal ones."""
        scale = self.scale
        made: Mapping[Part, Callable[[], Sequence[Subject[Item]]]] = {
            "tokenizer": lambda: reconstructions(asking, scale),
            "looking": lambda: looking(asking, scale),
            "personal": lambda: personal(asking, scale, self._known(asking.backbone)),
            "drawing": lambda: drawing(asking, scale),
            "proposing": lambda: proposals(asking, scale),
            "judging": lambda: judgements(asking, scale),
            "reflecting": lambda: reflections(asking, scale),
        }
        return [subject for part, subjects in made.items() if part in self.parts for subject in subjects()]

    def _known(self, backbone: Backbone) -> list[ConceptTokens]:
        if self.known is None and not BUNDLED.is_file():
            print(f"{NAME}: no rows of known characters; the metrics {NAME}/known... are left out")
            return []
        return load_known(Path(self.known or BUNDLED), backbone.row_shape, backbone.fresh_rows)
