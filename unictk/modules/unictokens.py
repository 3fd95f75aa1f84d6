"""UniCTokens (arXiv 2505.14671): three stages that teach a frozen unified model one concept.

A stage is which rows train, what it is fed and how the losses add up. The weights, batch sizes and
optimizers of the paper are in ``conf/stage``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Interval
from torch import Tensor, nn
from torch.optim import Optimizer

from unictk.backbones.base import Rows
from unictk.concepts.bridge import late_cells
from unictk.concepts.faces import face_rows
from unictk.concepts.initialisers import class_word, description_words, kmeans_rows, random_rows
from unictk.concepts.known_rows import BUNDLED, usual_rows
from unictk.concepts.lora import LoraSettings, add_lora
from unictk.datamodules.mixture import Flow
from unictk.datamodules.writers import drawings, photo_segments, understanding
from unictk.modules.concept_stage import BatchSize, ConceptStage, StageRun, Weight
from unictk.samples import Batch, View

HeadStart = Literal["text", "codes"]
"""Starting head rows: the mean text row with the lowest text bias, or the published leftovers, copies of
image codes' rows (which then compete with those codes in every image softmax)."""

Known = str | None
"""File of known characters' rows, whose mean a start can be; None: of those of the bundled backbone."""

RowCount = Annotated[int, Ge(0)]
Share = Annotated[float, Interval(ge=0, le=1)]
Epochs = Annotated[int, Ge(1)] | None
MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class UnderstandingWarmup(ConceptStage):
    """Stage 1: learn to recognise and describe the concept (UniCTokens, section 3.1).

    Args beyond :class:`~unictk.modules.concept_stage.ConceptStage`:
        shared: soft tokens that both tasks use.
        start: of the shared tokens: ``photos`` (k-means centres of the training photos' codes),
            ``words`` (mean vector of class and description) or ``known`` (see :data:`Known`). The
            identifier starts at the class word, with ``known`` like the other tokens.
        known: see :data:`Known`.
        head_start: see :data:`HeadStart`.
        lora: adapters in the language model that train too, or None.
    """

    trains = ("identifier", "shared")
    adds = ("identifier", "shared")

    def __init__(
        self,
        run: StageRun,
        optimizer: MakeOptimizer,
        text_weight: Weight = 1.0,
        image_weight: Weight = 0.0,
        text_batch: BatchSize = 4,
        image_batch: BatchSize = 0,
        anchor: Weight = 0.0,
        most_epochs: Epochs = None,
        shared: RowCount = 16,
        start: Literal["photos", "words", "known"] = "photos",
        head_start: HeadStart = "text",
        lora: LoraSettings | None = None,
        known: Known = None,
    ) -> None:
        super().__init__(
            run, optimizer, text_weight, image_weight, text_batch, image_batch, anchor, most_epochs
        )
        self.shared, self.start, self.head_start, self.lora = shared, start, head_start, lora
        self.known = known

    def grow(self) -> None:
        """The identifier from its class word, the shared tokens from the photos (section 3.1)."""
        fresh = self.backbone.fresh_rows(1, 0, self.head_start)
        self.concept.grow("identifier", Rows(self._identifier_start(), fresh.head, fresh.bias))
        if self.shared:
            fresh = self.backbone.fresh_rows(self.shared, 1, self.head_start)
            self.concept.grow("shared", Rows(self._soft_start(), fresh.head, fresh.bias))
        if self.lora is not None:
            add_lora(self.backbone, self.lora, self.seed)

    def _identifier_start(self) -> Tensor:
        if self.start == "known":
            return usual_rows(self.known or BUNDLED, self.concept.shape, "identifier", 1)
        return class_word(self.backbone, self.data.class_noun)[None]

    def _soft_start(self) -> Tensor:
        if self.start == "known":
            return usual_rows(self.known or BUNDLED, self.concept.shape, "shared", self.shared)
        if self.start == "photos":
            photos = photo_segments(self.data, self.data.photos, View())
            return kmeans_rows(self.backbone.vectors(photos), self.shared)
        mean = description_words(self.backbone, self.data.class_noun, self.data.description)
        return mean.expand(self.shared, -1)

    def flows(self) -> Sequence[Flow]:
        """Questions about the concept; with ``image_batch`` also its photos as drawings."""
        return both_flows(self, self.data.photos, View(crop="centre"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean cross entropy of the answers' tokens (section 3.1)."""
        mean = self.mean(batch)
        total = self.text_weight * mean.text + self.image_weight * mean.image
        return self.logged(batch, mean, total)


class GenerationBootstrap(ConceptStage):
    """Stage 2: draw the concept from what stage 1 understood (UniCTokens, section 3.2).

    Args beyond :class:`~unictk.modules.concept_stage.ConceptStage`:
        generation: soft tokens that only drawing uses.
        start: ``published`` (a face embedding for people, copies of image codes otherwise), or one of
            ``face``, ``codes``, ``photos``, ``random``, ``known`` (see :data:`Known`) for every concept.
        known: see :data:`Known`.
        head_start: see :data:`HeadStart`.
        zoom: short side before the random crop, as a multiple of the image size.
        flip: probability of a mirrored picture.
    """

    trains = ("identifier", "shared", "generation")
    needs = ("identifier",)
    adds = ("generation", "understanding")

    def __init__(
        self,
        run: StageRun,
        optimizer: MakeOptimizer,
        text_weight: Weight = 0.2,
        image_weight: Weight = 0.8,
        text_batch: BatchSize = 1,
        image_batch: BatchSize = 1,
        anchor: Weight = 0.0,
        most_epochs: Epochs = None,
        generation: RowCount = 8,
        start: Literal["published", "face", "codes", "photos", "random", "known"] = "published",
        head_start: HeadStart = "text",
        zoom: Annotated[float, Ge(1)] = 1.1,
        flip: Share = 0.25,
        known: Known = None,
    ) -> None:
        super().__init__(
            run, optimizer, text_weight, image_weight, text_batch, image_batch, anchor, most_epochs
        )
        self.generation, self.start, self.head_start, self.known = generation, start, head_start, known
        self.view = View(scale=zoom, crop="random", flip=flip, seed=run.seed)

    def grow(self) -> None:
        """Tokens that only drawing uses."""
        if not self.generation:
            return
        fresh = self.backbone.fresh_rows(self.generation, len(self.concept), self.head_start)
        self.concept.grow("generation", Rows(self._soft_start(), fresh.head, fresh.bias))

    def _soft_start(self) -> Tensor:
        human = "face" if self.data.is_human else "codes"
        start = human if self.start == "published" else self.start
        if start == "known":
            return usual_rows(self.known or BUNDLED, self.concept.shape, "generation", self.generation)
        if start == "face":
            photos = photo_segments(self.data, self.data.photos, View())
            return face_rows(photos, self.concept.shape.hidden, self.generation)
        if start == "photos":
            photos = photo_segments(self.data, self.data.photos, View())
            return kmeans_rows(self.backbone.vectors(photos), self.generation)
        if start == "random":
            return random_rows(self.backbone, self.data.class_noun, self.generation, self.seed)
        return self.backbone.fresh_rows(self.generation, len(self.concept), "codes").input

    def flows(self) -> Sequence[Flow]:
        """Random crops of the cropped photos to draw, and stage 1's questions."""
        return both_flows(self, self.data.crops or self.data.photos, self.view)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """0.8 x mean loss of masked codes + 0.2 x mean loss of the answers' tokens (section 3.2)."""
        mean = self.mean(batch)
        total = self.text_weight * mean.text + self.image_weight * mean.image
        return self.logged(batch, mean, total)


class PerceptionRefinement(ConceptStage):
    """Stage 3: understand better from what stage 2 learnt to draw (UniCTokens, section 3.3).

    The new tokens start where the model, drawing the concept, settles late: see
    :func:`~unictk.concepts.bridge.late_cells`. Only they and the identifier train.

    Args beyond :class:`~unictk.modules.concept_stage.ConceptStage`:
        understanding: soft tokens that only understanding uses.
        bridge_images: how many pictures are drawn to find them (published: 20).
        bridge: ``codes`` clusters the cells of the draft that stay; ``pixels`` paints those that change
            white and encodes the picture again, as published; ``photos`` draws nothing and clusters the
            training photos (what the bridge is compared with).
        head_start: see :data:`HeadStart`.
        flip: probability of a mirrored picture.
    """

    trains = ("identifier", "understanding")
    needs = ("identifier",)
    adds = ("understanding",)

    def __init__(
        self,
        run: StageRun,
        optimizer: MakeOptimizer,
        text_weight: Weight = 0.2,
        image_weight: Weight = 0.8,
        text_batch: BatchSize = 1,
        image_batch: BatchSize = 1,
        anchor: Weight = 0.0,
        most_epochs: Epochs = None,
        understanding: RowCount = 8,
        bridge_images: Annotated[int, Ge(1)] = 20,
        bridge: Literal["codes", "pixels", "photos"] = "codes",
        head_start: HeadStart = "text",
        flip: Share = 0.25,
    ) -> None:
        super().__init__(
            run, optimizer, text_weight, image_weight, text_batch, image_batch, anchor, most_epochs
        )
        self.understanding, self.head_start = understanding, head_start
        self.bridge_images, self.bridge = bridge_images, bridge
        self.view = View(flip=flip, seed=run.seed)

    def grow(self) -> None:
        """Tokens that only understanding uses, from what drawing settles late (section 3.3)."""
        if not self.understanding:
            return
        fresh = self.backbone.fresh_rows(self.understanding, len(self.concept), self.head_start)
        self.concept.grow("understanding", Rows(self._soft_start(), fresh.head, fresh.bias))

    def _soft_start(self) -> Tensor:
        if self.bridge == "photos":
            photos = photo_segments(self.data, self.data.photos, View())
            return kmeans_rows(self.backbone.vectors(photos), self.understanding)
        vectors, keep = late_cells(
            self.backbone, self.concept, self.data.is_human, self.bridge_images, self.bridge,
            self.sampling, self.seed,
        )  # fmt: skip
        return kmeans_rows(vectors, self.understanding, keep)

    def flows(self) -> Sequence[Flow]:
        """Whole photos to draw, and questions now asked with the new tokens."""
        return both_flows(self, self.data.photos, self.view)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """0.8 x mean loss of masked codes + 0.2 x mean loss of the answers' tokens (section 3.3)."""
        mean = self.mean(batch)
        total = self.text_weight * mean.text + self.image_weight * mean.image
        return self.logged(batch, mean, total)


def both_flows(stage: ConceptStage, pictures: Sequence[Path], view: View) -> Sequence[Flow]:
    """Pictures to draw and questions about the concept, each unless its batch size is 0."""
    flows = []
    if stage.image_batch:
        flows.append(Flow("drawing", drawings(stage.concept, stage.data, pictures, view), stage.image_batch))
    if stage.text_batch:
        flows.append(Flow("understanding", understanding(stage.concept, stage.data), stage.text_batch))
    return flows
