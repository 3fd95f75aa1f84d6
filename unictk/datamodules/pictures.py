"""Pictures as a model sees them: opened safely, cut to a square, turned into tensors."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError
from torch import Tensor

from unictk.chance import generator
from unictk.errors import DataError
from unictk.samples import ImageSource, View

MOST_PIXELS = 100_000_000
"""A larger picture is refused: it would take gigabytes to decode."""


def open_picture(source: ImageSource) -> PILImage.Image:
    """An RGB picture: EXIF orientation applied, transparency over white, the first frame of an animation.

    Raises:
        DataError: the file is missing or cannot be decoded.
    """
    if isinstance(source, np.ndarray):
        return PILImage.fromarray(source).convert("RGB")
    if isinstance(source, PILImage.Image):
        return _flat(ImageOps.exif_transpose(source))
    try:
        with PILImage.open(source) as picture:
            if picture.width * picture.height > MOST_PIXELS:  # Pillow's own limit is anybody's to change
                raise PILImage.DecompressionBombError(f"{picture.width} x {picture.height} pixels")
            picture.seek(0)
            return _flat(ImageOps.exif_transpose(picture))
    except FileNotFoundError as error:
        raise DataError(f"{source}: there is no such picture") from error
    except (
        OSError,
        UnidentifiedImageError,
        SyntaxError,
        ValueError,
        PILImage.DecompressionBombError,
    ) as error:
        raise DataError(f"{source}: cannot be decoded as a picture ({error})") from error


def _flat(picture: PILImage.Image) -> PILImage.Image:
    if picture.mode == "I" or picture.mode.startswith("I;16"):  # Pillow would clip 16 bits at 255
        levels = np.asarray(picture).astype(np.float64)
        levels = levels / 257 if levels.max() > 255 else levels
        picture = PILImage.fromarray(levels.clip(0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = PILImage.new("RGBA", layered.size, "white")
        return PILImage.alpha_composite(white, layered).convert("RGB")
    return picture.convert("RGB")


def square(picture: PILImage.Image, view: View, size: int, key: str) -> PILImage.Image:
    """The view of a picture as a ``size`` x ``size`` square.

    The short side becomes ``int(scale * size)`` pixels (bicubic), as published: 563 of 512 at 1.1.
    Random crops and flips come from (view.seed, key, view.draw) alone.
    """
    short = int(view.scale * size)
    width, height = picture.size
    if width <= height:
        resized = picture.resize(
            (short, max(short, int(short * height / width))), PILImage.Resampling.BICUBIC
        )
    else:
        resized = picture.resize(
            (max(short, int(short * width / height)), short), PILImage.Resampling.BICUBIC
        )
    chance = generator("view", view.seed, key, view.draw)
    across, down, mirror = torch.rand(3, generator=chance).tolist()
    if view.crop == "centre":
        across = down = 0.5
    left = round(across * (resized.width - size))
    top = round(down * (resized.height - size))
    cut = resized.crop((left, top, left + size, top + size))
    return ImageOps.mirror(cut) if mirror < view.flip else cut


def to_tensor(picture: PILImage.Image) -> Tensor:
    """(3, H, W) uint8."""
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()


def content_hash(source: ImageSource) -> str:
    """A hash of the file's bytes or of the array; a file is read again only when it has changed."""
    if isinstance(source, str | Path):
        path = Path(source)
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{source}: there is no such picture") from error
        return _file_hash(path, state.st_mtime_ns, state.st_size)
    array = source if isinstance(source, np.ndarray) else np.asarray(open_picture(source))
    kind = repr((array.shape, str(array.dtype))).encode()
    return hashlib.blake2b(array.tobytes() + kind, digest_size=16).hexdigest()


@lru_cache(maxsize=65536)
def _file_hash(path: Path, modified: int, size: int) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
