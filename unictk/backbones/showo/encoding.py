"""Pictures to image codes through the tokenizer, each distinct picture once, always in fp32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unictk.backbones.codes import exact_convolutions
from unictk.backbones.showo.batch import Pictures
from unictk.backbones.showo.layout import Shelf, ShowoLayout
from unictk.backbones.showo.magvit import MagvitV2
from unictk.samples import GeneratedImage, Image


@torch.no_grad()
def codes_of(pictures: Pictures, tokenizer: MagvitV2, layout: ShowoLayout, most: int) -> Tensor:
    """All codes of a batch's pictures (J, cells); those not known yet are encoded and remembered.

    Args:
        pictures: from a layout, on the tokenizer's device.
        tokenizer: the image tokenizer.
        layout: keeps the code store.
        most: pictures per forward pass.
    """
    if not len(pictures.unknown):
        return pictures.codes
    with torch.autocast(pictures.codes.device.type, enabled=False), exact_convolutions():
        parts = pictures.pixels.split(most)
        fresh = [tokenizer.codes(pixels.float() / 127.5 - 1) for pixels in parts]
    codes = pictures.codes.clone()
    codes[pictures.unknown] = torch.cat(fresh)
    for number in pictures.unknown.tolist():
        layout.codes.put(pictures.keys[number], codes[number])
    return codes


def encode(
    images: Sequence[Image], tokenizer: MagvitV2, layout: ShowoLayout, most: int, device: torch.device
) -> tuple[Tensor, tuple[str, ...]]:
    """Codes (images, cells) and the pictures' names."""
    shelf = Shelf(layout)
    places = [shelf.place(image) for image in images]
    pictures = shelf.pictures().to(device)
    codes = codes_of(pictures, tokenizer, layout, most)
    return codes[places], tuple(pictures.keys[place] for place in places)


def decode(codes: Tensor, tokenizer: MagvitV2) -> Tensor:
    """(B, cells) codes to pixels (B, 3, H, W) in [0, 1] on the CPU."""
    with torch.autocast(codes.device.type, enabled=False):
        return tokenizer.decode(codes).float().cpu()


def reconstruct(
    images: Sequence[Image], tokenizer: MagvitV2, layout: ShowoLayout, most: int, device: torch.device
) -> list[GeneratedImage]:
    """Pictures through the tokenizer and back, at most ``most`` at a time."""
    codes, _ = encode(images, tokenizer, layout, most, device)
    pixels = torch.cat([decode(part, tokenizer) for part in codes.split(most)])
    return [GeneratedImage(picture, line.cpu(), {}) for picture, line in zip(pixels, codes, strict=True)]
