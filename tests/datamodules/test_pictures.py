"""Pictures of every kind become the RGB square they show, and hash by what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from unictk.datamodules.pictures import content_hash, open_picture, square, to_tensor
from unictk.errors import DataError
from unictk.samples import View


def gradient(width: int = 40, height: int = 20) -> np.ndarray:
    across = np.linspace(0, 255, width).astype(np.uint8)
    return np.stack([np.tile(across, (height, 1))] * 3, axis=2)


def test_transparency_stands_on_white(tmp_path: Path) -> None:
    PILImage.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)


def test_orientation_is_applied_to_files_and_to_opened_pictures(tmp_path: Path) -> None:
    picture = PILImage.fromarray(gradient())
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert open_picture(tmp_path / "turned.jpg").size == (20, 40)
    assert open_picture(PILImage.open(tmp_path / "turned.jpg")).size == (20, 40)


def test_sixteen_bit_grey_keeps_its_shades(tmp_path: Path) -> None:
    levels = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (8, 1))
    PILImage.fromarray(levels).save(tmp_path / "deep.png")
    seen = np.asarray(open_picture(tmp_path / "deep.png"))[0, :, 0]
    assert seen[0] == 0
    assert seen[-1] == 255
    assert abs(int(seen[32]) - 129) <= 2


def test_an_animation_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [PILImage.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert open_picture(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.png: cannot be decoded"):
        open_picture(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"y\.png: there is no such picture"):
        open_picture(tmp_path / "y.png")


def test_short_side_and_centre_are_the_published_ones() -> None:
    """A 512 model at 1.1 resizes to 563; a centre crop of a wide picture loses both sides alike."""
    wide = PILImage.fromarray(gradient(80, 40))
    seen = np.asarray(square(wide, View(), 20, "k"))[0, :, 0].astype(int)
    assert abs((seen[0] + seen[-1]) / 2 - 127) < 4
    sizes: list[tuple[int, int]] = []
    original = PILImage.Image.resize

    def spy(self: PILImage.Image, size: tuple[int, int], *rest: object) -> PILImage.Image:
        sizes.append(size)
        return original(self, size, *rest)  # type: ignore[arg-type]

    PILImage.Image.resize = spy  # type: ignore[method-assign,assignment]
    try:
        square(PILImage.fromarray(gradient(300, 300)), View(scale=1.1, crop="random"), 512, "k")
    finally:
        PILImage.Image.resize = original  # type: ignore[method-assign]
    assert sizes == [(563, 563)]


def test_views_depend_on_seed_picture_and_draw_alone() -> None:
    picture = PILImage.fromarray(gradient(64, 48))

    def seen(seed: int, key: str, draw: int) -> bytes:
        return square(picture, View(1.3, "random", 0.5, seed, draw), 16, key).tobytes()

    assert seen(1, "a", 0) == seen(1, "a", 0)
    views = {seen(seed, key, draw) for seed in (1, 2) for key in ("a", "b") for draw in (0, 1, 2)}
    assert len(views) > 9
    mirrored = [
        seen(s, "a", 0) != square(picture, View(1.3, "random", 0.0, s), 16, "a").tobytes() for s in range(200)
    ]
    assert 70 < sum(mirrored) < 130


def test_hash_is_of_what_is_shown(tmp_path: Path) -> None:
    indices = np.arange(16, dtype=np.uint8).reshape(4, 4)
    pictures = []
    for shift in (0, 100):
        picture = PILImage.fromarray(indices, mode="P")
        picture.putpalette([(i + shift) % 256 for i in range(768)])
        pictures.append(picture)
    assert content_hash(pictures[0]) != content_hash(pictures[1])
    assert content_hash(indices) != content_hash(indices.astype(np.int16))
    assert content_hash(indices) != content_hash(indices.reshape(2, 8))
    file = tmp_path / "a.png"
    PILImage.fromarray(gradient()).save(file)
    before = content_hash(file)
    PILImage.fromarray(gradient()[:, ::-1]).save(file)
    assert content_hash(file) != before


def test_tensor_is_channels_first_bytes() -> None:
    tensor = to_tensor(PILImage.new("RGB", (4, 2), (1, 2, 3)))
    assert tensor.shape == (3, 2, 4)
    assert tensor[:, 0, 0].tolist() == [1, 2, 3]
