"""The distinct pictures of a batch, each read once."""

from __future__ import annotations

import torch
from PIL import Image as PILImage
from torch import Tensor

from unictk.backbones.codes import CodeStore, picture_key
from unictk.backbones.janus.batch import Drawn, Seen
from unictk.backbones.pictures import code_square, whole_picture
from unictk.datamodules.pictures import open_picture, to_tensor
from unictk.samples import Image

GREY = (127, 127, 127)
"""What surrounds a picture that is no square."""

LEAST = 14
"""No side of a picture is made shorter than this, as published."""


class Shelf:
    """Collects pictures; equal pictures in equal views share one place.

    Args:
        size: side in pixels of a picture, read or drawn.
        cells: of a picture.
        store: codes that are known already.
    """

    def __init__(self, size: int, cells: int, store: CodeStore) -> None:
        self.size, self.cells, self.store = size, cells, store
        self._read: dict[str, Image] = {}
        self._drawn: dict[str, Image] = {}

    def place(self, image: Image, drawn: bool) -> int:
        """The picture's number among those that are read, or that are drawn."""
        kind = self._drawn if drawn else self._read
        key = picture_key(image, self.size)
        kind.setdefault(key, image)
        return list(kind).index(key)

    def seen(self) -> Seen:
        """The pictures that are read."""
        squares = torch.zeros(len(self._read), 3, self.size, self.size, dtype=torch.uint8)
        decoded = [number for number, image in enumerate(self._read.values()) if image.codes is not None]
        codes = [image.codes.reshape(-1).cpu() for image in self._read.values() if image.codes is not None]
        for number, image in enumerate(self._read.values()):
            if image.codes is None:
                assert image.source is not None
                whole = whole_picture(open_picture(image.source), image.view, image.key)
                squares[number] = to_tensor(letterbox(whole, self.size))
        return Seen(
            squares,
            torch.tensor(decoded, dtype=torch.long),
            torch.stack(codes).long() if codes else torch.zeros(0, self.cells, dtype=torch.long),
        )

    def drawn(self) -> Drawn:
        """The pictures that are drawn: what is known of them, and the pixels of what is not."""
        codes = torch.full((len(self._drawn), self.cells), -1, dtype=torch.long)
        unknown: list[int] = []
        squares: list[Tensor] = []
        for number, (key, image) in enumerate(self._drawn.items()):
            known = image.codes if image.codes is not None else self.store.get(key)
            if known is not None:
                codes[number] = known.reshape(-1).cpu()
                continue
            assert image.source is not None
            unknown.append(number)
            picture = open_picture(image.source)
            squares.append(to_tensor(code_square(picture, self.size, image.view, image.key)))
        empty = torch.zeros(0, 3, self.size, self.size, dtype=torch.uint8)
        return Drawn(
            codes,
            torch.tensor(unknown, dtype=torch.long),
            torch.stack(squares) if squares else empty,
            tuple(self._drawn),
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
