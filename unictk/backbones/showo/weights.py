"""Published weights of Show-o and MAGVIT-v2: reading and writing them, from a folder or the hub.

Show-o's tensors carry the prefix ``showo.``, MAGVIT-v2's none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from unictk.backbones.checkpoints import WEIGHT_FILES, check_shapes, read_folder, write_folder

LANGUAGE_PREFIX = "showo."


def load_language(
    source: str | Path, expected: Mapping[str, Sequence[int]], revision: str | None = None
) -> dict[str, Tensor]:
    """The language model's tensors by their names without the prefix ``showo.``, in the file's dtype.

    ``source`` is a folder or a hub id (``showlab/show-o``, ``showlab/show-o-512x512``), ``revision`` a hub
    revision, ``expected`` the shape of every tensor the network has. The tensors are views of the mapped
    file: give them to ``load_state_dict``, which copies.

    Raises:
        WeightsError: no such folder or file, a broken or refused file, tensors missing or unexpected, another
            vocabulary, or another shape.
    """
    return _load(source, expected, LANGUAGE_PREFIX, revision)


def load_magvit(
    source: str | Path, expected: Mapping[str, Sequence[int]], revision: str | None = None
) -> dict[str, Tensor]:
    """MAGVIT-v2's tensors (``showlab/magvitv2``, or a folder); otherwise as :func:`load_language`."""
    return _load(source, expected, "", revision)


def write_published(
    folder: str | Path,
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    prefix: str = LANGUAGE_PREFIX,
    file: str = WEIGHT_FILES[0],
    shard_bytes: int | None = None,
) -> None:
    """Write tensors and ``config.json`` in the published layout, sharded where ``shard_bytes`` is given.

    ``state`` has names without ``prefix`` (``""`` for MAGVIT-v2). Every file appears whole or not at all.

    Raises:
        WeightsError: ``file`` is none of the published names, or ``folder`` holds other weights already.
    """
    write_folder(folder, state, config, prefix, file, shard_bytes)


def _load(
    source: str | Path, expected: Mapping[str, Sequence[int]], prefix: str, revision: str | None
) -> dict[str, Tensor]:
    tensors, file = read_folder(source, "showlab/show-o", revision)
    check_shapes(tensors, {prefix + name: tuple(shape) for name, shape in expected.items()}, prefix, file)
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
