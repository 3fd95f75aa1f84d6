"""How much a CLIP sees of the sprites world: scenes, identities and phrasings it was never trained on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image as PILImage

from unictk.chance import seed_of
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.render import MOST_HIDDEN, most_hidden, render
from unictk.sprites.scenes import (
    ACCESSORIES,
    COLOURS,
    COLUMNS,
    ROWS,
    SETTINGS,
    SIZES,
    Character,
    Identity,
    Scene,
)
from unictk.sprites.splits import Part, identities_of, neighbours, part_of, random_scene, stagings_of

if TYPE_CHECKING:
    from unictk.metrics.clip_model import Clip

HELD_OUT: Part = "concepts"
"""The part of the world the numbers are of."""

SCENES = 64
"""Scenes among which the right one must be found; half of them have two characters."""

TRIALS = 512
"""Comparisons of one value, and of identities."""


def clip_report(clip: Clip, seed: int) -> dict[str, float]:
    """Shares of right answers, in [0, 1].

    * ``clip/text_to_image``, ``clip/image_to_text``: of 64 scenes and their dense prompts, the own one wins.
    * ``clip/attribute``: the dense prompt of a scene prefers its picture to one that differs in one value.
      Kinds of value are equally frequent. By chance 0.5.
    * ``clip/identity``: a character is more like itself in another staging than like another character in
      that other staging. By chance 0.5.
    """
    chance = random.Random(seed_of(seed, "clip report"))
    scenes = [random_scene(chance, HELD_OUT, 1 + at % 2) for at in range(SCENES)]
    texts = clip.texts([_dense(chance, scene) for scene in scenes])
    score = texts @ _seen(clip, scenes).T
    numbers = torch.arange(SCENES, device=score.device)
    return {
        "clip/text_to_image": float((score.argmax(1) == numbers).float().mean()),
        "clip/image_to_text": float((score.argmax(0) == numbers).float().mean()),
        "clip/attribute": _attribute(clip, chance),
        "clip/identity": _identity(clip, chance),
    }


def one_value_off(chance: random.Random, scene: Scene) -> Scene:
    """The scene with one value changed (an accessory comes with its colour), of any part but the reviewers'.

    Kinds of value are equally likely; the result can be read.
    """
    found = {"setting": [replace(scene, setting=s) for s in SETTINGS if s != scene.setting]}
    for at, one in enumerate(scene.characters):
        for name, other in _others(one):
            cast = (*scene.characters[:at], other, *scene.characters[at + 1 :])
            found.setdefault(name, []).append(replace(scene, characters=cast))
    while True:
        made = chance.choice(found[chance.choice(sorted(found))])
        if most_hidden(made) <= MOST_HIDDEN and not _reserved(made):
            return made


def _reserved(scene: Scene) -> bool:
    """Whether an identity of the scene belongs to reviewers."""
    return any(part_of(one.identity) == "reviewers" for one in scene.characters)


def _others(one: Character) -> list[tuple[str, Character]]:
    """Every character that differs in one value, and which."""
    found = [(_difference(one.identity, who), replace(one, identity=who)) for who in neighbours(one.identity)]
    for name, values in (("column", COLUMNS), ("row", ROWS), ("size", SIZES)):
        for value in values:
            if value != getattr(one, name):
                change: dict[str, Any] = {name: value}
                found.append((name, replace(one, **change)))
    worn = one.accessory != "none"
    if worn:
        found += [("item", replace(one, item=value)) for value in COLOURS if value != one.item]
        found.append(("accessory", replace(one, accessory="none", item="none")))
    for value in ACCESSORIES[1:]:
        if value != one.accessory:
            colours = (one.item,) if worn else COLOURS
            found += [("accessory", replace(one, accessory=value, item=colour)) for colour in colours]
    return found


def _difference(one: Identity, other: Identity) -> str:
    return next(name for name in one.__dataclass_fields__ if getattr(one, name) != getattr(other, name))


def _attribute(clip: Clip, chance: random.Random) -> float:
    scenes = [random_scene(chance, HELD_OUT, 1 + at % 2) for at in range(TRIALS)]
    wrong = [one_value_off(chance, scene) for scene in scenes]
    texts = clip.texts([_dense(chance, scene) for scene in scenes])
    right, other = ((texts * _seen(clip, shown)).sum(1) for shown in (scenes, wrong))
    return float((right > other).float().mean())


def _identity(clip: Clip, chance: random.Random) -> float:
    shown: tuple[list[Scene], ...] = ([], [], [])
    for _ in range(TRIALS):
        first, second = chance.sample(stagings_of(HELD_OUT), 2)
        one, other = chance.sample(identities_of(HELD_OUT), 2)
        for place, staging, who in zip(shown, (first, second, second), (one, one, other), strict=True):
            place.append(Scene(staging.setting, (staging.of(who),)))
    anchor, same, another = (_seen(clip, scenes) for scenes in shown)
    return float(((anchor * same).sum(1) > (anchor * another).sum(1)).float().mean())


def _dense(chance: random.Random, scene: Scene) -> str:
    return prompt(chance, scene, "dense", "evaluation")[0]


def _seen(clip: Clip, scenes: Sequence[Scene]) -> torch.Tensor:
    return clip.images([PILImage.fromarray(render(scene)) for scene in scenes])
