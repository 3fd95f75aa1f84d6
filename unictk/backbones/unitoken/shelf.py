"""The distinct pictures of a batch, each read once."""

from __future__ import annotations

import torch
from PIL import Image as PILImage
from torch import Tensor

from unictk.backbones.codes import CodeStore, picture_key
from unictk.backbones.pictures import code_square, whole_picture
from unictk.backbones.unitoken.anyres import Canvases, ContinuousHalf, cut_tiles, squeezed
from unictk.backbones.unitoken.batch import Pictures
from unictk.datamodules.pictures import open_picture, to_tensor
from unictk.samples import Image


class Shelf:
    """Collects pictures; equal pictures in equal views share one place.

    Args:
        size: side in pixels of the square that becomes codes.
        side: codes to a side.
        tile: side in pixels of what the vision tower reads.
        store: codes that are known already.
        canvases: of the any-resolution model; None: one squeezed tile a picture.
    """

    def __init__(self, size: int, side: int, tile: int, store: CodeStore, canvases: Canvases | None) -> None:
        self.size, self.side, self.tile, self.store, self.canvases = size, side, tile, store, canvases
        self.images: dict[str, Image] = {}
        self.first_tiles: dict[int, tuple[int, int]] = {}
        self.tile_count = 0

    def codes(self, image: Image) -> int:
        """The picture's number."""
        key = picture_key(image, self.size)
        self.images.setdefault(key, image)
        return list(self.images).index(key)

    def tiles(self, image: Image, half: ContinuousHalf) -> int:
        """The number of the picture's first tile."""
        number = self.codes(image)
        if number not in self.first_tiles:
            self.first_tiles[number] = (self.tile_count, half.tiles)
            self.tile_count += half.tiles
        return self.first_tiles[number][0]

    def pictures(self) -> Pictures:
        """What is known of them, and the pixels of what is not."""
        codes = torch.full((len(self.images), self.side, self.side), -1, dtype=torch.long)
        tiles = torch.zeros(self.tile_count, 3, self.tile, self.tile, dtype=torch.uint8)
        unknown, squares, decoded = [], [], []
        for number, (key, image) in enumerate(self.images.items()):
            known = image.codes if image.codes is not None else self.store.get(key)
            if known is not None:
                codes[number] = known.reshape(self.side, self.side).cpu()
            first, count = self.first_tiles.get(number, (0, 0))
            if image.codes is not None:
                if count:
                    decoded.append((number, first))
                continue
            if known is not None and not count:
                continue
            assert image.source is not None
            picture = open_picture(image.source)
            if known is None:
                unknown.append(number)
                squares.append(to_tensor(code_square(picture, self.size, image.view, image.key)))
            if count:
                whole = whole_picture(picture, image.view, image.key)
                tiles[first : first + count] = tile_pixels(whole, self.tile, self.canvases)
        return Pictures(
            codes=codes,
            unknown=torch.tensor(unknown, dtype=torch.long),
            squares=torch.stack(squares) if squares else torch.zeros(0, 3, self.size, self.size).byte(),
            tiles=tiles,
            decoded=torch.tensor(decoded, dtype=torch.long).reshape(-1, 2),
            keys=tuple(self.images),
        )


def tile_pixels(picture: PILImage.Image, tile: int, canvases: Canvases | None) -> Tensor:
    """(tiles, 3, tile, tile) uint8: the whole picture squeezed, and with canvases its tiles behind it."""
    cut = [squeezed(picture, tile)] if canvases is None else cut_tiles(picture, tile, canvases)
    return torch.stack([to_tensor(one) for one in cut])
