"""A source of instruction data: some shards, what they are for, and how often they are seen."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from PIL import Image as PILImage
from PIL import UnidentifiedImageError

from unictk.datamodules.instructions.index import READERS, Index, kept_index
from unictk.datamodules.instructions.records import Picture, Raw, Record, Task, read_record
from unictk.datamodules.pictures import MOST_PIXELS, open_picture
from unictk.errors import DataError
from unictk.samples import Sample

QUESTION = "Describe the picture."


@dataclass(frozen=True, slots=True)
class Source:
    """Shards (``.jsonl``, ``.parquet``, ``.tar``) and what they are for.

    Args:
        path: a file, a folder of shards, or a pattern such as ``train-*.tar``; relative to the data's root.
        task: whether pairs of text and picture are described or drawn, and whose share this source has.
        weight: how often it is seen, beside the other sources of its task; 0: never.
        pictures: where the pictures lie that records name; None: beside the shard.
        question: what is asked where a pair's picture is described.
    """

    path: str
    task: Task
    weight: Annotated[float, Ge(0)] = 1.0
    pictures: str | None = None
    question: str = QUESTION

    def shards(self, root: Path, name: str) -> list[Path]:
        """The source's files, sorted.

        Raises:
            DataError: there are none, or one of a kind that is not read.
        """
        place = root / self.path
        kinds = ", ".join(READERS)
        if place.is_dir():
            found = sorted(path for path in place.iterdir() if path.suffix in READERS)
        elif place.is_file():
            found = [place]
        else:
            folder, pattern = place.parent, place.name
            found = sorted(folder.glob(pattern)) if folder.is_dir() else []
        if not found:
            raise DataError(f"{name}: {place} is not there or holds no shard; expected one of {kinds}")
        for path in found:
            if path.suffix not in READERS:
                raise DataError(f"{name}: {path} is not of a kind that is read; expected one of {kinds}")
        return found


@dataclass(frozen=True, slots=True)
class Opened:
    """A source whose records are known; it can be sent to loader workers.

    ``most_elongated``: a picture whose long side is more times its short side is refused.
    """

    name: str
    source: Source
    root: Path
    index: Index
    most_elongated: float

    def __len__(self) -> int:
        return len(self.index.entries)

    def shard_sizes(self) -> np.ndarray:
        """(shards,) records of each."""
        return np.bincount(self.index.entries[:, 0], minlength=len(self.index.shards))

    def outline(self, number: int, key: str, seed: int) -> Sample:
        """A record as a sample without pixels: enough to count its targets."""
        record = self._record(number, pictures=False)
        return record.sample([None] * len(record.pictures), key, seed)

    def sample(self, number: int, key: str, seed: int) -> Sample:
        """A record as a sample, its pictures decoded.

        Raises:
            DataError: the record's place, and what is wrong with one of its pictures.
        """
        try:
            record = self._record(number, pictures=True)
            folder = self.index.shards[int(self.index.entries[number, 0])].parent
            folder = folder if self.source.pictures is None else self.root / self.source.pictures
            pictures = [decoded(one, folder, self.most_elongated) for one in record.pictures]
        except DataError as error:
            raise DataError(f"{self.index.place(number)}: {error}") from error
        return record.sample(pictures, key, seed)

    def _record(self, number: int, pictures: bool) -> Record:
        raw = self.index.raw(number, pictures)
        return read_record(raw, self.source.task, self.source.question)


def opened(
    sources: Mapping[str, Source],
    root: Path,
    folder: Path | None,
    most_elongated: Annotated[float, Gt(1)],
    refuse: bool,
) -> list[Opened]:
    """All sources with some weight, their records found and checked.

    Args:
        sources: by name.
        root: what their paths are relative to.
        folder: where tables of records are kept.
        most_elongated: see :class:`Opened`.
        refuse: whether a record that cannot be used is an error.

    Raises:
        DataError: a source without records, or with ``refuse`` the first problem and the number of others.
    """
    found = []
    for name, source in sources.items():
        if not source.weight:
            continue
        rules = f"{source.task} {source.question}"

        def check(raw: Raw, source: Source = source) -> Record:
            return read_record(raw, source.task, source.question)

        index = kept_index(source.shards(root, name), check, rules, name, folder)
        if index.problem_count and refuse:
            more = index.problem_count - 1
            others = f" (and {more} more problem{'s' * (more > 1)} in {name})" if more else ""
            raise DataError(f"{index.problems[0]}{others}; datamodule.bad=skip leaves out what is bad")
        if not len(index.entries):
            first = f": {index.problems[0]}" if index.problems else ""
            raise DataError(f"{name}: no record in {source.path} can be used{first}")
        found.append(Opened(name, source, root, index, most_elongated))
    return found


def decoded(picture: Picture, folder: Path, most_elongated: float) -> PILImage.Image:
    """A record's picture in RGB.

    Raises:
        DataError: it is not there, cannot be decoded, is too large, or too long for its width.
    """
    if picture is None:
        raise DataError("expected a picture; found none")
    name = "its picture" if isinstance(picture, bytes) else str(folder / picture)
    try:
        with PILImage.open(io.BytesIO(picture) if isinstance(picture, bytes) else name) as file:
            wide, high = file.size
            if max(wide, high) > most_elongated * min(wide, high):
                raise DataError(
                    f"{name} is {wide} x {high} pixels; expected a long side of at most {most_elongated:g} "
                    "times the short one"
                )
            if wide * high > MOST_PIXELS:
                raise DataError(f"{name} is {wide} x {high} pixels; expected at most {MOST_PIXELS}")
            file.seek(0)
            return open_picture(file)
    except FileNotFoundError as error:
        raise DataError(f"{name}: there is no such picture") from error
    except (
        OSError,
        UnidentifiedImageError,
        SyntaxError,
        ValueError,
        PILImage.DecompressionBombError,
    ) as error:
        said = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise DataError(f"{name} cannot be decoded as a picture{said}") from error
