"""What else the same training could have been spent on, to compare: lessons that nobody's play has made.

``scenes``: true pictures of what self-play is to learn, prompts of two characters that stand to each other in
some way. ``pretraining``: what the model was taught before, in words and pictures, but drawing of two.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unictk.chance import seed_of
from unictk.datamodules.mixture import Flow
from unictk.samples import Image, Sample, Text
from unictk.selfplay.settings import Control
from unictk.sprites.coded import Album, Encode, Sizes, make_album
from unictk.sprites.grammar.descriptions import prompt, relations
from unictk.sprites.lessons import equality, looking, roles
from unictk.sprites.lessons.curriculum import LATE_SHARES
from unictk.sprites.lessons.parts import Writer
from unictk.sprites.render import render
from unictk.sprites.splits import random_scene

if TYPE_CHECKING:
    from unictk.backbones.base import Backbone

TAUGHT: Mapping[str, Writer] = {
    "mixed": looking.mixed,
    "told": looking.told,
    "drill": looking.drill,
    "caption": looking.captioning,
    "drawing": looking.drawing,
    "statements": equality.statements,
    "claims": equality.claims,
    "proposing": roles.proposing,
}
"""Kinds of pretraining's lessons that need neither known characters nor spoilt pictures."""

ALBUM = Sizes(singles=1500, pairs=800, variants=1, spoilt=0, blends=0, known=1, own=1, look_alikes=1)


def control_flows(control: Control, backbone: Backbone, count: int, batch_size: int, seed: int) -> list[Flow]:
    """As many samples as self-play has lessons, in batches of the same size.

    Args:
        control: what they are of.
        backbone: encodes the pictures.
        count: samples in all.
        batch_size: of a batch; a kind that is there has at least one place.
        seed: of everything.
    """
    chance = random.Random(seed_of(seed, "control", control))
    if control == "scenes":
        return [Flow(control, [_related(chance) for _ in range(count)], batch_size)]
    album = make_album(_codes_of(backbone), _nothing, seed, ALBUM)
    alone = replace(album, pairs=album.singles)
    shares = {kind: LATE_SHARES[kind] for kind in TAUGHT}
    total = sum(shares.values())
    flows = []
    for kind, share in shares.items():
        world: Album = alone if kind == "drawing" else album
        samples = [TAUGHT[kind](chance, world, ()) for _ in range(max(1, round(count * share / total)))]
        flows.append(Flow(kind, _fitting(backbone, samples), max(1, round(batch_size * share / total))))
    return flows


def _related(chance: random.Random) -> Sample:
    """A prompt about two characters and a picture that fulfils it, rendered."""
    while True:
        scene = random_scene(chance, "pretraining", 2)
        if relations(scene.characters):
            text, _ = prompt(chance, scene, "relation", "training")
            picture = Image(render(scene), target=True, key=str(chance.getrandbits(62)))
            return Sample(Text(text), picture, seed=chance.getrandbits(62))


def _fitting(backbone: Backbone, samples: Sequence[Sample]) -> list[Sample]:
    return [one for one in samples if backbone.layout.supports(one) is None]


def _codes_of(backbone: Backbone) -> Encode:
    def encode(pixels: Tensor) -> Tensor:
        pictures = ((pixels.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
        return torch.stack([one.codes for one in backbone.reconstruct([Image(one) for one in pictures])])

    return encode


def _nothing(codes: Tensor) -> Tensor:
    raise AssertionError("an album without spoilt pictures decodes nothing")
