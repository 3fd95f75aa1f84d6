"""Checks a data set before anything is trained on it, and lists everything wrong at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from unictk.datamodules.concept_files import (
    ConceptFiles,
    ConceptFolder,
    concept_names,
    pictures_in,
    read_files,
)
from unictk.datamodules.problems import Problem
from unictk.datamodules.schemas import JsonFile, shown
from unictk.errors import nearest

__all__ = ["Problem", "check_concept", "check_dataset"]


def check_dataset(root: str | Path, name: str | None = None) -> list[Problem]:
    """Everything wrong with one concept of a data set, or with all of them and their list; empty if nothing.

    Every picture is decoded in full, once a process as long as the file does not change.
    """
    root = Path(root)
    if name is not None:
        return check_concept(root, name)[1]
    names = concept_names(root)
    if not names:
        return [_no_concepts(root)]
    problems = _list_problems(root, names)
    for each in names:
        problems += check_concept(root, each)[1]
    return list(dict.fromkeys(problems))  # concepts share their random images


def check_concept(root: Path, name: str) -> tuple[ConceptFiles | None, list[Problem]]:
    """The concept's files, read, and everything wrong with them; no files only if something is wrong."""
    names = concept_names(root)
    if not names:
        return None, [_no_concepts(root)]
    if name not in names:
        best = nearest(name, names)
        hint = f"; nearest: {best}" if best else ""
        return None, [Problem(root / "concept" / "train", f"a concept {name!r}", f"{_few(names)}{hint}")]
    problems: list[Problem] = []
    files = read_files(root, name, problems)
    folder = ConceptFolder(root, name)
    asked = [] if files is None else [a.picture for source in files.questions.values() for a in source]
    shelves = [path for place in folder.folders for path in pictures_in(place)]
    shelves += [*(files.photos if files else ()), *(path for path in asked if path is not None)]
    sound = []
    for path in dict.fromkeys(shelves):
        fault = _fault(path)
        if fault is None:
            sound.append(path)
        else:
            problems.append(Problem(path, "a picture", fault))
    photos = [path for path in sound if path.parent in (folder.train, folder.test)]
    problems += _repeated(root, photos)
    return files, list(dict.fromkeys(problems))


def _no_concepts(root: Path) -> Problem:
    if not root.is_dir():
        return Problem(root, "a folder in the UniCTokens layout", "no folder")
    return Problem(root, "a folder of concepts at concept/train", "none")


def _list_problems(root: Path, names: list[str]) -> list[Problem]:
    problems: list[Problem] = []
    file = JsonFile(root / "concepts_list.json", "", problems)
    content = file.content() if file.path.exists() else None
    if content is None:
        return problems
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        file.wrong("a list of concept names", shown(content))
        return problems
    for name, count in Counter(content).items():
        if count > 1:
            file.wrong(f"{name!r} once", f"it {count} times")
        if name not in names:
            best = nearest(name, names)
            hint = f"; nearest: {best}" if best else ""
            file.wrong("concepts that have a folder in concept/train", f"{name!r}{hint}")
    return problems


def _few(names: list[str]) -> str:
    return ", ".join(names[:24]) + (", ..." if len(names) > 24 else "")


def _repeated(root: Path, photos: Iterable[Path]) -> list[Problem]:
    """Photos with the same bytes: one trained on twice, or trained on and examined."""
    from unictk.datamodules.pictures import content_hash  # imports torch

    first: dict[str, Path] = {}
    found = []
    for path in photos:
        earlier = first.setdefault(content_hash(path), path)
        if earlier != path:
            same = earlier.relative_to(root).as_posix()
            found.append(Problem(path, "a photo of its own", f"the same picture as {same}"))
    return found


def _fault(path: Path) -> str | None:
    """What is wrong with a picture file, or None."""
    try:
        state = path.stat()
    except OSError as error:
        return error.strerror or type(error).__name__
    if path.is_dir():
        return "a folder"
    return _decoding_fault(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=65536)
def _decoding_fault(path: Path, modified: int, size: int) -> str | None:
    """As :func:`_fault`; ``modified`` is there so that a changed file is decoded again."""
    from PIL import Image as PILImage
    from PIL import UnidentifiedImageError

    from unictk.datamodules.pictures import MOST_PIXELS, open_picture  # imports torch
    from unictk.errors import DataError

    if not size:
        return "an empty file (0 bytes)"
    try:
        open_picture(path)
    except DataError as error:
        if isinstance(error.__cause__, PILImage.DecompressionBombError):
            return f"a picture of more than {MOST_PIXELS:,} pixels"
        if isinstance(error.__cause__, UnidentifiedImageError):
            return f"{size} bytes that are no picture"
        reason = re.sub(
            r" \(.*", "", str(error.__cause__)
        )  # the decoder's count of bytes tells nobody anything
        return f"a damaged picture ({reason})"
    return None
