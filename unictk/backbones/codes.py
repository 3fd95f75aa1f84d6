"""Image codes, computed once: a store keyed by the tokenizer's weights, the picture and its view.

Whoever collates collects pictures on a shelf; those whose codes the store does not have yet travel as pixels,
and the backbone encodes them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor

from unictk.backbones.ondevice import OnDevice
from unictk.backbones.pictures import code_square
from unictk.datamodules.pictures import content_hash, open_picture, to_tensor
from unictk.samples import GeneratedImage, Image


def picture_key(image: Image, size: int) -> str:
    """What the codes of this segment depend on, besides the tokenizer: the picture and its view."""
    if image.codes is not None:
        return "codes:" + hashlib.blake2b(image.codes.cpu().numpy().tobytes(), digest_size=16).hexdigest()
    view = image.view
    content = content_hash(image.source) if image.source is not None else ""
    chance = (view.seed, image.key, view.draw) if view.crop == "random" or view.flip > 0 else ()
    return f"{content}:{size}:{view.scale}:{view.crop}:{view.flip}:{chance}"


REMEMBERED = 50_000
"""Pictures whose codes stay in memory: 400 MB at 1,024 codes each."""


@dataclass(slots=True)
class CodeStore:
    """Codes by key, in memory and (with ``folder``) on disk under the tokenizer's fingerprint.

    A file is written whole and then renamed, so several processes may share a folder.
    """

    fingerprint: str
    folder: Path | None = None
    memory: dict[str, Tensor] = field(default_factory=dict)

    def get(self, key: str) -> Tensor | None:
        """(cells,) int64 codes, or None when they were never computed."""
        if key not in self.memory and self.folder is not None and (path := self._path(key)).exists():
            self.memory[key] = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.int64))
        return self.memory.get(key)

    def put(self, key: str, codes: Tensor) -> None:
        """Remember (cells,) codes."""
        if len(self.memory) >= REMEMBERED:
            self.memory.pop(next(iter(self.memory)))
        self.memory[key] = codes.detach().to("cpu", torch.int64, copy=True)
        if self.folder is None or key.startswith("codes:"):
            return
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            np.save(file, self.memory[key].numpy().astype(np.int32))
        os.replace(temporary, path)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return self.folder / self.fingerprint / f"{name}.npy"


@dataclass(frozen=True, slots=True)
class Coded(OnDevice):
    """Distinct pictures as codes (J, cells), -1 where they are not known yet.

    ``unknown`` (U,) says which pictures those are, ``squares`` (U, 3, side, side) uint8 are what becomes
    their codes, ``keys`` names all J.
    """

    codes: Tensor
    unknown: Tensor
    squares: Tensor
    keys: tuple[str, ...]


class PictureShelf:
    """Collects pictures; equal pictures in equal views share one place.

    Args:
        size: side in pixels of what a picture becomes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: dict[str, Image] = {}
        self._places: dict[str, int] = {}

    def place(self, image: Image) -> int:
        """The picture's number."""
        key = picture_key(image, self.size)
        self.images.setdefault(key, image)
        return self._places.setdefault(key, len(self._places))


class CodeShelf(PictureShelf):
    """Collects pictures that become codes.

    Args:
        size: side in pixels of the square that becomes codes.
        cells: codes of a picture.
        store: codes that are known already.
    """

    def __init__(self, size: int, cells: int, store: CodeStore) -> None:
        super().__init__(size)
        self.cells, self.store = cells, store

    def known(self, key: str) -> Tensor | None:
        """The codes (...,) of the picture with this key, or None where its pixels are needed."""
        image = self.images[key]
        return image.codes if image.codes is not None else self.store.get(key)

    def coded(self, opened: Mapping[str, PILImage.Image] | None = None) -> Coded:
        """What is known of the pictures, and the pixels of what is not; ``opened``: those at hand, by key."""
        codes = torch.full((len(self.images), self.cells), -1, dtype=torch.long)
        unknown: list[int] = []
        squares: list[Tensor] = []
        for number, (key, image) in enumerate(self.images.items()):
            if (known := self.known(key)) is not None:
                codes[number] = known.reshape(-1).cpu()
                continue
            picture = opened[key] if opened and key in opened else read_picture(image)
            unknown.append(number)
            squares.append(to_tensor(code_square(picture, self.size, image.view, image.key)))
        empty = torch.zeros(0, 3, self.size, self.size, dtype=torch.uint8)
        return Coded(
            codes,
            torch.tensor(unknown, dtype=torch.long),
            torch.stack(squares) if squares else empty,
            tuple(self.images),
        )


def read_picture(image: Image) -> PILImage.Image:
    """The pixels of a segment that has no codes."""
    assert image.source is not None
    return open_picture(image.source)


@torch.no_grad()
def completed(coded: Coded, encode: Callable[[Tensor], Tensor], store: CodeStore, most: int) -> Tensor:
    """All codes (J, cells); those not known yet are encoded and remembered.

    Args:
        coded: from a shelf, on the tokenizer's device.
        encode: squares (B, 3, side, side) uint8 to codes (B, ...).
        store: remembers.
        most: pictures per forward pass.
    """
    if not len(coded.unknown):
        return coded.codes
    codes = coded.codes.clone()
    codes[coded.unknown] = torch.cat([encode(part).flatten(1) for part in coded.squares.split(most)])
    for number in coded.unknown.tolist():
        store.put(coded.keys[number], codes[number])
    return codes


def pictures_of(codes: Tensor, decode: Callable[[Tensor], Tensor], most: int) -> list[GeneratedImage]:
    """Pictures that carry their codes (B, ...); ``decode`` makes (B, 3, H, W) uint8 of some of them."""
    found = []
    for part in codes.split(most):
        levels = decode(part).cpu().float() / 255
        found += [
            GeneratedImage(pixels, one.flatten().cpu(), {}) for pixels, one in zip(levels, part, strict=True)
        ]
    return found


def exact_convolutions() -> AbstractContextManager[object]:
    """No TF32 convolutions: the nearest code, or a sign, may hang on the last digit."""
    return torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)
