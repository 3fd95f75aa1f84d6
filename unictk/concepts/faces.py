"""Starting values from a face (UniCTokens, stage 2 for people): the generation tokens hold who it is.

The face model is InsightFace's; its packs are licensed for research only and are never fetched unasked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor
from torch.nn import functional

from unictk.errors import DataError, UserError, WeightsError, nearest
from unictk.samples import Image

EMBEDDING = 512
LONG_SIDE = 1280
MULTIPLE = 64
DETECTOR = (640, 640)


def stretch_embedding(embedding: Tensor, count: int, hidden: int) -> Tensor:
    """(count, hidden): the embedding (512,) cut into ``count`` pieces, each interpolated to ``hidden``.

    Linear, without aligned corners; not rescaled, as published.
    """
    if embedding.shape != (EMBEDDING,) or count < 1 or EMBEDDING % count:
        raise UserError(
            f"face rows: {tuple(embedding.shape)} cannot be cut into {count} rows; expected a count that "
            f"divides {EMBEDDING}"
        )
    pieces = embedding.reshape(1, count, EMBEDDING // count).float()
    return functional.interpolate(pieces, size=hidden, mode="linear", align_corners=False)[0]


def face_rows(
    images: Sequence[Image],
    hidden: int,
    count: int = 8,
    pack: str = "antelopev2",
    root: str | Path | None = None,
    download: bool = False,
) -> Tensor:
    """(count, hidden) fp32 from the mean unnormalised embedding of the largest face of each photo.

    Args:
        images: photos with a ``source``; the whole picture is searched, whatever its view.
        hidden: row size of the backbone.
        count: rows; must divide 512.
        pack: name of the model pack, the folder ``<root>/models/<pack>``.
        root: where packs lie; ``~/.insightface`` without it.
        download: fetch the pack when it is not there.

    Raises:
        UserError: insightface is not installed, or no photos.
        WeightsError: the pack is not on disk.
        DataError: a photo that cannot be read or shows no face, by name.
    """
    if not images:
        raise UserError("face rows: no photos; expected at least one")
    analyser = _analyser(pack, Path(root or "~/.insightface").expanduser(), download)
    embeddings = [_largest_face(analyser, image, position) for position, image in enumerate(images)]
    return stretch_embedding(torch.from_numpy(np.stack(embeddings)).float().mean(dim=0), count, hidden)


def detection_size(width: int, height: int) -> tuple[int, int]:
    """Width and height shrunk to a long side of at most 1280 pixels, in multiples of 64 (at least one)."""
    scale = min(1.0, LONG_SIDE / max(width, height))
    wide, high = (max(1, int(side * scale) // MULTIPLE) * MULTIPLE for side in (width, height))
    return wide, high


def _analyser(pack: str, root: Path, download: bool) -> Any:
    try:
        from insightface.app import FaceAnalysis
    except ImportError as error:
        raise UserError(
            f"face rows: insightface cannot be imported ({error}); expected the extra unictk[face]"
        ) from error
    # A folder, never a name: given a name, the library fetches a pack it does not find.
    folder = _pack_folder(pack, root, download)
    analyser = FaceAnalysis(name=str(folder), allowed_modules=["detection", "recognition"])
    analyser.prepare(ctx_id=0, det_size=DETECTOR)
    return analyser


def _pack_folder(pack: str, root: Path, download: bool) -> Path:
    """The folder with the pack's networks; published archives unpack to ``<pack>/<pack>``."""
    place = root / "models" / pack
    if download and not place.is_dir():
        from insightface.utils import ensure_available

        ensure_available("models", pack, root=str(root))
    for folder in (place, place / pack):
        if any(folder.glob("*.onnx")):
            return folder
    here = [entry.name for entry in sorted(place.parent.glob("*")) if any(entry.rglob("*.onnx"))]
    best = nearest(pack, here)
    hint = f"; nearest: {best}" if best else ""
    raise WeightsError(
        f"{place}: face model pack {pack!r} is not there; expected its .onnx files, or download=true{hint}"
    )


def _largest_face(analyser: Any, image: Image, position: int) -> np.ndarray:
    faces = analyser.get(_detection_pixels(image, position))
    if not faces:
        raise DataError(
            f"{_picture_name(image, position)}: no face found; expected a photo that shows a face"
        )
    return max(faces, key=_area).embedding


def _area(face: Any) -> float:
    left, top, right, bottom = face.bbox[:4]
    return float((right - left) * (bottom - top))


def _detection_pixels(image: Image, position: int) -> np.ndarray:
    """(H, W, 3) uint8 in the blue-green-red order the face networks were trained on."""
    name = _picture_name(image, position)
    if image.source is None:
        raise DataError(f"{name}: has codes but no pixels; expected a photo")
    try:
        picture = _opened(image.source).convert("RGB")
    except OSError as error:
        raise DataError(f"{name}: cannot be read as a picture ({type(error).__name__})") from error
    resized = picture.resize(detection_size(*picture.size), PILImage.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(resized)[:, :, ::-1])


def _opened(source: str | Path | np.ndarray | PILImage.Image) -> PILImage.Image:
    if isinstance(source, PILImage.Image):
        return source
    return PILImage.fromarray(source) if isinstance(source, np.ndarray) else PILImage.open(source)


def _picture_name(image: Image, position: int) -> str:
    if isinstance(image.source, (str, Path)):
        return str(image.source)
    return image.key or f"photo {position}"
