"""Starting values from a face (UniCTokens, stage 2 for people): the generation tokens hold who it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor
from torch.nn import functional

from unictk.errors import DataError, UserError
from unictk.metrics.face_model import FacePack
from unictk.samples import Image

EMBEDDING = 512


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
    model = FacePack(pack, root, download)
    embeddings = [_face(model, image, position) for position, image in enumerate(images)]
    return stretch_embedding(torch.from_numpy(np.stack(embeddings)).float().mean(dim=0), count, hidden)


def _face(model: FacePack, image: Image, position: int) -> np.ndarray:
    name = _picture_name(image, position)
    if image.source is None:
        raise DataError(f"{name}: has codes but no pixels; expected a photo")
    try:
        picture = _opened(image.source).convert("RGB")
    except OSError as error:
        raise DataError(f"{name}: cannot be read as a picture ({type(error).__name__})") from error
    found = model.embedding(picture)
    if found is None:
        raise DataError(f"{name}: no face found; expected a photo that shows a face")
    return found


def _opened(source: str | Path | np.ndarray | PILImage.Image) -> PILImage.Image:
    if isinstance(source, PILImage.Image):
        return source
    return PILImage.fromarray(source) if isinstance(source, np.ndarray) else PILImage.open(source)


def _picture_name(image: Image, position: int) -> str:
    if isinstance(image.source, (str, Path)):
        return str(image.source)
    return image.key or f"photo {position}"
