"""Pictures and prompts for CLIP: fixed by seed and step, twins differ in one value."""

from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest
import torch

import unictk.datamodules.scene_captions as module
from unictk.datamodules.scene_captions import SHARES, SceneCaptions, _Stream
from unictk.sprites.scenes import Scene
from unictk.sprites.variants import fits_part


def test_a_step_depends_on_seed_and_number_alone() -> None:
    data = SceneCaptions(3, batch=12)
    whole = list(islice(_Stream(data, 0), 4))
    later = list(islice(_Stream(SceneCaptions(3, batch=12), 2), 2))
    for (pixels, texts), (again, said) in zip(whole[2:], later, strict=True):
        assert torch.equal(pixels, again)
        assert texts == said
    assert pixels.shape == (12, 3, 48, 48)
    assert pixels.dtype == torch.uint8
    assert len(texts) == 12
    assert not torch.equal(whole[0][0], whole[1][0])
    assert not torch.equal(whole[0][0], SceneCaptions(4, batch=12).step(0)[0])


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> list[Scene]:
    """Every scene that is rendered."""
    met: list[Scene] = []
    rendered = module.render

    def watched(scene: Scene) -> np.ndarray:
        met.append(scene)
        return rendered(scene)

    monkeypatch.setattr(module, "render", watched)
    return met


def values(scene: Scene) -> list[str]:
    return [scene.setting, *(value for one in scene.characters for value in one.attributes().values())]


def test_twins_stand_together_and_differ_in_one_value_and_few_words(scenes: list[Scene]) -> None:
    _, texts = SceneCaptions(0, batch=40, twins=0.5).step(0)
    for at in range(0, 20, 2):
        one, other = (values(scene) for scene in scenes[at : at + 2])
        wrong = sum(a != b for a, b in zip(one, other, strict=True))
        assert wrong in (1, 2)  # two where an accessory comes or goes with its colour
        assert texts[at] != texts[at + 1]
        # Half a prompt's words change places at most where the caption is in reading order.
        words, others = (text.lower().replace(",", " ").split() for text in texts[at : at + 2])
        assert len(set(words) ^ set(others)) <= 10
    assert len(texts) == len(scenes) == 40
    lone = [
        sum(a != b for a, b in zip(values(x), values(y), strict=False))
        for x, y in zip(scenes[20::2], scenes[21::2], strict=True)
    ]
    assert sorted(lone)[len(lone) // 2] > 2


def test_shares_and_parts_are_kept(scenes: list[Scene]) -> None:
    data = SceneCaptions(0, batch=100, twins=0.0, couples=0.3, captions=0.4)
    texts = [text for number in range(4) for text in data.step(number)[1]]
    assert all(fits_part(scene, "pretraining") for scene in scenes)
    assert 0.22 < sum(len(scene.characters) == 2 for scene in scenes) / 400 < 0.38
    complete = [text.split(":")[0] in ("In the forest", "In space", "At the beach") for text in texts]
    assert any(complete)
    assert sum(text == module.canonical(scene) for text, scene in zip(texts, scenes, strict=True)) > 120


def test_every_detail_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    real = module.prompt

    def watched(chance: random.Random, scene: Scene, detail, phrasing):
        asked.add(detail)
        assert phrasing == "training"
        return real(chance, scene, detail, phrasing)

    monkeypatch.setattr(module, "prompt", watched)
    SceneCaptions(0, batch=200, twins=0).step(0)
    assert asked == set(SHARES)
