"""An album on disk, so that a training that is resumed does not render and encode it again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from unictk.samples import Image
from unictk.sprites.coded import Album, Coded
from unictk.sprites.scenes import IDENTITY, Character, Identity, Scene


def kept_album(file: Path, key: str, make: Callable[[], Album]) -> Album:
    """The album in ``file`` if it was written under this ``key``; else a new one, written there."""
    if file.is_file():
        found = torch.load(file, weights_only=True)
        if found.get("key") == key:
            return _read(found)
    album = make()
    _put(file, {"key": key} | _written(album))
    return album


def kept_pairs(
    file: Path, key: str, make: Callable[[], tuple[tuple[Coded, Coded], ...]]
) -> tuple[tuple[Coded, Coded], ...]:
    """Pairs of pictures in ``file`` if they were written under this ``key``; else new ones, written there."""
    if file.is_file():
        found = torch.load(file, weights_only=True)
        if found.get("key") == key:
            at = _pictures(found)
            return tuple((at[one], at[other]) for one, other in json.loads(found["groups"]))
    pairs = make()
    pictures = {one.number: one for both in pairs for one in both}
    groups = [(one.number, other.number) for one, other in pairs]
    _put(file, {"key": key, "groups": json.dumps(groups)} | _columns(pictures))
    return pairs


def _put(file: Path, what: dict[str, Any]) -> None:
    """Written whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    torch.save(what, part)
    os.replace(part, file)


def _written(album: Album) -> dict[str, Any]:
    """Every distinct picture once, groups as lists of their places."""
    pictures: dict[int, Coded] = {}

    def places(group: Iterable[Coded]) -> list[int]:
        for one in group:
            pictures[one.number] = one
        return [one.number for one in group]

    groups = {
        "singles": places(album.singles),
        "pairs": places(album.pairs),
        "variants": [places(both) for both in album.variants],
        "spoilt": [places(both) for both in album.spoilt],
        "blends": [places(both) for both in album.blends],
        "known": [places(group) for group in album.known],
        "own": [places(group) for group in album.own],
        "look_alikes": [places(group) for group in album.look_alikes],
    }
    assert album.black.codes is not None
    return {"groups": json.dumps(groups), "black": album.black.codes} | _columns(pictures)


def _columns(pictures: Mapping[int, Coded]) -> dict[str, Any]:
    """Pictures in the order of their numbers, column by column."""
    ordered = [pictures[number] for number in sorted(pictures)]
    return {
        "scenes": json.dumps([_data(one.scene) for one in ordered]),
        "numbers": torch.tensor([one.number for one in ordered]),
        "readable": torch.tensor([one.readable for one in ordered]),
        "codes": torch.stack([one.codes for one in ordered]).to(torch.int32),
    }


def _pictures(found: Mapping[str, Any]) -> dict[int, Coded]:
    """By number, the pictures behind :func:`_columns`."""
    scenes = [_scene(data) for data in json.loads(found["scenes"])]
    rows = zip(
        scenes, found["codes"].long(), found["numbers"].tolist(), found["readable"].tolist(), strict=True
    )
    return {number: Coded(scene, code, number, readable) for scene, code, number, readable in rows}


def _read(found: Mapping[str, Any]) -> Album:
    at = _pictures(found)
    groups = json.loads(found["groups"])

    def pictures(numbers: list[int]) -> tuple[Coded, ...]:
        return tuple(at[number] for number in numbers)

    return Album(
        pictures(groups["singles"]),
        pictures(groups["pairs"]),
        tuple((at[one], at[other]) for one, other in groups["variants"]),
        tuple((at[one], at[other]) for one, other in groups["spoilt"]),
        tuple((at[one], at[other]) for one, other in groups["blends"]),
        tuple(map(pictures, groups["known"])),
        tuple(map(pictures, groups["own"])),
        tuple(map(pictures, groups["look_alikes"])),
        Image(None, codes=found["black"], key="black"),
    )


def _data(scene: Scene) -> list[Any]:
    return [scene.setting, [list(one.attributes().values()) for one in scene.characters]]


def _scene(data: list[Any]) -> Scene:
    setting, cast = data
    own = len(IDENTITY)
    return Scene(setting, tuple(Character(Identity(*values[:own]), *values[own:]) for values in cast))
