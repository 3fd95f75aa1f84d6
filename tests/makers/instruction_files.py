"""Small instruction data in every kind of shard, and a layout that only keeps names."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image as PILImage
from pyarrow import parquet

from unictk.datamodules.instructions.files import InstructionFiles
from unictk.datamodules.instructions.sources import Source
from unictk.datamodules.instructions.stream import Instructions
from unictk.samples import Batch, Counts, Sample


def png(number: int, size: tuple[int, int] = (20, 16)) -> bytes:
    """A picture file of noise."""
    wide, high = size
    noise = np.random.default_rng(number).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PILImage.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def pairs(count: int) -> list[dict[str, Any]]:
    """Pairs of a text and a picture."""
    return [{"text": f"Cup {n}.", "image": f"{n}.png"} for n in range(count)]


def talks(count: int) -> list[dict[str, Any]]:
    """Conversations of two questions about a picture."""
    return [
        {
            "conversations": [
                {"from": "human", "value": f"<image>\nWhat is this, {n}?"},
                {"from": "gpt", "value": f"A cup {n}."},
                {"from": "human", "value": "Is it red?"},
                {"from": "gpt", "value": "No."},
            ],
            "image": f"{n}.png",
        }
        for n in range(count)
    ]


def write_jsonl(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    """A line each, and the pictures they name beside the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    for number, record in enumerate(records):
        if record.get("image"):
            (path.parent / record["image"]).write_bytes(png(number))
    return path


def write_tar(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    """``000000.png`` with ``000000.txt`` or ``000000.json`` each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for number, record in enumerate(records):
            text = record.get("text")
            told = text if text is not None else json.dumps(record)
            add(archive, f"{number:06d}.png", png(number))
            add(archive, f"{number:06d}.{'json' if text is None else 'txt'}", told.encode())
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """A member."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write_parquet(path: Path, records: Sequence[dict[str, Any]], group: int = 3) -> Path:
    """Pictures as ``{"bytes", "path"}``, conversations as lists of structs, ``group`` rows a group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**record, "image": {"bytes": png(n), "path": None}} for n, record in enumerate(records)]
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


class Parts(list[tuple[str, int | None]]):
    """Names and seeds of samples."""

    def to(self, device: Any, non_blocking: bool = False) -> Parts:
        return self


class Keys:
    """A layout whose batches are the samples' names and seeds; each text target counts 1, each picture 10."""

    image_size = 4

    def collate(self, samples: Sequence[Sample]) -> Batch:
        counts = sum((self.counts(one) for one in samples), Counts())
        return Batch(len(samples), counts, counts, Parts([(one.key, one.seed) for one in samples]))

    def counts(self, sample: Sample) -> Counts:
        drawn = sum(one.target for one in sample.images)
        return Counts(sum(one.target for one in sample) - drawn, 10 * drawn)

    def length(self, sample: Sample) -> int:
        return 1

    def supports(self, sample: Sample) -> str | None:
        return None


def understanding(path: Path | str, **more: Any) -> Source:
    return Source(str(path), "understanding", **more)


def generation(path: Path | str, **more: Any) -> Source:
    return Source(str(path), "generation", **more)


def instructions(
    root: Path, sources: dict[str, Source], share: float = 0.0, batch_size: int = 2, **more: Any
) -> Instructions:
    """The data module of a stage on these sources."""
    data = InstructionFiles(str(root), sources)
    return Instructions(Keys(), data, share, batch_size, 0, "s2", **more)
