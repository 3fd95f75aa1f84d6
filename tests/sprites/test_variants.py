"""Scenes that differ a little: exactly as much as asked, in the same part of the world."""

import random

import pytest

from unictk.sprites.render import MOST_HIDDEN, most_hidden
from unictk.sprites.scenes import IDENTITY
from unictk.sprites.splits import part_of, random_scene
from unictk.sprites.variants import fits_part, look_alike, variant


def differing(one, other) -> int:
    """Values in which two scenes differ, characters in order; an item goes with its accessory."""
    count = int(one.setting != other.setting)
    for mine, its in zip(one.characters, other.characters, strict=True):
        pairs = zip(mine.attributes().items(), its.attributes().values(), strict=True)
        names = {name for (name, value), another in pairs if value != another}
        count += len(names - {"item"} if "accessory" in names else names)
    return count


@pytest.mark.parametrize("part", ["pretraining", "concepts"])
@pytest.mark.parametrize("characters", [1, 2])
@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_variant_differs_a_little_and_stays_in_its_part(part, characters, changes):
    chance = random.Random(7)
    counts = []
    for _ in range(20):
        scene = random_scene(chance, part, characters)
        other = variant(chance, scene, part, changes)
        counts.append(differing(scene, other))
        assert fits_part(other, part)
        assert most_hidden(other) <= MOST_HIDDEN
    assert min(counts) >= 1
    assert max(counts) == changes


def test_fits_part_sees_strangers():
    chance = random.Random(3)
    assert fits_part(random_scene(chance, "concepts", 2), "concepts")
    assert not fits_part(random_scene(chance, "concepts", 2), "pretraining")


def test_a_look_alike_differs_in_one_attribute_of_the_same_part():
    chance = random.Random(5)
    for _ in range(50):
        one = random_scene(chance, "pretraining").characters[0].identity
        other = look_alike(chance, one)
        assert sum(getattr(one, name) != getattr(other, name) for name in IDENTITY) == 1
        assert part_of(other) == part_of(one)
