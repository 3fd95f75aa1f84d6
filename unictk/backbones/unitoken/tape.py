"""One sample or request as a UniToken sequence: ids, labels, places for codes and for continuous vectors.

A sequence is ``<s>`` and turns, each closed by the end-of-turn token: what the user says and shows, what the
model answers or draws. Positions count the whole sequence and everything is causal, so any number of
pictures may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unictk.backbones.sequences import IGNORED, LabelledIds
from unictk.backbones.unitoken.anyres import FEATURE, ContinuousHalf
from unictk.backbones.unitoken.vocabulary import CODE, Vocabulary
from unictk.samples import Image


@dataclass(slots=True)
class CodeSlot:
    """Where a picture's codes stand: row r, column c at ``start + r * (columns + 1) + c``."""

    start: int
    rows: int
    columns: int
    picture: Image


@dataclass(slots=True)
class FeatureSlot:
    """Where a picture's continuous vectors stand: ``places`` (vectors,), in the order of ``half.index``."""

    places: list[int]
    half: ContinuousHalf
    picture: Image


@dataclass(slots=True)
class Tape(LabelledIds):
    """A sequence under construction.

    ``draws`` marks what belongs to a picture that the model draws.
    """

    vocabulary: Vocabulary
    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    draws: list[bool] = field(default_factory=list)
    codes: list[CodeSlot] = field(default_factory=list)
    features: list[FeatureSlot] = field(default_factory=list)

    @property
    def pictures(self) -> list[Image]:
        """The pictures that stand in it, first those with codes, then those with vectors."""
        return [*(slot.picture for slot in self.codes), *(slot.picture for slot in self.features)]

    def tokens(
        self, ids: Sequence[int], is_target: bool = False, draws: bool = False, labels: Sequence[int] = ()
    ) -> None:
        """Append ids, each its own label if they are targets; or with the labels given."""
        self.ids += ids
        self.labels += labels or (list(ids) if is_target else [IGNORED] * len(ids))
        self.draws += [draws] * len(ids)

    def vectors(self, half: ContinuousHalf, picture: Image, draws: bool = False) -> None:
        """Append a picture's continuous half."""
        places = [self.length + place for place, token in enumerate(half.ids) if token == FEATURE]
        self.features.append(FeatureSlot(places, half, picture))
        self.tokens([self.vocabulary.pad if token == FEATURE else token for token in half.ids], draws=draws)

    def continuous(
        self, half: ContinuousHalf, picture: Image, supervise_separator: bool, draws: bool = False
    ) -> None:
        """Append the separator and a picture's continuous half."""
        self.tokens([self.vocabulary.separator], supervise_separator, draws)
        self.vectors(half, picture, draws)

    def picture(
        self, picture: Image, cells: tuple[int, int], half: ContinuousHalf | None, legacy: bool
    ) -> None:
        """Append a picture of ``cells`` (rows, columns): its codes, its continuous half if any, its end.

        Its labels are all ids of a target (codes get theirs when they are known), and with ``legacy`` the
        separator, target or not.
        """
        block = self.vocabulary.block(*cells)
        self.codes.append(CodeSlot(self.length + block.index(CODE), *cells, picture))
        self.tokens(block[:-1], picture.target, picture.target)
        if half is not None:
            self.continuous(half, picture, legacy, picture.target)
        self.tokens(block[-1:], picture.target, picture.target)

    def seen(self, picture: Image, half: ContinuousHalf) -> None:
        """Append a picture without codes: its start, its continuous half, its end."""
        self.tokens([self.vocabulary.start_of_image])
        self.vectors(half, picture)
        self.tokens([self.vocabulary.end_of_image])

    def drawn(self) -> list[bool]:
        """``draws``, moved as :meth:`targets` are."""
        return [*self.draws[1:], False]


def splice(
    vocabulary: Vocabulary,
    ids: Sequence[int],
    labels: Sequence[int],
    halves: Sequence[ContinuousHalf],
    legacy: bool = True,
) -> Tape:
    """Published ids and labels with a separator and continuous half before each end of an image.

    Raises:
        ValueError: another number of images than of halves.
    """
    ends = [place for place, token in enumerate(ids) if token == vocabulary.end_of_image]
    if len(ends) != len(halves):
        raise ValueError(f"{len(ends)} images in the ids and {len(halves)} continuous halves")
    tape, first = Tape(vocabulary), 0
    for end, half in zip(ends, halves, strict=True):
        tape.tokens(ids[first:end], labels=labels[first:end])
        tape.continuous(half, Image(None), legacy)
        first = end
    tape.tokens(ids[first:], labels=labels[first:])
    return tape
