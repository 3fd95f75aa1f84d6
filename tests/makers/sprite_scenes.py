"""Scenes that have everything a prompt asks for."""

from __future__ import annotations

import random
from collections.abc import Mapping

from unictk.sprites.asked import ATTRIBUTES, Asked
from unictk.sprites.grammar.predicates import VALUES
from unictk.sprites.oracle import Reading, score
from unictk.sprites.render import MOST_HIDDEN, most_hidden
from unictk.sprites.scenes import IDENTITY, SETTINGS, Character, Identity, Scene


def fulfil(chance: random.Random, asked: Asked) -> Scene:
    """A scene that has everything asked for, found by trying."""
    while True:
        cast = []
        for who in (*asked.characters, *[{}] * (asked.number - len(asked.characters))):
            values = {name: who.get(name) or chance.choice(VALUES[name]) for name in ATTRIBUTES}
            if values["accessory"] == "none":
                values["item"] = "none"
            cast.append(values)
        try:
            scene = Scene(asked.setting or chance.choice(SETTINGS), tuple(map(_character, cast)))
        except ValueError:
            continue
        if most_hidden(scene) <= MOST_HIDDEN and score(asked, Reading(scene, 0.0, True)).all_right:
            return scene


def _character(values: Mapping[str, str]) -> Character:
    who = Identity(*(values[name] for name in IDENTITY))
    return Character(who, *(values[name] for name in ("accessory", "item", "column", "row", "size")))
