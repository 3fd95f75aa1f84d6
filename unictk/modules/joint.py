"""All rows on both tasks at once: what UniCTokens' three stages are compared with (section 4, ablations)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Interval
from torch import Tensor

from unictk.backbones.base import Rows
from unictk.concepts.initialisers import class_word, kmeans_rows, random_rows
from unictk.concepts.known_rows import BUNDLED, usual_rows
from unictk.concepts.tokens import GROUPS
from unictk.datamodules.mixture import Flow
from unictk.datamodules.writers import photo_segments
from unictk.modules.concept_stage import BatchSize, ConceptStage, StageRun, Weight
from unictk.modules.unictokens import Epochs, HeadStart, Known, MakeOptimizer, RowCount, both_flows
from unictk.samples import Batch, View


class JointTraining(ConceptStage):
    """Rows of every group train together; the first such stage of a pipeline grows them.

    With ``image_batch`` 0 it is a warm-up of all of them, with both batch sizes joint training; with no
    ``shared`` rows the two tasks share nothing but the identifier.

    Args beyond :class:`~unictk.modules.concept_stage.ConceptStage`:
        shared: soft tokens that both tasks use; like the two below, grown if the concept has no rows yet.
        generation: soft tokens that only drawing uses.
        understanding: soft tokens that only understanding uses.
        start: of all of them: ``known`` (see :data:`~unictk.modules.unictokens.Known`), ``photos`` (k-means
            centres of the training photos' codes) or ``random``. The identifier starts at the class word,
            with ``known`` like the others.
        known: see :data:`~unictk.modules.unictokens.Known`.
        head_start: see :data:`~unictk.modules.unictokens.HeadStart`.
        zoom: short side before the random crop, as a multiple of the image size.
        flip: probability of a mirrored picture.
    """

    trains = GROUPS

    def __init__(
        self,
        run: StageRun,
        optimizer: MakeOptimizer,
        text_weight: Weight = 0.2,
        image_weight: Weight = 0.8,
        text_batch: BatchSize = 4,
        image_batch: BatchSize = 4,
        anchor: Weight = 0.0,
        most_epochs: Epochs = None,
        shared: RowCount = 16,
        generation: RowCount = 8,
        understanding: RowCount = 8,
        start: Literal["photos", "random", "known"] = "photos",
        head_start: HeadStart = "text",
        zoom: Annotated[float, Ge(1)] = 1.1,
        flip: Annotated[float, Interval(ge=0, le=1)] = 0.25,
        known: Known = None,
    ) -> None:
        super().__init__(
            run, optimizer, text_weight, image_weight, text_batch, image_batch, anchor, most_epochs
        )
        self.sizes = {"shared": shared, "generation": generation, "understanding": understanding}
        self.start, self.known, self.head_start = start, known, head_start
        self.view = View(scale=zoom, crop="random", flip=flip, seed=run.seed)

    def grow(self) -> None:
        """Every group at once, if there is none."""
        if self.concept.groups:
            return
        for group, count in {"identifier": 1, **self.sizes}.items():
            if count:
                fresh = self.backbone.fresh_rows(count, len(self.concept), self.head_start)
                self.concept.grow(group, Rows(self._start_of(group, count), fresh.head, fresh.bias))

    def _start_of(self, group: str, count: int) -> Tensor:
        if self.start == "known":
            return usual_rows(self.known or BUNDLED, self.concept.shape, group, count)
        if group == "identifier":
            return class_word(self.backbone, self.data.class_noun)[None]
        if self.start == "photos":
            photos = photo_segments(self.data, self.data.photos, View())
            return kmeans_rows(self.backbone.vectors(photos), count)
        return random_rows(self.backbone, f"{self.data.class_noun} {group}", count, self.seed)

    def flows(self) -> Sequence[Flow]:
        """Random crops of the cropped photos to draw, and questions."""
        return both_flows(self, self.data.crops or self.data.photos, self.view)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """image_weight x mean loss of masked codes + text_weight x mean loss of the answers' tokens."""
        mean = self.mean(batch)
        total = self.text_weight * mean.text + self.image_weight * mean.image
        return self.logged(batch, mean, total)
