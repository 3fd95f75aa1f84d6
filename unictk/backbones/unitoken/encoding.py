"""Pictures to codes and back, always in fp32, and what the vision tower reads of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image as PILImage
from torch import Tensor

from unictk.backbones.codes import exact_convolutions
from unictk.backbones.pictures import from_levels
from unictk.backbones.unitoken.anyres import Canvases
from unictk.backbones.unitoken.batch import Pictures
from unictk.backbones.unitoken.shelf import tile_pixels
from unictk.backbones.unitoken.vq import VQTokenizer


@torch.no_grad()
def encode(squares: Tensor, tokenizer: VQTokenizer) -> Tensor:
    """Pictures (B, 3, H, W) uint8 to codes (B, cells)."""
    with torch.autocast(squares.device.type, enabled=False), exact_convolutions():
        return tokenizer.codes(from_levels(squares)).flatten(1)


@torch.no_grad()
def decode(codes: Tensor, columns: int, tokenizer: VQTokenizer) -> Tensor:
    """Codes (B, cells), so many to a row, to pictures (B, 3, H, W) uint8."""
    with torch.autocast(codes.device.type, enabled=False):
        return tokenizer.decode(codes.unflatten(1, (-1, columns)))


@torch.no_grad()
def tiles_of(
    pictures: Pictures,
    codes: Tensor,
    decoded: Callable[[Tensor], Tensor],
    tile: int,
    canvases: Canvases | None,
) -> Tensor:
    """What the vision tower reads, (T, 3, tile, tile) in [-1, 1].

    Pictures that the model drew are decoded for it, in the 256 levels that a file would have.

    Args:
        pictures: from a shelf with these ``tile`` and ``canvases``.
        codes: (J, cells) of all that have codes.
        decoded: codes (B, cells) to pictures (B, 3, H, W) uint8.
        tile: side in pixels.
        canvases: of the any-resolution model; None: one squeezed tile a picture.
    """
    tiles = pictures.tiles
    if len(pictures.decoded):
        tiles = tiles.clone()
        for number, first in pictures.decoded.tolist():
            levels = decoded(codes[number][None])[0].cpu()
            cut = tile_pixels(PILImage.fromarray(levels.permute(1, 2, 0).numpy()), tile, canvases)
            tiles[first : first + len(cut)] = cut.to(tiles.device)
    return from_levels(tiles)
