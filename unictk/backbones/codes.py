"""Image codes, computed once: a store keyed by the tokenizer's weights, the picture and its view."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unictk.datamodules.pictures import content_hash
from unictk.samples import Image


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


def exact_convolutions() -> AbstractContextManager[object]:
    """No TF32 convolutions: the nearest code, or a sign, may hang on the last digit."""
    return torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)
