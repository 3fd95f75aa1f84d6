"""Pictures to codes and to tiles, each distinct picture once; codes always in fp32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image as PILImage
from torch import Tensor

from unictk.backbones.codes import exact_convolutions
from unictk.backbones.pictures import from_levels
from unictk.backbones.unitoken.batch import Pictures
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.shelf import tile_pixels
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.samples import GeneratedImage, Image


@torch.no_grad()
def codes_of(pictures: Pictures, tokenizer: VQTokenizer, layout: UniTokenLayout, most: int) -> Tensor:
    """All codes of a batch's pictures (J, rows, columns); those not known yet are encoded and remembered.

    Args:
        pictures: from a layout, on the tokenizer's device.
        tokenizer: the image tokenizer.
        layout: keeps the code store.
        most: pictures per forward pass.
    """
    if not len(pictures.unknown):
        return pictures.codes
    with torch.autocast(pictures.codes.device.type, enabled=False), exact_convolutions():
        fresh = [tokenizer.codes(from_levels(part)) for part in pictures.squares.split(most)]
    codes = pictures.codes.clone()
    codes[pictures.unknown] = torch.cat(fresh)
    for number in pictures.unknown.tolist():
        layout.codes.put(pictures.keys[number], codes[number].flatten())
    return codes


@torch.no_grad()
def tiles_of(pictures: Pictures, codes: Tensor, tokenizer: VQTokenizer, layout: UniTokenLayout) -> Tensor:
    """What the vision tower reads, (T, 3, side, side) in [-1, 1].

    Pictures that the model drew are decoded for it, in the 256 levels that a file would have.
    """
    tiles = pictures.tiles
    if len(pictures.decoded):
        tiles = tiles.clone()
        for number, first in pictures.decoded.tolist():
            levels = decode(codes[number][None], tokenizer)[0]
            picture = PILImage.fromarray(levels.permute(1, 2, 0).numpy())
            cut = tile_pixels(picture, layout.tile, layout.used_canvases)
            tiles[first : first + len(cut)] = cut.to(tiles.device)
    return from_levels(tiles)


def encode(
    images: Sequence[Image], tokenizer: VQTokenizer, layout: UniTokenLayout, most: int, device: torch.device
) -> Tensor:
    """Codes (images, rows, columns)."""
    shelf = layout.shelf()
    places = [shelf.codes(image) for image in images]
    return codes_of(shelf.pictures().to(device), tokenizer, layout, most)[places]


def decode(codes: Tensor, tokenizer: VQTokenizer) -> Tensor:
    """(B, rows, columns) codes to pixels (B, 3, H, W) uint8 on the CPU."""
    with torch.autocast(codes.device.type, enabled=False):
        return tokenizer.decode(codes).cpu()


def pictures_of(codes: Tensor, tokenizer: VQTokenizer, most: int) -> list[GeneratedImage]:
    """(B, rows, columns) codes as pictures that carry them."""
    found = []
    for part in codes.split(most):
        levels = decode(part, tokenizer).float() / 255
        found += [
            GeneratedImage(pixels, one.flatten().cpu(), {}) for pixels, one in zip(levels, part, strict=True)
        ]
    return found
