"""The distinct pictures of a batch, each opened once."""

from __future__ import annotations

import torch
from PIL import Image as PILImage
from torch import Tensor

from unictk.backbones.codes import CodeShelf, picture_key, read_picture
from unictk.backbones.pictures import whole_picture
from unictk.backbones.unitoken.anyres import Canvases, ContinuousHalf, cut_tiles, squeezed
from unictk.backbones.unitoken.batch import Pictures
from unictk.datamodules.pictures import to_tensor
from unictk.samples import Image


class Shelf:
    """Collects pictures that stand in sequences as codes, as features of tiles, or as both.

    Args:
        codes: an empty shelf for those that are codes.
        tile: side in pixels of what the vision tower reads.
        canvases: of the any-resolution model; None: one squeezed tile a picture.
    """

    def __init__(self, codes: CodeShelf, tile: int, canvases: Canvases | None) -> None:
        self.coded, self.tile, self.canvases = codes, tile, canvases
        self._tiled: dict[str, tuple[Image, int, int]] = {}
        self._tiles = 0

    def codes(self, image: Image) -> int:
        """The picture's number among those that are codes."""
        return self.coded.place(image)

    def tiles(self, image: Image, half: ContinuousHalf) -> int:
        """The number of the picture's first tile."""
        key = picture_key(image, self.coded.size)
        if key not in self._tiled:
            self._tiled[key] = (image, self._tiles, half.tiles)
            self._tiles += half.tiles
        return self._tiled[key][1]

    def pictures(self) -> Pictures:
        """What is known of them, and the pixels of what is not."""
        opened: dict[str, PILImage.Image] = {}
        tiles = torch.zeros(self._tiles, 3, self.tile, self.tile, dtype=torch.uint8)
        decoded = []
        for key, (image, first, count) in self._tiled.items():
            if image.codes is not None:
                decoded.append((self.codes(image), first))
                continue
            picture = read_picture(image)
            if key in self.coded.images and self.coded.known(key) is None:
                opened[key] = picture  # its codes are made of the same pixels
            whole = whole_picture(picture, image.view, image.key)
            tiles[first : first + count] = tile_pixels(whole, self.tile, self.canvases)

        numbers = torch.tensor(decoded, dtype=torch.long).reshape(-1, 2)
        return Pictures(self.coded.coded(opened), tiles, numbers)


def tile_pixels(picture: PILImage.Image, tile: int, canvases: Canvases | None) -> Tensor:
    """(tiles, 3, tile, tile) uint8: the whole picture squeezed, and with canvases its tiles behind it."""
    cut = [squeezed(picture, tile)] if canvases is None else cut_tiles(picture, tile, canvases)
    return torch.stack([to_tensor(one) for one in cut])
