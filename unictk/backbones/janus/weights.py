"""Janus's folder as transformers' conversion leaves it: reading it, writing it, telling another one.

All weights are in one (sharded) file, the image tokenizer among them, beside ``config.json``. Sizes that no
tensor's shape tells (heads, rotary base) are compared with the configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import JanusConfig

from unictk.backbones.checkpoints import check_shapes, find_folder, read_folder, write_folder
from unictk.backbones.janus.network import JanusNetwork
from unictk.errors import WeightsError

EXAMPLE = "deepseek-community/Janus-Pro-1B"

SIZES = {
    "text_config.hidden_size": "language.hidden_size",
    "text_config.intermediate_size": "language.intermediate_size",
    "text_config.num_hidden_layers": "language.num_hidden_layers",
    "text_config.num_attention_heads": "language.num_attention_heads",
    "text_config.num_key_value_heads": "language.num_key_value_heads",
    "text_config.rms_norm_eps": "language.rms_norm_eps",
    "text_config.rope_parameters": "language.rope_theta",
    "text_config.max_position_embeddings": "language.max_position_embeddings",
    "text_config.vocab_size": "layout.vocabulary",
    "vision_config.hidden_size": "vision.hidden_size",
    "vision_config.mlp_ratio": "vision.mlp_ratio",
    "vision_config.num_hidden_layers": "vision.num_hidden_layers",
    "vision_config.num_attention_heads": "vision.num_attention_heads",
    "vision_config.image_size": "vision.image_size",
    "vision_config.patch_size": "vision.patch_size",
    "vq_config.base_channels": "image_tokenizer.channels",
    "vq_config.channel_multiplier": "image_tokenizer.multipliers",
    "vq_config.num_res_blocks": "image_tokenizer.blocks",
    "vq_config.latent_channels": "image_tokenizer.z_channels",
    "vq_config.num_embeddings": "image_tokenizer.codebook",
    "vq_config.embed_dim": "image_tokenizer.width",
    "image_token_id": "layout.tokenizer",
}
"""What a published configuration must say, and which of our keys says it."""

_NOT_WEIGHTS = ("position_ids", "rotary_emb.inv_freq", "quantize.codebook_used")
"""What some writers leave among the tensors."""


def load(source: str | Path, network: JanusNetwork) -> tuple[dict[str, Tensor], Path]:
    """The tensors of a folder or hub id in the shapes of a network, which stays as it is, and their file.

    Raises:
        WeightsError: no such folder or file, a missing shard, a broken or refused file, another model or
            other sizes, tensors missing or unexpected.
    """
    # The configuration alone first: nobody wants to wait for gigabytes of another model.
    folder = find_folder(source, None, [["config.json"]], "config.json and model.safetensors", EXAMPLE)
    check_config(folder / "config.json", network.stock.config)
    found, file = read_folder(source, EXAMPLE)
    tensors = {name: tensor for name, tensor in found.items() if not name.endswith(_NOT_WEIGHTS)}
    if "lm_head.weight" not in tensors and "model.language_model.embed_tokens.weight" in tensors:
        raise WeightsError(
            f"{file}: no lm_head.weight: written with the head tied to the table, which Janus-Pro's is not"
        )
    expected = {name: tuple(tensor.shape) for name, tensor in network.stock.state_dict().items()}
    check_shapes(tensors, expected, "model.language_model.", file)
    return tensors, file


def check_config(file: Path, ours: JanusConfig) -> None:
    """That a ``config.json`` is Janus's and has the sizes of ours.

    Raises:
        WeightsError: there is none, it is none, it is of another model, or a size differs.
    """
    said = _config(file)
    if said.get("model_type") != "janus":
        raise WeightsError(
            f"{file}: model_type is {said.get('model_type')!r}, expected 'janus': a folder converted for "
            f"transformers, such as {EXAMPLE}"
        )
    try:
        theirs = JanusConfig.from_dict(said)
    except Exception as error:  # its checks raise errors of several libraries
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise WeightsError(f"{file}: not a configuration of Janus ({line[:200]})") from error
    for name, key in SIZES.items():
        found, expected = (_plain(attrgetter(name)(config)) for config in (theirs, ours))
        if found != expected:
            raise WeightsError(f"{file}: {name} is {found}, expected {expected} (backbone.{key})")


def write(folder: Path, network: JanusNetwork, shard_bytes: int | None) -> None:
    """Write ``config.json`` and (sharded) safetensors, each tensor in the precision it has.

    Raises:
        WeightsError: ``folder`` holds other weights already.
    """
    config = json.loads(network.stock.config.to_json_string(use_diff=False))
    config |= {
        "architectures": ["JanusForConditionalGeneration"],
        "dtype": str(network.input_table.dtype).removeprefix("torch."),
        "tie_word_embeddings": False,
    }
    write_folder(folder, network.stock.state_dict(), config, "", shard_bytes=shard_bytes)


def random_weights(network: JanusNetwork) -> None:
    """The stock class draws all at the scale of its language model: draw the image tokenizer as is usual."""
    for module in network.image_tokenizer.modules():
        if isinstance(module, nn.Conv2d | nn.Embedding):
            module.reset_parameters()


def _config(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read; expected the configuration of Janus") from error
    except ValueError as error:
        raise WeightsError(f"{file}: not JSON; expected the configuration of Janus") from error
    if not isinstance(said, dict):
        raise WeightsError(f"{file}: not an object; expected the configuration of Janus")
    return said


def _plain(value: Any) -> Any:
    """Comparable: rotary parameters by their base, sequences as lists."""
    if isinstance(value, Mapping):
        return float(value["rope_theta"]) if value.get("rope_type", "default") == "default" else dict(value)
    return list(value) if isinstance(value, list | tuple) else value
