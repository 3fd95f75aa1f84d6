"""The language model's second part: the look of characters, what is built on equality, its own drawings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

from annotated_types import Ge, Gt, Interval
from lightning import LightningDataModule, LightningModule

from unictk.backbones.base import Backbone
from unictk.backbones.checkpoints import find_folder
from unictk.backbones.fingerprint import fingerprint
from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.factored import factor_codes
from unictk.backbones.showo.masking import Schedule
from unictk.concepts.known_rows import load_values
from unictk.datamodules.lessons import Lessons
from unictk.pretraining.base import Precision
from unictk.pretraining.language import KNOWN_ROWS, LanguagePart, load_into
from unictk.samples import Sampling
from unictk.sprites.album_file import kept_pairs
from unictk.sprites.coded import Album, Coded, Sizes
from unictk.sprites.known import KNOWN
from unictk.sprites.lessons.curriculum import LATE_SHARES, LATE_TURNS, WRITERS
from unictk.sprites.own_drawings import draw_own

DRAWN = "drawn.pt"
"""The model's own drawings, in the checkpoint folder."""


class RefinementPart(LanguagePart):
    """Go on with a model that knows its words and can draw: the late lessons (``curriculum.LATE_SHARES``).

    First a picture had to follow its prompt, where the layout's own masking shows next to nothing of it;
    from here on it has to follow itself (``schedule``). Before the first step the model draws pictures of
    its own, which the oracle reads: they are what it will have to judge and to improve.

    Args:
        steps: optimizer steps.
        start: language weights to go on from, with known characters' rows beside their folder: what such a
            training wrote (``RUN/weights/showo``), or the package's (``bundled:sprites/showo``). None: what
            the part before has left. Known characters whose rows were not kept begin at the mean of those
            that were.
        schedule: of masking.
        drawn: pictures that the model draws itself.
        sampling: how, but for the number of steps, which varies; None: as the package's sampling is.
        slots: known characters that are seated in a step.
        kept: known characters whose rows are written.
        pictures: of each kind that the lessons are drawn from.
        lr: of Muon and AdamW.
        table_lr: of the tables and the known characters' rows.
        warmup: steps of the linear start.
        decay: share of the steps in which the learning rate falls, once, at the end.
        clip: largest gradient norm.
        precision: of the products.
        compile_blocks: a faster step; needs a C++ compiler.
    """

    def __init__(
        self,
        steps: Annotated[int, Ge(1)] = 2700,
        start: str | None = None,
        schedule: Schedule = "pow2",
        drawn: Annotated[int, Ge(0)] = 3000,
        sampling: Sampling | None = None,
        slots: Annotated[int, Ge(2)] = 6,
        kept: Annotated[int, Ge(1)] = 20,
        pictures: Sizes | None = None,
        lr: Annotated[float, Gt(0)] = 3e-3,
        table_lr: Annotated[float, Gt(0)] = 6e-3,
        warmup: Annotated[int, Ge(0)] = 50,
        decay: Annotated[float, Interval(ge=0, le=1)] = 0.6,
        clip: Annotated[float, Gt(0)] = 1.0,
        precision: Precision = "bf16-mixed",
        compile_blocks: bool = True,
    ) -> None:
        super().__init__(
            steps, 0.0, slots, kept, pictures, lr, table_lr, warmup, decay, clip, precision, compile_blocks
        )
        self.start, self.schedule, self.drawn, self.sampling = start, schedule, drawn, sampling or Sampling()

    def begin(
        self, backbone: Backbone, seed: int, folder: Path, weights: Path
    ) -> tuple[LightningModule, LightningDataModule]:
        """The model as it was left, and the stream of late lessons; draws its own pictures if need be."""
        showo = cast(Showo, backbone)
        if self.start is not None:
            load_into(showo, self.start)
            weights = find_folder(self.start, None, (), "Show-o's weights", "RUN/weights/showo").parent
        known = self.known(showo, seed)
        known.begin_with(load_values(weights / KNOWN_ROWS, known.sizes))
        world = self._with_own(backbone, self.album(showo, seed, folder)(), seed, folder)
        factor_codes(showo, spread=0.0)  # what is there stays as it is
        lessons = Lessons(
            layout=showo.layout.with_schedule(self.schedule),
            make_world=lambda: world,
            writers=WRITERS,
            shares=LATE_SHARES,
            known=KNOWN,
            slots=self.slots,
            seed=seed,
            turns=LATE_TURNS,
        )
        return self.training(backbone, known), lessons

    def _with_own(self, backbone: Backbone, album: Album, seed: int, folder: Path) -> Album:
        """The album with the model's own drawings."""
        if not self.drawn:
            return album
        showo = cast(Showo, backbone)
        model = fingerprint(showo.network)
        key = f"{model} {fingerprint(showo.image_tokenizer)} {seed} {self.drawn} {self.sampling}"

        def own() -> tuple[tuple[Coded, Coded], ...]:
            return draw_own(backbone, album, self.sampling, seed, self.drawn)

        return replace(album, drawn=kept_pairs(folder / DRAWN, key, own))
