"""How much drawn pictures look like photos and say what their prompts say, picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor

from unictk.datamodules.pictures import open_picture
from unictk.errors import DataError, WeightsError
from unictk.metrics.clip import image_scores, text_scores
from unictk.metrics.clip_model import Clip, load_clip
from unictk.metrics.face_model import AlignedFaces, FaceModel, FacePack
from unictk.samples import GeneratedImage

BATCH = 32


class ClipSimilarity:
    """CLIP-I against all photos of the concept, and CLIP-T (UniCTokens, section 4).

    Args:
        model: name, folder or ``bundled``: see :func:`~unictk.metrics.clip_model.load_clip`.
        pretrained: which weights of a named model.
        legacy: wash every picture out first, as the published script does by mistake; only to compare with
            its numbers.
    """

    metrics = ("clip_i", "clip_t")

    def __init__(self, model: str | None = None, pretrained: str | None = None, legacy: bool = False) -> None:
        self.model, self.pretrained, self.legacy = model, pretrained, legacy
        self._photos: dict[tuple[Path, ...], Tensor] = {}

    @cached_property
    def clip(self) -> Clip:
        """The model, read when it is first needed."""
        return load_clip(self.model, self.pretrained, washed_out=self.legacy)

    def measure(
        self, pictures: Sequence[Tensor], texts: Sequence[str], photos: Sequence[Path]
    ) -> list[dict[str, float]]:
        """Both cosines of each picture (3, H, W) in [0, 1]."""
        drawn = self.clip.images(torch.stack([picture.float().cpu() for picture in pictures]))
        alike = image_scores(drawn, self._vectors(tuple(photos)))
        said = text_scores(drawn, self.clip.texts(texts))
        return [{"clip_i": float(i), "clip_t": float(t)} for i, t in zip(alike, said, strict=True)]

    def _vectors(self, photos: tuple[Path, ...]) -> Tensor:
        if photos not in self._photos:
            self._photos[photos] = self.clip.images([open_picture(photo) for photo in photos])
        return self._photos[photos]


class FaceSimilarity:
    """Cosine of ArcFace embeddings, the mean over the photos that show a face (UniCTokens, section 4).

    A picture without a face counts 0 (the published script skips it, and a model that draws no faces loses
    nothing); ``face_detected`` is the share of pictures with one.

    Args:
        pack: InsightFace's model pack: see :class:`~unictk.metrics.face_model.FacePack`.
        root: where packs lie.
        download: fetch the pack when it is not there.
        recogniser: an ArcFace network in an ONNX file, in place of a pack; every picture is taken for a face.
    """

    metrics = ("face", "face_detected")

    def __init__(
        self,
        pack: str = "antelopev2",
        root: str | None = None,
        download: bool = False,
        recogniser: str | None = None,
    ) -> None:
        self.pack, self.root, self.download, self.recogniser = pack, root, download, recogniser
        self._photos: dict[tuple[Path, ...], np.ndarray] = {}

    @cached_property
    def model(self) -> FaceModel:
        """The networks, read when they are first needed."""
        if self.recogniser is not None:
            return AlignedFaces(self.recogniser)
        return FacePack(self.pack, self.root, self.download)

    def measure(
        self, pictures: Sequence[Tensor], texts: Sequence[str], photos: Sequence[Path]
    ) -> list[dict[str, float]]:
        """Both scores of each picture (3, H, W) in [0, 1].

        Raises:
            DataError: no photo shows a face.
        """
        known = self._vectors(tuple(photos))
        found = []
        for picture in pictures:
            drawn = self.model.embedding(GeneratedImage(picture, torch.zeros(0), {}).as_pil())
            alike = 0.0 if drawn is None else float((known @ _unit(drawn)).mean())
            found.append({"face": alike, "face_detected": float(drawn is not None)})
        return found

    def _vectors(self, photos: tuple[Path, ...]) -> np.ndarray:
        """(photos with a face, D) unit vectors."""
        if photos not in self._photos:
            seen = [self.model.embedding(open_picture(photo)) for photo in photos]
            faces = [_unit(one) for one in seen if one is not None]
            if not faces:
                raise DataError(
                    f"face: none of {len(photos)} photos shows a face; "
                    "leave it out: benchmark.similarities.face=null"
                )
            self._photos[photos] = np.stack(faces)
        return self._photos[photos]


class DinoSimilarity:
    """Mean cosine of DINO's class vectors with those of all photos (DreamBooth, section 4.1).

    Args:
        model: folder or hub name of a ViT in transformers' layout; the published choice is DINO ViT-S/16.
    """

    metrics = ("dino",)

    def __init__(self, model: str = "facebook/dino-vits16") -> None:
        self.model = model
        self._photos: dict[tuple[Path, ...], Tensor] = {}

    @cached_property
    def network(self) -> tuple[Any, Any]:
        """The model and its preprocessing, read when they are first needed."""
        from transformers import AutoImageProcessor, AutoModel

        try:
            processor = AutoImageProcessor.from_pretrained(self.model)
            return AutoModel.from_pretrained(self.model, use_safetensors=True).eval(), processor
        except (OSError, ValueError) as error:
            raise WeightsError(f"dino: {self.model!r} cannot be loaded ({_first_line(error)})") from error

    def measure(
        self, pictures: Sequence[Tensor], texts: Sequence[str], photos: Sequence[Path]
    ) -> list[dict[str, float]]:
        """The mean cosine of each picture (3, H, W) in [0, 1]."""
        key = tuple(photos)
        if key not in self._photos:
            self._photos[key] = self._vectors([open_picture(photo) for photo in photos])
        drawn = self._vectors([GeneratedImage(one, torch.zeros(0), {}).as_pil() for one in pictures])
        return [{"dino": float(score)} for score in image_scores(drawn, self._photos[key])]

    @torch.no_grad()
    def _vectors(self, pictures: Sequence[PILImage.Image]) -> Tensor:
        model, processor = self.network
        hidden = [
            model(**processor(images=list(pictures[first : first + BATCH]), return_tensors="pt"))
            for first in range(0, len(pictures), BATCH)
        ]
        vectors = torch.cat([one.last_hidden_state[:, 0] for one in hidden])
        return torch.nn.functional.normalize(vectors.float(), dim=-1)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector.astype(np.float64) / max(1e-12, float(np.linalg.norm(vector)))
