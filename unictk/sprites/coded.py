"""Scenes with their pictures as image codes, made once and kept."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from unictk.chance import seed_of
from unictk.samples import Image
from unictk.sprites.known import Known, known_characters
from unictk.sprites.oracle import Reading, read
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import Part, part_of, random_scene, stagings_of
from unictk.sprites.variants import look_alike, variant

if TYPE_CHECKING:
    from torch import Tensor

Encode = Callable[["Tensor"], "Tensor"]
"""Pixels (B, 3, 48, 48) in [-1, 1] -> codes (B, cells)."""

Decode = Callable[["Tensor"], "Tensor"]
"""Codes (B, cells) -> pixels (B, 3, 48, 48) in [0, 1]."""

BATCH = 64


@dataclass(frozen=True, slots=True)
class Coded:
    """A scene and its codes (cells,)."""

    scene: Scene
    codes: Tensor
    number: int
    readable: bool = True

    def image(self, target: bool = False, masked: Tensor | None = None) -> Image:
        """The picture as a segment; ``masked`` of a target: the cells to draw."""
        return Image(None, target=target, codes=self.codes, key=f"scene {self.number}", masked=masked)

    def reading(self) -> Reading:
        """What a perfect reader sees."""
        return Reading(self.scene, 0.0, self.readable)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Pictures of each kind in an album; those of known characters are for each of them."""

    singles: int = 18000
    pairs: int = 14000
    variants: int = 6000
    spoilt: int = 1000
    blends: int = 2000
    known: int = 40
    own: int = 16
    look_alikes: int = 16


@dataclass(frozen=True, slots=True)
class Album:
    """Pictures to teach with.

    ``singles`` and ``pairs`` show one and two characters. ``variants`` are (a scene of those, one that
    differs from it in a few values). ``spoilt`` are no renderings: parts of several pictures, or cells out
    of order, each with what an oracle reads in it; ``blends`` are cells of several pictures that one prompt
    asks for, as a model draws that decides cells apart. ``known`` shows each known character alone, ``own``
    with its own thing, at home, or both; ``look_alikes`` show others that differ from it in one value.
    ``black`` is the picture that stands before text-only questions. ``drawn`` are (what a prompt meant, what
    the model in training drew of it), once it can draw (:mod:`unictk.sprites.own_drawings`).
    """

    singles: tuple[Coded, ...]
    pairs: tuple[Coded, ...]
    variants: tuple[tuple[Coded, Coded], ...]
    spoilt: tuple[tuple[Coded, Coded], ...]
    blends: tuple[tuple[Coded, Coded], ...]
    known: tuple[tuple[Coded, ...], ...]
    own: tuple[tuple[Coded, ...], ...]
    look_alikes: tuple[tuple[Coded, ...], ...]
    black: Image
    drawn: tuple[tuple[Coded, Coded], ...] = ()

    @property
    def count(self) -> int:
        """The first number that no picture has."""
        pairs = itertools.chain(*self.variants, *self.spoilt, *self.blends, *self.drawn)
        groups = itertools.chain(*self.known, *self.own, *self.look_alikes)
        return 1 + max(one.number for one in itertools.chain(self.singles, self.pairs, pairs, groups))


def make_album(encode: Encode, decode: Decode, seed: int, sizes: Sizes, part: Part = "pretraining") -> Album:
    """Render and encode an album; about 4 ms a picture and 100 ms a spoilt one."""
    chance = random.Random(seed_of(seed, "album", part))
    chosen = random.Random(seed_of(seed, "album variants", part))
    shelf = _Shelf(encode)
    singles = shelf.put([random_scene(chance, part) for _ in range(sizes.singles)])
    pairs = shelf.put([random_scene(chance, part, 2) for _ in range(sizes.pairs)])
    first = [chosen.choice(singles if chosen.random() < 0.5 else pairs) for _ in range(sizes.variants)]
    others = shelf.put([variant(chosen, one.scene, part, chosen.choice((1, 1, 2, 3))) for one in first])
    who = known_characters()
    known = [[random_scene(chance, part, 1, one.identity) for _ in range(sizes.known)] for one in who]
    own = [[own_scene(chance, one, part) for _ in range(sizes.own)] for one in who]
    alike = [
        [random_scene(chance, part, 1, look_alike(chance, one.identity)) for _ in range(sizes.look_alikes)]
        for one in who
    ]
    black = torch.full((1, 3, *render(singles[0].scene).shape[:2]), -1.0)
    spoilt = _spoilt(chosen, shelf, decode, [*singles, *pairs], sizes.spoilt)
    alone, owning, mistaken = (
        tuple(tuple(shelf.put(scenes)) for scenes in group) for group in (known, own, alike)
    )
    mixed = random.Random(seed_of(seed, "album blends", part))
    return Album(
        tuple(singles),
        tuple(pairs),
        tuple(zip(first, others, strict=True)),
        tuple(spoilt),
        tuple(_blended(mixed, shelf, decode, (singles, pairs), sizes.blends)),
        alone,
        owning,
        mistaken,
        Image(None, codes=encode(black)[0].cpu(), key="black"),
    )


def own_scene(chance: random.Random, one: Known, part: Part) -> Scene:
    """The character with its own thing, at home, or both; the rest at random."""
    what = chance.choice(("item", "home", "both"))
    worn = {"accessory": one.facts.accessory, "item": one.facts.item}
    while True:
        staging = chance.choice(stagings_of(part))
        if what != "home":
            staging = replace(staging, **worn)
        if what != "item":
            staging = replace(staging, setting=one.facts.home)
        if what == "item" and staging.setting == one.facts.home:
            continue
        if part_of(staging) == part:
            return Scene(staging.setting, (staging.of(one.identity),))


class _Shelf:
    """Numbers and encodes scenes."""

    def __init__(self, encode: Encode) -> None:
        self.encode, self.count = encode, 0

    def put(self, scenes: Sequence[Scene]) -> list[Coded]:
        codes = [row for batch in self._batches(scenes) for row in batch]
        made = [Coded(*both, self.count + at) for at, both in enumerate(zip(scenes, codes, strict=True))]
        self.count += len(made)
        return made

    def put_codes(self, scene: Scene, codes: Tensor, readable: bool) -> Coded:
        self.count += 1
        return Coded(scene, codes, self.count - 1, readable)

    def _batches(self, scenes: Sequence[Scene]) -> Iterator[Tensor]:
        for first in range(0, len(scenes), BATCH):
            pixels = np.stack([render(scene) for scene in scenes[first : first + BATCH]])
            yield self.encode(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1).cpu()


def _spoilt(
    chance: random.Random, shelf: _Shelf, decode: Decode, sources: Sequence[Coded], count: int
) -> list[tuple[Coded, Coded]]:
    """(a picture, what is left of it), with the oracle's reading of what is left."""
    whole = [chance.choice(sources) for _ in range(count)]
    codes = [spoil(chance, one.codes, chance.choice(sources).codes) for one in whole]
    return _as_read(shelf, decode, whole, codes)


def _blended(
    chance: random.Random, shelf: _Shelf, decode: Decode, sources: Sequence[Sequence[Coded]], count: int
) -> list[tuple[Coded, Coded]]:
    """(a picture, its cells among those of others that are told alike), with the oracle's reading."""
    alike: dict[tuple[str, str, int], list[Coded]] = {}
    for one in itertools.chain(*sources):
        alike.setdefault(_told(one.scene), []).append(one)
    whole = [chance.choice(chance.choice(sources)) for _ in range(count)]
    codes = [blend(chance, one.codes, [other.codes for other in alike[_told(one.scene)]]) for one in whole]
    return _as_read(shelf, decode, whole, codes)


def _told(scene: Scene) -> tuple[str, str, int]:
    """What a short prompt tells of a scene: the place, the first character's shape, how many there are."""
    return scene.setting, scene.characters[0].identity.shape, len(scene.characters)


def _as_read(
    shelf: _Shelf, decode: Decode, whole: Sequence[Coded], codes: Sequence[Tensor]
) -> list[tuple[Coded, Coded]]:
    """Each picture with the codes that are left of it and what the oracle reads in those."""
    pictures: list[np.ndarray] = []
    for first in range(0, len(codes), BATCH):
        pictures += list(decode(torch.stack([*codes[first : first + BATCH]])).float().cpu().numpy())
    readings = read_apart(pictures)
    left = [
        shelf.put_codes(seen.scene, one, seen.readable) for one, seen in zip(codes, readings, strict=True)
    ]
    return list(zip(whole, left, strict=True))


def read_apart(pictures: Sequence[np.ndarray]) -> list[Reading]:
    """Read in other processes: what is no scene takes the oracle longest."""
    if len(pictures) < BATCH:
        return [read(picture) for picture in pictures]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=_one_thread) as pool:
        return list(pool.map(read, pictures, chunksize=8))


def _one_thread() -> None:
    threadpool_limits(1)


def spoil(chance: random.Random, codes: Tensor, other: Tensor) -> Tensor:
    """Some cells from another picture, a block of cells from it, or some cells out of order."""
    cells, left = codes.numel(), codes.clone()
    how, share = chance.choice(("sprinkle", "block", "shuffle")), chance.uniform(0.05, 1.0)
    if how == "block":
        side = round(cells**0.5)
        high, wide = (max(2, round(side * chance.uniform(0.25, 0.8))) for _ in range(2))
        top, at = chance.randrange(side - high + 1), chance.randrange(side - wide + 1)
        grid = left.view(side, side)
        grid[top : top + high, at : at + wide] = other.view(side, side)[top : top + high, at : at + wide]
        return left
    some = torch.tensor(chance.sample(range(cells), max(2, round(share * cells))))
    left[some] = other[some] if how == "sprinkle" else left[some[torch.tensor(_order(chance, len(some)))]]
    return left


MOST_BLENDED = 6
"""Other pictures in a blend."""


def blend(chance: random.Random, codes: Tensor, alike: Sequence[Tensor]) -> Tensor:
    """Cells of pictures that share a prompt, each from any of them: what one parallel step draws."""
    others = [chance.choice(alike) for _ in range(chance.randint(1, MOST_BLENDED))]
    kept = chance.uniform(0, 0.95)
    picked = [codes if chance.random() < kept else chance.choice(others) for _ in range(codes.numel())]
    return torch.stack([source[cell] for cell, source in enumerate(picked)])


def _order(chance: random.Random, count: int) -> list[int]:
    return chance.sample(range(count), count)
