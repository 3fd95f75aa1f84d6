"""Replies of an endpoint, kept on disk under a hash of everything that was asked.

The same question to the same model is asked once, whichever run asks it; a killed evaluation goes on from
here. Keys of endpoints are no part of a question, so none is ever written.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Replies:
    """A folder with one JSON file per reply; None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, asked: Mapping[str, Any]) -> str | None:
        """The reply to exactly this, if there is one; a damaged file counts as none."""
        path = self._path(asked)
        if path is None:
            return None
        try:
            reply = json.loads(path.read_text(encoding="utf-8"))["reply"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return reply if isinstance(reply, str) else None

    def put(self, asked: Mapping[str, Any], reply: str) -> None:
        """Keep the reply, in one move."""
        path = self._path(asked)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".", suffix=".tmp", delete=False, encoding="utf-8"
        ) as draft:
            json.dump({"model": asked.get("model"), "reply": reply}, draft)
        os.replace(draft.name, path)

    def _path(self, asked: Mapping[str, Any]) -> Path | None:
        if self.folder is None:
            return None
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest[2:]}.json"
