"""Pictures as models of codes see them: the square that becomes codes, the whole picture, levels."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError
from torch import Tensor

from unictk.chance import generator
from unictk.datamodules.pictures import open_picture
from unictk.samples import ImageSource, View

ORIENTATION, QUARTER_TURN = 0x0112, 5
"""The EXIF tag, and from which of its values on width and height change places."""


def code_square(picture: PILImage.Image, size: int, view: View, key: str) -> PILImage.Image:
    """The square that becomes codes.

    The picture is halved while both sides are twice ``size`` or more, then its short side becomes
    ``size`` times ``view.scale`` (bicubic), as published, and a square is cut out: from the middle, or at
    random from (view.seed, key, view.draw) alone. The published crop is random, and sees another part of
    the picture in every call.
    """
    short = int(view.scale * size)
    while min(picture.size) >= 2 * short:
        picture = picture.resize((picture.width // 2, picture.height // 2), PILImage.Resampling.BOX)
    scale = short / min(picture.size)
    fitted = (round(picture.width * scale), round(picture.height * scale))
    resized = picture.resize(fitted, PILImage.Resampling.BICUBIC)
    across, down, mirrored = _chance(view, key)
    left, top = round(across * (resized.width - size)), round(down * (resized.height - size))
    cut = resized.crop((left, top, left + size, top + size))
    return ImageOps.mirror(cut) if mirrored else cut


def whole_picture(picture: PILImage.Image, view: View, key: str) -> PILImage.Image:
    """What a vision tower is shown: all of the picture, mirrored where its codes' square is."""
    return ImageOps.mirror(picture) if _chance(view, key)[2] else picture


def to_levels(raw: Tensor) -> Tensor:
    """Pixels about [-1, 1] to the 256 levels; fractions are cut off, as published."""
    return ((raw.clamp(-1, 1) + 1) / 2 * 255).to(torch.uint8)


def from_levels(levels: Tensor) -> Tensor:
    """The 256 levels to [-1, 1], what the encoder reads: 255 is 1 exactly."""
    return levels.float() / 255 * 2 - 1


def _chance(view: View, key: str) -> tuple[float, float, bool]:
    """How far across and down the cut lies (0 to 1), and whether it is mirrored."""
    across, down, mirror = torch.rand(3, generator=generator("view", view.seed, key, view.draw)).tolist()
    if view.crop == "centre":
        across = down = 0.5
    return across, down, mirror < view.flip


def picture_size(source: ImageSource) -> tuple[int, int]:
    """Width and height as :func:`~unictk.datamodules.pictures.open_picture` will give them.

    A file's header is enough.

    Raises:
        DataError: the file is missing or is no picture.
    """
    if isinstance(source, np.ndarray):
        return source.shape[1], source.shape[0]
    if isinstance(source, PILImage.Image):
        return _upright(source)
    try:
        with PILImage.open(source) as picture:
            return _upright(picture)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        return open_picture(source).size  # says what is wrong with it


def _upright(picture: PILImage.Image) -> tuple[int, int]:
    turned = picture.getexif().get(ORIENTATION, 1) >= QUARTER_TURN
    return (picture.height, picture.width) if turned else picture.size
