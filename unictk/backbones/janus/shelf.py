"""The distinct pictures of a batch that Janus reads, each opened once."""

from __future__ import annotations

import torch
from PIL import Image as PILImage

from unictk.backbones.codes import PictureShelf, read_picture
from unictk.backbones.janus.batch import Seen
from unictk.backbones.pictures import whole_picture
from unictk.datamodules.pictures import to_tensor

GREY = (127, 127, 127)
"""What surrounds a picture that is no square."""

LEAST = 14
"""No side of a picture is made shorter than this, as published."""


class ReadShelf(PictureShelf):
    """Collects pictures for the vision tower.

    Args:
        size: side in pixels of a picture.
        cells: of a picture.
    """

    def __init__(self, size: int, cells: int) -> None:
        super().__init__(size)
        self.cells = cells

    def seen(self) -> Seen:
        """The pictures."""
        images = list(self.images.values())
        squares = torch.zeros(len(images), 3, self.size, self.size, dtype=torch.uint8)
        decoded = [number for number, image in enumerate(images) if image.codes is not None]
        codes = [image.codes.reshape(-1).cpu() for image in images if image.codes is not None]
        for number, image in enumerate(images):
            if image.codes is None:
                whole = whole_picture(read_picture(image), image.view, image.key)
                squares[number] = to_tensor(letterbox(whole, self.size))
        return Seen(
            squares,
            torch.tensor(decoded, dtype=torch.long),
            torch.stack(codes).long() if codes else torch.zeros(0, self.cells, dtype=torch.long),
        )


def letterbox(picture: PILImage.Image, size: int) -> PILImage.Image:
    """The whole picture in a grey square, its shape kept (bicubic)."""
    scale = size / max(picture.size)
    width, height = (max(round(side * scale), LEAST) for side in picture.size)
    resized = picture.resize((width, height), PILImage.Resampling.BICUBIC)
    side = max(width, height)
    square = PILImage.new("RGB", (side, side), GREY)
    square.paste(resized, ((side - width) // 2, (side - height) // 2))
    return square
