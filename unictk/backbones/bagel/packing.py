"""Samples as one packed sequence: texts, pictures to read, latents clean or being drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unictk.backbones.bagel.patches import grid_of, patchify, places
from unictk.backbones.bagel.sizes import Sizes, SpecialIds
from unictk.backbones.bagel.splits import Kind, Marks, Split, sample_positions


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text, framed by bos and eos; with ``target`` its ids and the eos are to be predicted."""

    ids: Sequence[int]
    target: bool = False
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class PicturePart:
    """A picture (3, H, W) in [-1, 1] that the ViT reads; ``step`` as in :class:`Split`."""

    pixels: Tensor
    dropped: bool = False
    step: int = 1


@dataclass(frozen=True, slots=True)
class LatentPart:
    """A latent (z, h, w). With ``noise`` (tokens, latent width) at ``time`` in (0, 1] it is being drawn."""

    latent: Tensor
    noise: Tensor | None = None
    time: float | Tensor = 0.0
    dropped: bool = False
    step: int = 1


Part = TextPart | PicturePart | LatentPart


@dataclass(slots=True)
class Pack:
    """Several samples as one sequence of T tokens.

    Attributes:
        positions: (1, T) rotary positions.
        marks: who sees whom.
        drawn: (1, T) bool, latent tokens.
        ids: of text and framing tokens, and ``id_places`` where they stand.
        pictures: for the ViT, and ``picture_places`` where their tokens stand.
        latents: (n, latent width) tokens as the network reads them, noise mixed in; ``times`` (n,), their
            ``table_places`` (n,), and ``latent_places`` (n,) where they stand.
        labels: (m,) ids to be predicted, and ``label_places`` from where.
        targets: (k, latent width) velocities to be predicted, and ``target_places`` from where.
    """

    positions: Tensor
    marks: Marks
    drawn: Tensor
    ids: Tensor
    id_places: Tensor
    pictures: list[Tensor]
    picture_places: Tensor
    latents: Tensor
    times: Tensor
    table_places: Tensor
    latent_places: Tensor
    labels: Tensor
    label_places: Tensor
    targets: Tensor
    target_places: Tensor

    def __len__(self) -> int:
        return self.positions.shape[1]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Pack:
        """The pack on ``device``."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=non_blocking)
            for name in self.__slots__
            if name != "pictures"
        }
        pictures = [picture.to(device, non_blocking=non_blocking) for picture in self.pictures]
        return replace(self, pictures=pictures, **moved)


def noisy(latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """What is between latents (time 0) and noise (time 1): (n, latent width) with times (n,)."""
    times = times[:, None]
    return (1 - times) * latents + times * noise


class Packer:
    """Lays parts out one behind the other.

    Args:
        special: framing ids.
        sizes: of tokens and tables.
        patch: side of the ViT's patches.
    """

    def __init__(self, special: SpecialIds, sizes: Sizes, patch: int) -> None:
        self.special, self.sizes, self.patch = special, sizes, patch

    def split(self, part: Part) -> Split:
        """Kind and length of a part.

        Raises:
            ValueError: a picture or latent whose shape does not fit the patches and tables.
        """
        if isinstance(part, TextPart):
            return Split("text", len(part.ids) + 2, part.dropped)
        if isinstance(part, PicturePart):
            rows, columns = grid_of(part.pixels, self.patch, self.sizes.vision_side)
        else:
            rows, columns = self._latent_grid(part.latent)
        kind: Kind = "noise" if isinstance(part, LatentPart) and part.noise is not None else "image"
        return Split(kind, rows * columns + 2, part.dropped, part.step)

    def _latent_grid(self, latent: Tensor) -> tuple[int, int]:
        return grid_of(latent, self.sizes.latent_patch, self.sizes.latent_side)

    def pack(self, samples: Sequence[Sequence[Part]]) -> Pack:
        """One pack of the samples; they do not see each other.

        Raises:
            ValueError: as :meth:`split`, or nothing at all to pack.
        """
        splits = [[self.split(part) for part in sample] for sample in samples]
        positions = torch.cat(
            [torch.zeros(0, dtype=torch.long), *(sample_positions(one)[0] for one in splits)]
        )
        if not len(positions):
            raise ValueError("a pack without any token")
        rows = _Rows(self.special, self.sizes)
        for parts, lengths in zip(samples, splits, strict=True):
            for part, split in zip(parts, lengths, strict=True):
                if not split.dropped:
                    rows.add(part, split)
        drawn = torch.zeros(len(positions), dtype=torch.bool)
        found = rows.tensors()
        drawn[found["latent_places"]] = True
        return Pack(
            positions=positions[None],
            marks=Marks.of(splits),
            drawn=drawn[None],
            pictures=rows.pictures,
            **found,
        )


class _Rows:
    """Collects what a pack has, part by part."""

    def __init__(self, special: SpecialIds, sizes: Sizes) -> None:
        self.special, self.sizes = special, sizes
        self.at = 0
        self.pictures: list[Tensor] = []
        none, nowhere = torch.zeros(0), torch.zeros(0, dtype=torch.long)
        wide = torch.zeros(0, sizes.latent_width)
        self.found: dict[str, list[Tensor]] = {
            "ids": [nowhere],
            "id_places": [nowhere],
            "picture_places": [nowhere],
            "latents": [wide],
            "times": [none],
            "table_places": [nowhere],
            "latent_places": [nowhere],
            "labels": [nowhere],
            "label_places": [nowhere],
            "targets": [wide],
            "target_places": [nowhere],
        }

    def tensors(self) -> dict[str, Tensor]:
        """Everything collected, joined."""
        return {name: torch.cat(parts) for name, parts in self.found.items()}

    def add(self, part: Part, split: Split) -> None:
        """Put a part behind the others."""
        where = torch.arange(self.at, self.at + split.length)
        self.at += split.length
        if isinstance(part, TextPart):
            ids = torch.tensor([self.special.bos, *part.ids, self.special.eos])
            self._put(ids=ids, id_places=where)
            if part.target:
                self._put(labels=ids[1:], label_places=where[:-1])
            return
        ends = torch.tensor([self.special.start_of_image, self.special.end_of_image])
        self._put(ids=ends, id_places=where[[0, -1]])
        if isinstance(part, PicturePart):
            self.pictures.append(part.pixels)
            self._put(picture_places=where[1:-1])
        else:
            self._add_latent(part, where[1:-1])

    def _add_latent(self, part: LatentPart, where: Tensor) -> None:
        patch, side = self.sizes.latent_patch, self.sizes.latent_side
        tokens = patchify(part.latent, patch).float()
        times = torch.zeros(len(tokens))
        grid = grid_of(part.latent, patch, side)
        if part.noise is not None:
            times = torch.as_tensor(part.time, dtype=torch.float32).expand(len(tokens))
            self._put(targets=part.noise - tokens, target_places=where)
            tokens = noisy(tokens, part.noise, times)
        self._put(latents=tokens, times=times, table_places=places(grid, side), latent_places=where)

    def _put(self, **parts: Tensor) -> None:
        for name, tensor in parts.items():
            self.found[name].append(tensor)
