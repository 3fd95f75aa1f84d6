"""Pictures inside the page: small copies as data URIs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from pathlib import Path

from PIL import Image as PILImage
from PIL import UnidentifiedImageError

from unictk.errors import DataError
from unictk.report.sources import in_order, natural, read_object

SampleRow = list[str | None]
"""One prompt and seed, drawn after each stage: a data URI a stage, None where it was not drawn."""


def inline(path: Path, side: int, quality: int = 82) -> str:
    """A data URI of the picture, shrunk to ``side`` pixels: PNG when small, JPEG otherwise.

    Raises:
        DataError: the file is not a picture.
    """
    try:
        with PILImage.open(path) as opened:
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a picture; expected png, jpg or webp") from error
    picture.thumbnail((side, side), PILImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    kind = "png" if max(picture.size) <= 64 else "jpeg"
    picture.save(buffer, kind.upper(), **({"optimize": True} if kind == "png" else {"quality": quality}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def inline_key(root: Path | None, key: str | None, side: int) -> str | None:
    """The picture a record names, if it lies below ``root``; None when it is not there."""
    if root is None or not key:
        return None
    path = (root / key).resolve()
    # A record is data: it must not pull files from elsewhere into the page.
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        return None
    return inline(path, side)


def sample_rows(
    run_folder: Path, stages: Iterable[str] = (), side: int = 256, limit: int = 24
) -> tuple[list[str], dict[str, list[SampleRow]]]:
    """Stages that drew, and by prompt at most ``limit`` rows of what they drew with equal seed."""
    root = run_folder / "samples"
    folders = [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    listed = {stage: _listed(root / stage) for stage in in_order(folders, stages)}
    drawn = {stage: files for stage, files in listed.items() if files}
    rows: dict[str, list[SampleRow]] = {}
    for key in list(dict.fromkeys(key for files in drawn.values() for key in files))[:limit]:
        found = [files.get(key) for files in drawn.values()]
        rows.setdefault(key[0], []).append([inline(path, side) if path else None for path in found])
    return list(drawn), rows


def _listed(folder: Path) -> dict[tuple[str, int], Path]:
    """Files by prompt and rollout, as ``samples.json`` lists them; otherwise every PNG but the grid."""
    listing = folder / "samples.json"
    if not listing.exists():
        files = sorted(folder.glob("*.png"), key=lambda path: natural(path.name))
        return {("", i): path for i, path in enumerate(path for path in files if path.name != "grid.png")}
    try:
        images = read_object(listing)["images"]
        named = {
            (str(image["prompt"]), int(image["rollout"])): folder / Path(str(image["file"])).name
            for image in images
        }
    except (KeyError, TypeError, ValueError) as error:
        example = json.dumps({"file": "00-00.png", "prompt": "A photo.", "rollout": 0})
        raise DataError(f"{listing}: images are not listed; expected entries like {example}") from error
    return {key: path for key, path in named.items() if path.exists()}
