"""One sample or request as a Janus sequence: ids, labels, and where pictures stand in it.

A sequence is causal and counts its positions through, so any number of pictures may stand anywhere: one that
is read as features of the vision tower, one that is drawn as codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unictk.backbones.sequences import IGNORED, LabelledIds
from unictk.samples import Image


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a picture stands: its cells follow each other from ``start`` on, row by row."""

    start: int
    picture: Image
    drawn: bool


@dataclass(slots=True)
class Tape(LabelledIds):
    """A sequence under construction.

    Image codes are no labels: they are predicted by another head, from the position before each.
    """

    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)

    @property
    def pictures(self) -> list[Image]:
        """The pictures that stand in it, in order."""
        return [slot.picture for slot in self.slots]

    def tokens(self, ids: Sequence[int], is_target: bool = False) -> None:
        """Append ids, each its own label if they are targets."""
        self.ids += ids
        self.labels += ids if is_target else [IGNORED] * len(ids)

    def picture(self, picture: Image, cells: int, placeholder: int) -> None:
        """Append the cells of a picture."""
        self.slots.append(Slot(self.length, picture, picture.target))
        self.tokens([placeholder] * cells)
