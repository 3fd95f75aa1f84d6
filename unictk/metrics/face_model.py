"""Face networks by InsightFace: the embedding of the largest face in a picture.

Its packs are licensed for research only and are never fetched unasked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image as PILImage

from unictk.errors import UserError, WeightsError, nearest

LONG_SIDE = 1280
MULTIPLE = 64
DETECTOR = (640, 640)


class FaceModel(Protocol):
    """Finds who is in a picture."""

    def embedding(self, picture: PILImage.Image) -> np.ndarray | None:
        """The unnormalised embedding (D,) of the largest face; None where there is none."""
        ...


class FacePack:
    """A detector and a recogniser.

    Args:
        pack: name of the model pack, the folder ``<root>/models/<pack>``.
        root: where packs lie; ``~/.insightface`` without it.
        download: fetch the pack when it is not there.

    Raises:
        UserError: insightface is not installed.
        WeightsError: the pack is not on disk.
    """

    def __init__(
        self, pack: str = "antelopev2", root: str | Path | None = None, download: bool = False
    ) -> None:
        try:
            from insightface.app import FaceAnalysis
        except ImportError as error:
            raise _not_installed(error) from error
        # A folder, never a name: given a name, the library fetches a pack it does not find.
        folder = _pack_folder(pack, Path(root or "~/.insightface").expanduser(), download)
        self.analyser: Any = FaceAnalysis(name=str(folder), allowed_modules=["detection", "recognition"])
        self.analyser.prepare(ctx_id=0, det_size=DETECTOR)

    def embedding(self, picture: PILImage.Image) -> np.ndarray | None:
        """Of the largest face; the picture's long side is cut down to 1280 pixels."""
        resized = picture.resize(detection_size(*picture.size), PILImage.Resampling.BILINEAR)
        faces = self.analyser.get(_blue_green_red(resized))
        return max(faces, key=_area).embedding if faces else None


class AlignedFaces:
    """A recogniser alone, for pictures that are nothing but a face: any ArcFace network in an ONNX file.

    Raises:
        UserError: insightface is not installed.
        WeightsError: the file is missing or no such network.
    """

    def __init__(self, file: str | Path) -> None:
        try:
            from insightface.model_zoo.arcface_onnx import ArcFaceONNX
        except ImportError as error:
            raise _not_installed(error) from error
        if not Path(file).is_file():
            raise WeightsError(f"{file}: not there; expected an ArcFace network in an ONNX file")
        try:
            self.network: Any = ArcFaceONNX(str(file))
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise WeightsError(f"{file}: not an ArcFace network in an ONNX file ({reason})") from error

    def embedding(self, picture: PILImage.Image) -> np.ndarray | None:
        """Of the whole picture, resized to what the network takes."""
        resized = picture.resize(self.network.input_size, PILImage.Resampling.BILINEAR)
        return np.asarray(self.network.get_feat(_blue_green_red(resized))).reshape(-1)


def detection_size(width: int, height: int) -> tuple[int, int]:
    """Width and height shrunk to a long side of at most 1280 pixels, in multiples of 64 (at least one)."""
    scale = min(1.0, LONG_SIDE / max(width, height))
    wide, high = (max(1, int(side * scale) // MULTIPLE) * MULTIPLE for side in (width, height))
    return wide, high


def _not_installed(error: ImportError) -> UserError:
    return UserError(f"face: insightface cannot be imported ({error}); expected the extra unictk[face]")


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


def _area(face: Any) -> float:
    left, top, right, bottom = face.bbox[:4]
    return float((right - left) * (bottom - top))


def _blue_green_red(picture: PILImage.Image) -> np.ndarray:
    """(H, W, 3) uint8 in the order the face networks were trained on."""
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
