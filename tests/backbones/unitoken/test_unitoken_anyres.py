"""Any resolution: canvases, tiles, and the features that are read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from unictk.backbones.pictures import code_square, whole_picture
from unictk.backbones.unitoken.anyres import (
    CANVASES,
    FEATURE,
    checked_canvases,
    choose_canvas,
    cut_tiles,
    letterbox,
    tiled_half,
    unpadded,
    whole_half,
)
from unictk.samples import View

TABLE = [
    ((100, 100), (384, 768), (28, 27), 1513),
    ((256, 256), (384, 768), (28, 27), 1513),
    ((384, 384), (384, 768), (28, 27), 1513),
    ((512, 512), (768, 768), (54, 54), 3699),
    ((640, 480), (768, 768), (40, 54), 2929),
    ((800, 600), (768, 768), (40, 54), 2929),
    ((1024, 768), (768, 768), (40, 54), 2929),
    ((480, 640), (768, 768), (54, 40), 2943),
    ((1920, 1080), (768, 768), (30, 54), 2379),
    ((1080, 1920), (768, 768), (54, 30), 2403),
    ((2000, 500), (1152, 384), (21, 81), 2451),
    ((500, 2000), (384, 1152), (81, 21), 2511),
    ((3000, 1000), (1152, 384), (27, 81), 2943),
    ((1000, 3000), (384, 1152), (81, 27), 2997),
    ((1, 1000), (384, 1152), (81, 1), 891),
    ((767, 769), (768, 768), (54, 54), 3699),
]


@pytest.mark.parametrize(("size", "canvas", "grid", "length"), TABLE, ids=lambda value: str(value))
def test_case_12_canvas_unpadded_grid_and_length(size, canvas, grid, length) -> None:
    wide, high = choose_canvas(size, 384, CANVASES)
    assert (384 * wide, 384 * high) == canvas
    rows, columns = unpadded(size, (27 * wide, 27 * high))
    kept = torch.zeros(27 * high, 27 * wide)[rows, columns]
    assert tuple(kept.shape) == grid
    half = tiled_half(size, 384, 27, 8803, CANVASES)
    assert len(half) == length == 729 + grid[0] * (grid[1] + 1)
    assert half.ids.count(8803) == grid[0]
    assert half.ids.count(FEATURE) == len(half.index)
    assert half.tiles == 1 + wide * high


def test_case_12_letterbox_stands_in_the_middle_on_black() -> None:
    white = PILImage.new("RGB", (90, 60), "white")
    found = np.asarray(letterbox(white, (768, 384)))[..., 0]
    assert np.flatnonzero(found.any(0)).tolist() == list(range(96, 672))
    assert np.flatnonzero(found.any(1)).tolist() == list(range(384))
    assert len(cut_tiles(white, 384, CANVASES)) == 3 == tiled_half((90, 60), 384, 27, 0, CANVASES).tiles


def test_features_are_read_in_the_order_of_the_picture() -> None:
    """Each tile's feature is named by what it shows: the order must be that of the whole canvas."""
    side, tile = 2, 28
    size = (56, 56)
    assert choose_canvas(size, tile, CANVASES) == (2, 2)
    half = tiled_half(size, tile, side, 9, CANVASES)
    local = half.index[4:].view(4, 4) - 4
    assert local.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert half.index[:4].tolist() == [0, 1, 2, 3]
    assert half.ids == (FEATURE,) * 4 + ((FEATURE,) * 4 + (9,)) * 4
    colours = np.zeros((56, 56, 3), np.uint8)
    colours[28:, :28] = 200
    tiles = [np.asarray(cut).mean() for cut in cut_tiles(PILImage.fromarray(colours), tile, CANVASES)]
    assert tiles[1:] == [0, 0, 200, 0]
    assert 45 < tiles[0] < 55


def test_the_base_half_is_every_feature_of_one_tile() -> None:
    half = whole_half(729)
    assert (len(half), half.tiles, half.index.tolist()) == (729, 1, list(range(729)))


def test_canvases_are_pairs() -> None:
    assert checked_canvases([[1, 2], [2, 1]]) == ((1, 2), (2, 1))
    with pytest.raises(ValueError, match="1 or more"):
        checked_canvases([[0, 2]])


@pytest.mark.parametrize(
    ("size", "fitted"), [((640, 480), (683, 512)), ((1920, 1080), (910, 512)), ((300, 200), (768, 512))]
)
def test_the_square_of_the_codes_is_cut_from_the_published_size(size, fitted) -> None:
    """A picture whose columns count up: the middle square starts where the published resize leaves it."""
    ramp = np.tile(np.linspace(0, 255, size[0]), (size[1], 1)).astype(np.uint8)
    picture = PILImage.fromarray(ramp).convert("RGB")
    cut = np.asarray(code_square(picture, 512, View(), "k"))
    assert cut.shape == (512, 512, 3)
    share = (fitted[0] - 512) / 2 / fitted[0]
    assert abs(cut[:, 0].mean() / 255 - share) < 0.01
    assert abs(cut[:, -1].mean() / 255 - (1 - share)) < 0.01


def test_random_squares_follow_their_seed_and_flips_are_shared_by_both_halves() -> None:
    picture = PILImage.fromarray(np.random.default_rng(0).integers(0, 255, (40, 90, 3), dtype=np.uint8))
    views = [View(crop="random", flip=0.5, seed=seed) for seed in range(8)]
    cuts = [code_square(picture, 32, view, "a").tobytes() for view in views]
    assert len(set(cuts)) > 4
    assert cuts[0] == code_square(picture, 32, views[0], "a").tobytes()
    flipped = [whole_picture(picture, view, "a").tobytes() != picture.tobytes() for view in views]
    assert 0 < sum(flipped) < 8
    half = PILImage.new("RGB", (64, 64))
    half.paste("white", (0, 0, 32, 64))
    for view, mirrored in zip(views, flipped, strict=True):
        still = View(flip=0.5, seed=view.seed)
        left_is_bright = np.asarray(code_square(half, 32, still, "a"))[:, :8].mean() > 200
        assert left_is_bright != mirrored
