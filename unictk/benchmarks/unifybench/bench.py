"""What a model knows of one concept, asked in one go and scored into flat metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from unictk.backbones.base import Backbone
from unictk.benchmarks.base import Progress, Result, Save
from unictk.benchmarks.unifybench.pictures import Picture, Pictures, Plan, Similarity, planned
from unictk.benchmarks.unifybench.questions import asked, questions
from unictk.benchmarks.unifybench.totals import measured
from unictk.benchmarks.work import Work, means, named, unanswered
from unictk.judges.answers import Grader
from unictk.judges.base import Judge
from unictk.judges.oracle import OracleJudge
from unictk.records import ItemRecord
from unictk.samples import Sampling
from unictk.sprites.truth import read_truth

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData

NAME = "unifybench"


class UnifyBench:
    """Asks a concept's evaluation items and scores the answers.

    Args:
        max_new_tokens: of an answer (published: 100).
        batch_size: questions a call, where the questions about one picture stay together so that a backbone
            can read the picture once.
        compare: recognition is also asked so that the model says what it recalls and what it sees before it
            answers (``compared_*``).
        pictures: how many are drawn; by default none.
        similarities: what compares them with photos and prompts, by any name.
    """

    name = NAME

    def __init__(
        self,
        max_new_tokens: Annotated[int, Ge(1)] = 100,
        batch_size: Annotated[int, Ge(1)] = 16,
        compare: bool = False,
        pictures: Plan | None = None,
        similarities: Mapping[str, Similarity | None] | None = None,
    ) -> None:
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size
        self.compare = compare
        self.pictures = Plan() if pictures is None else pictures
        self.similarities = [one for one in (similarities or {}).values() if one is not None]

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
        """Ask the items that ``done`` does not answer for this phase; score all of them.

        Metrics of which there are no items are absent. Item counts end in ``/n`` and never take the suffix.

        Raises:
            DataError: two items share metric and id.
            UserError: an item's metric is none that this benchmark asks.
        """
        grader = judge if isinstance(judge, Grader) else None
        subject = asked(backbone, concept, data, sampling, seed, self.max_new_tokens, grader, self.compare)
        seeing = judge if isinstance(judge, Judge) else None
        drawn = Pictures(
            backbone,
            concept,
            data,
            self._planned(data, phase, seeing),
            sampling,
            seed,
            seeing,
            self.similarities,
            folder,
        )
        work = Work(NAME, [subject, drawn], phase, done)
        records = work.run(self.batch_size, save=save, progress=progress)
        values = means(work.found(records)) | measured(subject, work.answers)
        return Result(named(NAME, values, suffix), records)

    def pending(
        self,
        data: ConceptData,
        phase: str,
        done: Iterable[ItemRecord],
        judge: Judge | Grader | None = None,
    ) -> int:
        """How many items ``done`` does not answer yet for this phase."""
        seeing = judge if isinstance(judge, Judge) else None
        return unanswered(
            NAME, [*questions(data, self.compare), *self._planned(data, phase, seeing)], phase, done
        )

    def _planned(self, data: ConceptData, phase: str, judge: Judge | None) -> list[Picture]:
        if not self.pictures:
            return []
        truth = read_truth(data.root)
        if isinstance(judge, OracleJudge) and truth is None:
            judge = None  # it reads sprites only
        return planned(data, self.pictures, phase, truth, judge, self.similarities)
