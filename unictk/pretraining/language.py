"""The language model's part: tables and layers on lessons of every kind, with known characters in slots."""

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
from unictk.backbones.showo.factored import SPREAD, factor_codes, fold_codes
from unictk.backbones.showo.masking import Schedule
from unictk.backbones.showo.weights import load_language, write_published
from unictk.concepts.known_rows import load_values, save_known
from unictk.concepts.slots import KnownConcepts
from unictk.datamodules.lessons import Late, Lessons
from unictk.modules.pretraining import LanguagePretraining
from unictk.pretraining.base import Precision
from unictk.pretraining.files import halved
from unictk.sprites.album_file import kept_album
from unictk.sprites.coded import Album, Sizes, make_album
from unictk.sprites.known import KNOWN
from unictk.sprites.lessons.curriculum import (
    LATE_SHARES,
    LATE_TURNS,
    OPENING,
    SHARES,
    TURNS,
    WEIGHTS,
    WRITERS,
)
from unictk.sprites.lessons.parts import ROWS

FOLDER = "showo"
"""Where its weights lie, in the published layout."""

KNOWN_ROWS = "known.safetensors"
"""Rows of the first known characters."""

ALBUM = "album.pt"
"""The pictures of the lessons, in the checkpoint folder."""


class LanguagePart:
    """Train everything of the backbone but its image tokenizer on the world's lessons.

    Args:
        steps: optimizer steps.
        start: language weights to go on from, with known characters' rows beside their folder: what such a
            training wrote (``RUN/weights/showo``), or the package's (``bundled:sprites/showo``). None: from
            nothing. Known characters whose rows were not kept begin at the mean of those that were.
        opening: of them, the first ones are the ladder of equality (``curriculum.OPENING``), its rungs this
            many times as long; 0: none.
        slots: known characters that are seated in a step.
        kept: known characters whose rows are written.
        late: from this step on lessons have their late shares (``curriculum.LATE_SHARES``), and drawings
            are masked by ``late_schedule``: first a picture has to follow its prompt, where the layout's own
            schedule shows next to nothing of it, then itself.
        late_schedule: see ``late``.
        pictures: of each kind that the lessons are drawn from.
        lr: of Muon and AdamW.
        table_lr: of the tables and the known characters' rows.
        warmup: steps of the linear start.
        decay: share of the steps in which the learning rate falls, once, at the end.
        clip: largest gradient norm.
        precision: of the products.
    """

    def __init__(
        self,
        steps: Annotated[int, Ge(1)] = 5200,
        start: str | None = None,
        opening: Annotated[float, Ge(0)] = 1.0,
        slots: Annotated[int, Ge(2)] = 6,
        kept: Annotated[int, Ge(1)] = 20,
        late: Annotated[int, Ge(0)] = 2500,
        late_schedule: Schedule = "pow2",
        pictures: Sizes | None = None,
        lr: Annotated[float, Gt(0)] = 3e-3,
        table_lr: Annotated[float, Gt(0)] = 6e-3,
        warmup: Annotated[int, Ge(0)] = 100,
        decay: Annotated[float, Interval(ge=0, le=1)] = 0.3,
        clip: Annotated[float, Gt(0)] = 1.0,
        precision: Precision = "bf16-mixed",
    ) -> None:
        self.steps, self.start, self.opening, self.slots, self.kept = steps, start, opening, slots, kept
        self.late, self.late_schedule = late, late_schedule
        self.pictures = pictures or Sizes()
        self.lr, self.table_lr, self.warmup, self.decay = lr, table_lr, warmup, decay
        self.clip, self.precision = clip, precision
        self._module: LanguagePretraining | None = None

    def begin(
        self, backbone: Backbone, seed: int, folder: Path
    ) -> tuple[LightningModule, LightningDataModule]:
        """The whole model but its tokenizer, and the stream of lessons."""
        showo = cast(Showo, backbone)
        if self.start is not None:
            _load(showo, self.start)
        factor_codes(showo, spread=SPREAD if self.start is None else 0.0)  # what is there stays as it is
        known = KnownConcepts(
            KNOWN, self.slots, ROWS, backbone.row_shape, backbone.fresh_rows(sum(ROWS.values())), seed=seed
        )
        if self.start is not None:
            beside = find_folder(self.start, None, (), "Show-o's weights", "RUN/weights/showo").parent
            known.begin_with(load_values(beside / KNOWN_ROWS, known.sizes))
        self._module = LanguagePretraining(
            backbone,
            known,
            weights=WEIGHTS,
            lr=self.lr,
            table_lr=self.table_lr,
            warmup=self.warmup,
            decay=self.decay,
        )

        tokenizer = showo.image_tokenizer
        key = f"{fingerprint(tokenizer)} {seed} {self.pictures}"

        def album() -> Album:
            return kept_album(
                folder / ALBUM,
                key,
                lambda: make_album(tokenizer.codes, tokenizer.decode, seed, self.pictures),
            )

        return self._module, Lessons(
            layout=backbone.layout,
            make_world=album,
            writers=WRITERS,
            shares=SHARES,
            known=KNOWN,
            slots=self.slots,
            seed=seed,
            turns=TURNS,
            opening=[replace(rung, steps=round(self.opening * rung.steps)) for rung in OPENING],
            late=Late(self.late, showo.layout.with_schedule(self.late_schedule), LATE_SHARES, LATE_TURNS),
        )

    def write(self, folder: Path) -> dict[str, float]:
        """Model and known rows, bf16; the backbone goes on with what is kept."""
        if self._module is None or self._module.known is None:
            raise RuntimeError("the language model has not begun")
        showo, known = cast(Showo, self._module.backbone), self._module.known
        fold_codes(showo)
        phi = showo.network.phi
        write_published(folder / FOLDER, halved(phi.state_dict()), phi.config.to_dict())
        save_known(folder / KNOWN_ROWS, known.table.detach()[: self.kept], known.sizes)
        return {}

    def read(self, folder: Path, backbone: Backbone) -> None:
        """Into the backbone's network, plain and frozen, with nobody attached."""
        showo = cast(Showo, backbone)
        fold_codes(showo)
        showo.requires_grad_(False).eval()
        showo.attach([])
        showo.network.plain_blocks()  # compiled ones would be compiled anew for every shape of sampling
        _load(showo, folder / FOLDER)


def _load(showo: Showo, source: str | Path) -> None:
    """A language model into the network."""
    phi = showo.network.phi
    shapes = {name: tuple(tensor.shape) for name, tensor in phi.state_dict().items()}
    phi.load_state_dict(load_language(source, shapes))
