"""What the report says of a CLIP that sees everything, of one blind to some values, of an untrained one."""

from __future__ import annotations

import random

import pytest
import torch

import unictk.sprites.clip_report as module
from unictk.metrics.small_clip import make_clip
from unictk.sprites.clip_report import clip_report, one_value_off
from unictk.sprites.grammar.parse import parse
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import part_of, random_scene


class Reader:
    """Texts and scenes to counts of (character, attribute, value), some attributes left out."""

    def __init__(self, blind: tuple[str, ...] = ()) -> None:
        self.blind = blind
        self.places: dict[tuple[str, str], int] = {}

    def vector(self, setting: str, characters: list[dict[str, str]]) -> torch.Tensor:
        named = [("setting", setting)]
        for one in characters:
            who = f"{one['colour']} {one['shape']}"
            named += [(who, f"{name} {value}") for name, value in one.items() if value != "none"]
            named += [("any", f"{name} {value}") for name, value in one.items() if value != "none"]
        vector = torch.zeros(6000)
        for thing in named:
            if thing[0] not in self.blind and thing[1].split()[0] not in self.blind:
                vector[self.places.setdefault(thing, len(self.places))] += 1
        return torch.nn.functional.normalize(vector, dim=0)

    def texts(self, texts: list[str]) -> torch.Tensor:
        asked = [parse(text) for text in texts]
        return torch.stack([self.vector(one.setting, [dict(who) for who in one.characters]) for one in asked])

    def scenes(self, scenes: list[Scene]) -> torch.Tensor:
        made = [self.vector(one.setting, [who.attributes() for who in one.characters]) for one in scenes]
        return torch.stack(made)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIALS", 120)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch, short: None) -> None:
    monkeypatch.setattr(module, "_seen", lambda clip, scenes: clip.scenes(scenes))


def test_one_that_sees_everything_is_always_right(reading: None) -> None:
    assert set(clip_report(Reader(), 0).items()) == {
        ("clip/text_to_image", 1.0),
        ("clip/image_to_text", 1.0),
        ("clip/attribute", 1.0),
        ("clip/identity", 1.0),
    }


def test_one_that_misses_attributes_loses_where_they_count(reading: None) -> None:
    partly = clip_report(Reader(("eyes", "ears", "size", "setting")), 0)
    assert partly["clip/text_to_image"] > 0.9
    assert 0.5 < partly["clip/attribute"] < 0.8
    assert partly["clip/identity"] == 1.0


def test_an_untrained_one_guesses(short: None) -> None:
    torch.manual_seed(0)
    clip = make_clip(dim=32, image_width=32, image_layers=1, text_width=32, text_layers=1)
    found = clip_report(clip, 0)
    assert found == clip_report(clip, 0)
    assert found != clip_report(clip, 1)
    assert found["clip/text_to_image"] < 0.1
    assert found["clip/image_to_text"] < 0.1
    assert 0.35 < found["clip/attribute"] < 0.65


def flat(scene: Scene) -> list[tuple[str, str]]:
    return [
        ("setting", scene.setting),
        *(pair for one in scene.characters for pair in one.attributes().items()),
    ]


def test_one_value_off_is_that_and_every_kind_comes() -> None:
    chance = random.Random(0)
    kinds: list[str] = []
    for at in range(200):
        scene = random_scene(chance, module.HELD_OUT, 1 + at % 2)
        other = one_value_off(chance, scene)
        changed = [a[0] for a, b in zip(flat(scene), flat(other), strict=True) if a != b]
        assert changed in ([changed[0]], ["accessory", "item"])
        kinds.append(changed[0])
    assert set(kinds) == {
        "setting",
        *module.Character.__dataclass_fields__,
        *module.Identity.__dataclass_fields__,
    } - {"identity"}
    assert all(part_of(one.identity) == module.HELD_OUT for one in scene.characters)
