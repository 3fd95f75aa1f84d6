"""The language model's first part: from nothing, up a ladder to lessons of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

from annotated_types import Ge, Gt, Interval
from lightning import LightningDataModule, LightningModule

from unictk.backbones.base import Backbone
from unictk.backbones.fingerprint import fingerprint
from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.factored import factor_codes, fold_codes
from unictk.backbones.showo.weights import load_language, write_published
from unictk.concepts.known_rows import save_known
from unictk.concepts.slots import KnownConcepts
from unictk.datamodules.lessons import Lessons
from unictk.modules.pretraining import LanguagePretraining
from unictk.pretraining.base import Precision
from unictk.pretraining.files import halved
from unictk.sprites.album_file import kept_album
from unictk.sprites.coded import Album, Sizes, make_album
from unictk.sprites.known import KNOWN
from unictk.sprites.lessons.curriculum import (
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
"""The pictures of the lessons, beside the checkpoint folders."""


class LanguagePart:
    """Train everything of the backbone but its image tokenizer on the world's lessons.

    Args:
        steps: optimizer steps.
        opening: of them, the first ones are the ladder of equality (``curriculum.OPENING``), its rungs this
            many times as long; 0: none.
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
        steps: Annotated[int, Ge(1)] = 2500,
        opening: Annotated[float, Ge(0)] = 1.0,
        slots: Annotated[int, Ge(2)] = 6,
        kept: Annotated[int, Ge(1)] = 160,
        pictures: Sizes | None = None,
        lr: Annotated[float, Gt(0)] = 3e-3,
        table_lr: Annotated[float, Gt(0)] = 6e-3,
        warmup: Annotated[int, Ge(0)] = 100,
        decay: Annotated[float, Interval(ge=0, le=1)] = 0.0,
        clip: Annotated[float, Gt(0)] = 1.0,
        precision: Precision = "bf16-mixed",
        compile_blocks: bool = True,
    ) -> None:
        self.steps, self.opening, self.slots, self.kept = steps, opening, slots, kept
        self.pictures = pictures or Sizes()
        self.lr, self.table_lr, self.warmup, self.decay = lr, table_lr, warmup, decay
        self.clip, self.precision, self.compile_blocks = clip, precision, compile_blocks
        self._module: LanguagePretraining | None = None

    def begin(
        self, backbone: Backbone, seed: int, folder: Path, weights: Path
    ) -> tuple[LightningModule, LightningDataModule]:
        """The whole model but its tokenizer, and the stream of lessons."""
        showo = cast(Showo, backbone)
        factor_codes(showo)
        lessons = Lessons(
            layout=backbone.layout,
            make_world=self.album(showo, seed, folder),
            writers=WRITERS,
            shares=SHARES,
            known=KNOWN,
            slots=self.slots,
            seed=seed,
            turns=TURNS,
            opening=[replace(rung, steps=round(self.opening * rung.steps)) for rung in OPENING],
        )
        return self.training(backbone, self.known(showo, seed)), lessons

    def known(self, backbone: Showo, seed: int) -> KnownConcepts:
        """Fresh rows of all known characters."""
        fresh = backbone.fresh_rows(sum(ROWS.values()))
        return KnownConcepts(KNOWN, self.slots, ROWS, backbone.row_shape, fresh, seed=seed)

    def training(self, backbone: Backbone, known: KnownConcepts) -> LanguagePretraining:
        """What trains; :meth:`write` writes it."""
        if self.compile_blocks:
            cast(Showo, backbone).network.compile_blocks()
        self._module = LanguagePretraining(
            backbone,
            known,
            weights=WEIGHTS,
            lr=self.lr,
            table_lr=self.table_lr,
            warmup=self.warmup,
            decay=self.decay,
        )
        return self._module

    def album(self, backbone: Showo, seed: int, folder: Path) -> Callable[[], Album]:
        """Makes or finds the pictures: one album for all parts of a run."""
        tokenizer, pictures = backbone.image_tokenizer, self.pictures
        key = f"{fingerprint(tokenizer)} {seed} {pictures}"
        return lambda: kept_album(
            folder.parent / ALBUM,
            key,
            lambda: make_album(tokenizer.codes, tokenizer.decode, seed, pictures),
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
        load_into(showo, folder / FOLDER)


def load_into(showo: Showo, source: str | Path) -> None:
    """A language model into the network."""
    phi = showo.network.phi
    shapes = {name: tuple(tensor.shape) for name, tensor in phi.state_dict().items()}
    phi.load_state_dict(load_language(source, shapes))
