"""Scenes become the pictures their data says."""

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from unictk.sprites.layers import BOX, Form, layers
from unictk.sprites.render import INK, MOST_HIDDEN, PALETTE, PITCH, canvas, corner, most_hidden, render
from unictk.sprites.scenes import (
    ACCESSORIES,
    COLUMNS,
    EARS,
    EYES,
    PATTERNS,
    ROWS,
    SETTINGS,
    SHAPES,
    SIZES,
    Character,
    Identity,
    Scene,
    identities,
)
from unictk.sprites.settings import SIDE, background
from unictk.sprites.splits import random_scene

RED_STAR = Character(
    Identity("star", "red", "blue", "plain", "wide", "long"), "none", "none", "middle", "middle", "big"
)


def alone(**changes: str) -> Scene:
    """A scene of the red star with changes."""
    names = {"shape", "colour", "second", "pattern", "eyes", "ears"}
    who = replace(RED_STAR.identity, **{k: v for k, v in changes.items() if k in names})
    rest = {k: v for k, v in changes.items() if k not in names}
    return Scene("meadow", (replace(RED_STAR, identity=who, **rest),))


def test_there_are_21504_identities_and_all_differ():
    assert len(set(identities())) == 21_504


def test_the_same_scene_gives_the_same_bytes():
    scene = random_scene(random.Random(1), "pretraining", 2)
    assert render(scene).tobytes() == render(scene).tobytes()
    assert render(scene).shape == (SIDE, SIDE, 3)
    assert render(scene).dtype == np.uint8


@pytest.mark.parametrize(
    "change",
    [
        {"shape": "heart"},
        {"colour": "green"},
        {"second": "pink"},
        {"pattern": "dotted"},
        {"eyes": "sleepy"},
        {"ears": "none"},
        {"accessory": "hat", "item": "red"},
        {"column": "left"},
        {"row": "top"},
        {"size": "small"},
    ],
)
def test_every_attribute_shows_and_only_where_the_character_stands(change):
    before, after = render(alone()).astype(int), render(alone(**change)).astype(int)
    assert np.abs(before - after).max() > 60
    empty = background("meadow")
    touched = (np.abs(before - empty) > 1).any(-1) | (np.abs(after - empty) > 1).any(-1)
    assert not (np.abs(before - after).any(-1) & ~touched).any()


def test_forms_differ_by_more_than_noise_in_both_sizes():
    for size in SIZES:
        every = itertools.product(SHAPES, PATTERNS, EYES, EARS, ACCESSORIES)
        flat = np.stack([layers(size, Form(*values)).ravel() for values in every])
        squares = (flat**2).sum(1)
        distances = squares[:, None] + squares[None] - 2 * flat @ flat.T
        np.fill_diagonal(distances, np.inf)
        assert distances.min() > 2.0, size


def test_layers_cover_a_pixel_at_most_once():
    for size in SIZES:
        cover = layers(size, Form("star", "split", "wide", "long", "balloon"))
        assert cover.shape == (5, BOX[size], BOX[size])
        assert cover.min() >= 0
        assert cover.sum(0).max() <= 1 + 1e-6


def test_a_character_has_its_colours():
    picture = render(alone(shape="square", eyes="sleepy")).reshape(-1, 3).tolist()
    assert list(PALETTE["red"]) in picture
    assert list(PALETTE["blue"]) in picture
    assert np.abs(np.array(picture) - INK).sum(1).min() < 30


def test_every_place_lies_inside_the_picture_and_shares_its_image_cells():
    for column, row, size in itertools.product(COLUMNS, ROWS, SIZES):
        x, y = corner(replace(RED_STAR, column=column, row=row, size=size))
        assert min(x, y) >= 0
        assert max(x, y) + BOX[size] <= SIDE
    assert PITCH % 4 == 0


def test_later_characters_stand_in_front():
    one, other = replace(RED_STAR, column="left"), replace(RED_STAR, column="middle")
    front, back = canvas(Scene("snow", (one, other))), canvas(Scene("snow", (other, one)))
    assert not np.array_equal(front, back)
    x, y = corner(other)
    cover = layers("big", Form("star", "plain", "wide", "long", "none")).sum(0) == 1
    alone_ = canvas(Scene("snow", (other,)))
    part = np.s_[y : y + BOX["big"], x : x + BOX["big"]]
    assert np.array_equal(front[part][cover], alone_[part][cover])
    assert not np.array_equal(back[part][cover], alone_[part][cover])


def test_characters_that_hide_each_other_are_refused():
    scene = Scene("snow", (RED_STAR, RED_STAR))
    assert most_hidden(scene) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match=r"hidden to 100%; at most 40%"):
        render(scene)


def test_random_scenes_can_be_rendered_and_told_apart_by_name():
    chance = random.Random(3)
    for count in (1, 2, 3):
        for _ in range(30):
            scene = random_scene(chance, "concepts", count)
            assert len(scene.characters) == count
            assert most_hidden(scene) <= MOST_HIDDEN
            assert len({(c.identity.colour, c.identity.shape) for c in scene.characters}) == count


def test_settings_differ():
    for one, other in itertools.combinations(SETTINGS, 2):
        assert np.abs(background(one) - background(other)).mean() > 12, (one, other)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("stra", "red", "blue", "plain", "wide", "long"), "shape: 'stra' is not one of circle"),
        (("star", "red", "red", "plain", "wide", "long"), "second: 'red' is the body's colour"),
    ],
)
def test_impossible_identities_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Identity(*values)


def test_an_item_needs_an_accessory():
    with pytest.raises(ValueError, match="item: 'red' does not fit accessory 'none'"):
        replace(RED_STAR, item="red")
