"""One sample or request as a Janus sequence: ids, labels, and where pictures stand in it.

A sequence is causal and counts its positions through, so any number of pictures may stand anywhere: one that
is read as features of the vision tower, one that is drawn as codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unictk.backbones.janus.vocabulary import IGNORED
from unictk.samples import Image


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a picture stands: its cells follow each other from ``start`` on, row by row."""

    start: int
    picture: Image
    drawn: bool


@dataclass(slots=True)
class Tape:
    """A sequence under construction.

    ``labels`` stand at the position they belong to; :meth:`targets` moves them to the one that predicts them.
    Image codes are no labels: they are predicted by another head, from the position before each.
    """

    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Positions used."""
        return len(self.ids)

    def tokens(self, ids: Sequence[int], is_target: bool = False) -> None:
        """Append ids, each its own label if they are targets."""
        self.ids += ids
        self.labels += ids if is_target else [IGNORED] * len(ids)

    def picture(self, picture: Image, cells: int, placeholder: int) -> None:
        """Append the cells of a picture."""
        self.slots.append(Slot(self.length, picture, picture.target))
        self.tokens([placeholder] * cells)

    def targets(self) -> list[int]:
        """Labels at the positions that predict them; the last position predicts no text."""
        return [*self.labels[1:], IGNORED]
