"""The oracle reads renderings back exactly, refuses what is none, and scores by hand-made readings."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from unictk.sprites.asked import ATTRIBUTES, SETTING, Asked
from unictk.sprites.oracle import UNREADABLE, Reading, compare, read, read_many, score
from unictk.sprites.oracle_layouts import nearest_setting
from unictk.sprites.oracle_standers import Stander, composed, planes_of
from unictk.sprites.oracle_tables import FORMS, INKS, PLACES, Box, Look, Place, best_looks, cover
from unictk.sprites.render import MOST_HIDDEN, canvas, most_hidden, render
from unictk.sprites.scenes import (
    ACCESSORIES,
    COLOURS,
    COLUMNS,
    IDENTITY,
    ROWS,
    SETTINGS,
    SIZES,
    Character,
    Identity,
    Scene,
)
from unictk.sprites.settings import SIDE
from unictk.sprites.splits import random_scene


def planes(scene: Scene, sigma: float = 0.0, seed: int = 0) -> np.ndarray:
    picture = render(scene).transpose(2, 0, 1).astype(np.float32) / 255
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape) if sigma else 0
    return (picture + noise).clip(0, 1).astype(np.float32)


def told(scene: Scene) -> tuple[str, frozenset[Character]]:
    return scene.setting, frozenset(scene.characters)


def seen(*characters: Character, setting: str = "snow", readable: bool = True) -> Reading:
    return Reading(Scene(setting, characters), 0.01, readable)


RED = Character(
    Identity("star", "red", "blue", "plain", "round", "none"), "hat", "green", "left", "top", "small"
)
BLUE = Character(
    Identity("heart", "blue", "white", "dotted", "wide", "long"), "none", "none", "right", "bottom", "big"
)
LOW_RED = replace(RED, row="bottom", size="big", accessory="none", item="none")


# --- reading ----------------------------------------------------------------------------------------------


def single_scenes() -> list[Scene]:
    """Every value of every attribute, every place and setting; the rest by chance."""
    chance = random.Random(5)
    kinds = IDENTITY | {"accessory": ACCESSORIES}
    forms = itertools.cycle(itertools.product(*(kinds[name] for name in ("shape", "pattern", "accessory"))))
    scenes = []
    for (setting, column, row, size), (shape, pattern, accessory) in zip(
        itertools.product(SETTINGS, COLUMNS, ROWS, SIZES), forms, strict=False
    ):
        colour, second = chance.sample(COLOURS, 2)
        who = Identity(
            shape, colour, second, pattern, chance.choice(IDENTITY["eyes"]), chance.choice(IDENTITY["ears"])
        )
        item = "none" if accessory == "none" else chance.choice(COLOURS)
        scenes.append(Scene(setting, (Character(who, accessory, item, column, row, size),)))
    return scenes


def test_every_kind_of_single_scene_is_read_back() -> None:
    scenes = single_scenes()
    for name, choices in IDENTITY.items():
        assert {getattr(s.characters[0].identity, name) for s in scenes} == set(choices)
    readings = read_many(render(scene) for scene in scenes)
    assert [told(reading.scene) for reading in readings] == [told(scene) for scene in scenes]
    assert max(reading.residual for reading in readings) < 0.002
    assert all(reading.readable for reading in readings)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_noisy_scenes_are_read_back(count: int) -> None:
    chance = random.Random(count)
    for number in range(40):
        scene = random_scene(chance, "concepts" if number % 2 else "pretraining", count)
        reading = read(planes(scene, 0.05, number))
        assert told(reading.scene) == told(scene)
        assert 0.04 < reading.residual < 0.06
        assert reading.readable


@pytest.mark.parametrize("count", [2, 3])
def test_characters_that_hide_each_other_are_read_back_in_order(count: int) -> None:
    chance = random.Random(10 + count)
    hiding = 0
    while hiding < 25:
        scene = random_scene(chance, "pretraining", count)
        if most_hidden(scene) < 0.2:
            continue
        hiding += 1
        reading = read(render(scene))
        assert told(reading.scene) == told(scene)
        assert np.abs(canvas(reading.scene) - canvas(scene)).max() < 1, "not the same depth order"


def test_ears_that_could_only_be_hidden_are_not_read() -> None:
    """Before the one in front, "long ears" and "no ears" give the same pixels; only one may be rendered."""
    front = Character(
        Identity("square", "purple", "yellow", "plain", "sleepy", "pointed"),
        *("scarf", "pink", "middle", "middle", "big"),
    )
    back = Character(
        Identity("circle", "red", "white", "striped", "wide", "none"),
        *("scarf", "purple", "middle", "bottom", "small"),
    )
    scene = Scene("beach", (back, front))
    eared = Scene("beach", (replace(back, identity=replace(back.identity, ears="long")), front))
    assert most_hidden(scene) <= MOST_HIDDEN < most_hidden(eared)
    for seed in range(8):
        assert told(read(planes(scene, 0.05, seed)).scene) == told(scene)


def test_all_kinds_of_pictures_are_read_alike() -> None:
    scene = Scene("city", (RED, BLUE))
    pixels = render(scene)
    large = np.kron(pixels, np.ones((4, 4, 1), np.uint8))
    tensor = torch.from_numpy(planes(scene))
    kinds = [pixels, Image.fromarray(pixels), planes(scene), tensor, large, Image.fromarray(large)]
    kinds.append(torch.nn.functional.interpolate(tensor[None], scale_factor=2)[0])
    readings = read_many(kinds)
    assert {told(reading.scene) for reading in readings} == {told(scene)}
    assert max(reading.residual for reading in readings) < 0.002


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((SIDE, SIDE + 1, 3), np.uint8), "square"),
        (np.zeros((SIDE, SIDE, 3), np.float32), "square"),
        (np.zeros((SIDE, SIDE), np.uint8), "square"),
        (np.zeros((3, SIDE, SIDE), np.int64), "int64"),
        (np.full((3, SIDE, SIDE), np.nan, np.float32), "finite"),
    ],
)
def test_what_is_no_picture_is_refused(wrong: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(wrong)


# --- unreadable pictures ----------------------------------------------------------------------------------


def test_noise_and_shuffled_pictures_are_unreadable() -> None:
    chance = np.random.default_rng(0)
    pixels = render(Scene("meadow", (RED, BLUE)))
    cells = pixels.reshape(SIDE // 4, 4, SIDE // 4, 4, 3).swapaxes(1, 2).reshape(-1, 4, 4, 3)
    mixed = chance.permutation(cells).reshape(SIDE // 4, SIDE // 4, 4, 4, 3).swapaxes(1, 2)
    wrong = [
        chance.integers(0, 256, pixels.shape, dtype=np.uint8),
        mixed.reshape(pixels.shape),
        np.full_like(pixels, 128),
        (planes_of("forest").transpose(1, 2, 0) * 255).round().astype(np.uint8),
    ]
    for reading in read_many(wrong):
        assert not reading.readable
        assert reading.residual > UNREADABLE


def test_a_right_background_does_not_hide_a_wrong_character() -> None:
    scene = Scene("snow", (replace(RED, accessory="none", item="none"),))
    pixels = render(scene)
    covered = np.abs(pixels - planes_of("snow").transpose(1, 2, 0) * 255).max(-1) > 8
    inside = pixels[covered]
    pixels[covered] = np.random.default_rng(1).permutation(inside)
    reading = read(pixels)
    whole = np.sqrt(((pixels - canvas(reading.scene)) ** 2).mean()) / 255
    assert whole < UNREADABLE < reading.residual
    assert not reading.readable


def test_many_cells_a_little_off_are_no_scene_though_the_whole_is_near() -> None:
    scene = Scene("meadow", (RED, BLUE))
    pixels = planes(scene)
    side, chance = SIDE // 4, np.random.default_rng(0)
    moved = np.zeros((side, side))
    moved.flat[chance.permutation(side * side)[: side * side // 2]] = 0.03
    off = (pixels - np.kron(moved, np.ones((4, 4)))).clip(0, 1).astype(np.float32)
    reading = read(off)
    assert reading.residual < UNREADABLE
    assert not reading.readable
    few = np.where(np.arange(side) < side // 4, 0.03, 0.0)  # the same error in a quarter of the cells
    assert read((pixels - np.kron(few, np.ones((SIDE, 4)))).clip(0, 1).astype(np.float32)).readable


# --- the tables -------------------------------------------------------------------------------------------


def whole_box(place: Place, look: Look, behind: np.ndarray, open_: np.ndarray) -> Box:
    """What the look changes before ``behind`` where pixels are open."""
    cut = (slice(None), *place.window)
    planes = cover(place.size, look.form)
    wanted = open_ * (np.tensordot(INKS[list(look.inks())].T, planes, 1) - planes.sum(0) * behind[cut])
    return Box(place, wanted, behind[cut], open_, np.ones_like(open_))


def test_the_true_look_is_among_the_best_of_its_box() -> None:
    """Alone, and with another character behind and three quarters of the light of the right half lost."""
    chance = random.Random(2)
    crowded = composed("sea", [Stander(PLACES[8], Look(700, 1, 2, 3))])
    for place in (PLACES[9], PLACES[10], PLACES[11]):
        open_ = np.ones((place.side, place.side), np.float32)
        hidden = open_.copy()
        hidden[:, place.side // 2 :] = 0.25
        for _ in range(6):
            form = chance.randrange(len(FORMS))
            item = 0 if FORMS[form].accessory == "none" else chance.randrange(len(COLOURS))
            look = Look(form, *chance.sample(range(len(COLOURS)), 2), item)
            alone = whole_box(place, look, planes_of("sea"), open_)
            assert look in best_looks(alone)[:3]
            assert best_looks(replace(alone, setting="sea")) == best_looks(alone)
            assert look in best_looks(whole_box(place, look, crowded, hidden))[:3]


def test_characters_do_not_decide_the_setting() -> None:
    """By plain squared error this half-black picture of snow is nearer to another setting."""
    picture = planes_of("snow").copy()
    picture[:, :, : int(0.45 * SIDE)] = 0
    plain = {name: ((picture - planes_of(name)) ** 2).sum() for name in SETTINGS}
    assert min(plain, key=plain.__getitem__) != "snow"
    assert nearest_setting(picture) == "snow"


# --- scoring ----------------------------------------------------------------------------------------------


def test_each_point_of_a_prompt_is_scored() -> None:
    asked = Asked(
        setting="snow",
        characters=({"shape": "heart", "colour": "blue"}, {"shape": "star", "colour": "red", "item": "pink"}),
        relations=(("left", 1, 0), ("above", 0, 1), ("bigger", 0, 1)),
        count=2,
        refused=((0, "accessory", "hat"), (1, "accessory", "hat"), (SETTING, "setting", "city")),
    )
    found = score(asked, seen(RED, BLUE))
    assert tuple(found.each) == asked.points()
    wrong = {"1.item", "above 0 1", "not 1.accessory hat"}
    assert {name for name, right in found.each.items() if not right} == wrong
    assert (found.right, found.asked, found.all_right) == (10, 13, False)


def test_all_right_needs_the_number_of_characters() -> None:
    asked = Asked(characters=({"colour": "red"},))
    assert score(asked, seen(RED)).all_right
    crowd = score(asked, seen(BLUE, RED))
    assert (crowd.right, crowd.asked, crowd.all_right) == (1, 1, False)
    assert score(Asked(setting="snow"), seen(RED, BLUE)).all_right
    assert not score(replace(asked, count=1), seen(BLUE, RED)).each["count"]


def test_missing_characters_are_wrong_and_the_others_keep_their_points() -> None:
    asked = Asked(
        characters=({"colour": "blue"}, {"colour": "red"}, {"colour": "red", "row": "bottom"}),
        relations=(("left", 1, 0),),
        count=3,
        refused=((0, "size", "small"),),
    )
    found = score(asked, seen(LOW_RED))
    assert found.each == {
        "0.colour": False,
        "1.colour": False,
        "2.colour": True,
        "2.row": True,
        "left 1 0": False,
        "count": False,
        "not 0.size small": False,
    }


def test_nothing_is_right_in_an_unreadable_picture() -> None:
    asked = Asked("snow", ({"colour": "red"},), refused=((0, "accessory", "scarf"),))
    assert score(asked, seen(RED)).all_right
    found = score(asked, seen(RED, readable=False))
    assert (found.right, found.asked, found.all_right) == (0, 3, False)
    assert tuple(found.each) == asked.points()


def test_pictures_are_compared_attribute_by_attribute() -> None:
    assert set(compare(seen(RED), seen(RED)).values()) == {1.0}
    found = compare(seen(RED, BLUE), seen(BLUE, LOW_RED, setting="sea"))
    half = {"accessory", "item", "row", "size"}
    assert found == {name: 0.5 if name in half else 1.0 for name in ATTRIBUTES} | {
        "setting": 0.0,
        "count": 1.0,
    }
    fewer = compare(seen(BLUE), seen(RED, BLUE))
    assert fewer == dict.fromkeys(ATTRIBUTES, 1.0) | {"setting": 1.0, "count": 0.0}
    assert set(compare(seen(RED), seen(RED, readable=False)).values()) == {0.0}
