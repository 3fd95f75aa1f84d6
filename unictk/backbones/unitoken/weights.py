"""Published weights of UniToken: reading and writing them, the image tokenizer in a file of its own.

A checkpoint holds language model, adapter and vision tower under the network's own names, and never the
image tokenizer: that is the ``vqgan.ckpt`` (or a safetensors file) of Chameleon. Norms of queries and keys
have a row for each shard, (1, 128) as published; files converted by others have one for each head, which is
accepted where the rows of a shard are equal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unictk.backbones.checkpoints import (
    SHARD_BYTES,
    check_shapes,
    fill_module,
    read_file,
    read_folder,
    write_folder,
    write_tensors,
)
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.errors import WeightsError

EXAMPLE = "OceanJay/UniToken-AnyRes-StageII"
TOWER_EXAMPLE = "google/siglip-so400m-patch14-384"
TOWER = "vision_model."
"""Where a SigLIP checkpoint has its vision tower."""

TOKENIZER_FILES = ("vqgan.ckpt", "vqgan.safetensors", "vq.safetensors")
"""Names looked for in a folder that is given for the image tokenizer."""

_HEAD_NORM = re.compile(r".*self_attn\.[qk]_norm\.(weight|bias)")
_NOT_OURS = ("model.vqmodel.", "model.rotary_emb.", "vit.embeddings.position_ids")
"""What other writers leave in the same file."""


def load_network(source: str | Path, revision: str | None = None) -> tuple[dict[str, Tensor], Path]:
    """The tensors of a folder or hub id, and the file that named them; an image tokenizer in it is left out.

    Raises:
        WeightsError: no such folder or file, a missing shard, a broken or refused file.
    """
    tensors, file = read_folder(source, EXAMPLE, revision)
    return {name: t for name, t in tensors.items() if not name.startswith(_NOT_OURS)}, file


def load_tower(source: str | Path, expected: Collection[str]) -> dict[str, Tensor]:
    """The vision tower of a SigLIP folder or hub id, under the network's names.

    Args:
        source: whole SigLIP, or its tower alone.
        expected: the network's names; a pooling head that it does not have is left out.

    Raises:
        WeightsError: no such folder or file, a broken one, or one without a tower.
    """
    tensors, file = read_folder(source, TOWER_EXAMPLE)
    tower = {f"vit.{n.removeprefix(TOWER)}": t for n, t in tensors.items() if n.startswith(TOWER)}
    tower = tower or {f"vit.{name}": t for name, t in tensors.items()}
    found = {name: t for name, t in tower.items() if name in expected}
    if not found:
        raise WeightsError(
            f"{file}: has no vision tower; expected names such as {TOWER}post_layernorm.weight"
        )
    return found


def load_tokenizer_state(source: str | Path) -> tuple[dict[str, Tensor], Path]:
    """The tensors of an image tokenizer in the original names, and the file they come from.

    Args:
        source: a file (``vqgan.ckpt``, whose tensors are under ``state_dict``, or safetensors) or its folder.

    Raises:
        WeightsError: no such file, or a broken or refused one.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        found = next((path / name for name in TOKENIZER_FILES if (path / name).is_file()), None)
        if found is None:
            raise WeightsError(f"{path}: no image tokenizer here; looked for {', '.join(TOKENIZER_FILES)}")
        path = found
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; expected the image tokenizer, vqgan.ckpt or safetensors")
    return read_file(path, inside="state_dict"), path


def fill(module: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Give a module the tensors of a file, as float32; a module on the meta device is made real.

    Raises:
        WeightsError: as :func:`fitted` says.
    """
    fill_module(module, fitted(module, tensors, file))


def fitted(module: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The tensors of a file in the shapes of a module, which stays as it is.

    Raises:
        WeightsError: tensors missing or unexpected, another vocabulary, another shape, or head norms whose
            rows differ within a shard.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    state = {name: _one_row_a_shard(name, t, expected.get(name), file) for name, t in tensors.items()}
    check_shapes(state, expected, "", file)
    return state


def write_network(
    folder: str | Path,
    network: UniTokenNetwork,
    any_resolution: bool,
    names: Mapping[str, int],
    dtype: torch.dtype = torch.bfloat16,
    shard_bytes: int | None = SHARD_BYTES,
) -> None:
    """Write the published layout: ``config.json`` and (sharded) safetensors.

    Args:
        folder: to write into.
        network: whose tensors.
        any_resolution: which of the two published classes the configuration names.
        names: the text tokenizer's entries, which the published configuration repeats.
        dtype: of the files; what was loaded from bfloat16 and not trained is written back bit for bit.
        shard_bytes: most of one file; None: a single one.

    Raises:
        WeightsError: ``folder`` holds other weights already.
    """
    state = {name: tensor.to(dtype) for name, tensor in network.state_dict().items()}
    write_folder(folder, state, _config(network, any_resolution, names), "", shard_bytes=shard_bytes)


def write_tokenizer(file: str | Path, tokenizer: VQTokenizer) -> None:
    """Write the image tokenizer: a ``.ckpt`` as the original, or safetensors."""
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tokenizer.state_dict(), inside="state_dict")


def _one_row_a_shard(name: str, tensor: Tensor, expected: tuple[int, ...] | None, file: Path) -> Tensor:
    if expected is None or not _HEAD_NORM.fullmatch(name) or tensor.ndim != 2:
        return tensor
    heads, shards = tensor.shape[0], expected[0]
    if heads <= shards or heads % shards:
        return tensor
    rows = tensor.view(shards, heads // shards, -1)
    if not torch.equal(rows, rows[:, :1].expand_as(rows)):
        raise WeightsError(
            f"{file}: {name} has {heads} rows that differ, expected {shards}, one a shard: "
            "the heads of this model share their norm"
        )
    return rows[:, 0]


def _config(network: UniTokenNetwork, any_resolution: bool, names: Mapping[str, int]) -> dict[str, Any]:
    form = "AnyRes" if any_resolution else "Base"
    config = network.model.config.to_dict()
    config.pop("vq_config")
    rope = network.model.config.rope_parameters
    assert rope is not None
    return config | {
        "architectures": [f"ChameleonXLLMXForConditionalGeneration{form}"],
        "model_type": "chameleon",
        "rope_theta": rope["rope_theta"],
        "mask_image_logits": False,
        "z_loss_weight": 1e-5,
        "vocabulary_map": dict(names),
    }
