"""BAGEL's published folder: reading it into a network and an autoencoder, and writing it.

The folder holds ``llm_config.json``, ``vit_config.json``, ``ema.safetensors`` (or its shards and an index),
``ae.safetensors`` and a Qwen2 tokenizer. Position tables in it are left out: they follow from a formula, so
any size of table fits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import Qwen2Config, SiglipVisionConfig

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.names import FIXED_TABLES, ours, published
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.sizes import Sizes, qwen2_config, siglip_config
from unictk.backbones.checkpoints import (
    check_shapes,
    find_folder,
    read_file,
    read_shards,
    write_json,
    write_shards,
    write_tensors,
)
from unictk.errors import UserError, WeightsError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LANGUAGE_CONFIG, VISION_CONFIG = "llm_config.json", "vit_config.json"
WEIGHTS, AUTOENCODER = "ema.safetensors", "ae.safetensors"
WANTED = f"{LANGUAGE_CONFIG}, {VISION_CONFIG}, {WEIGHTS} and {AUTOENCODER}"
UNUSED_LAYERS = 1
"""``vit_config.json`` counts one layer that BAGEL does not use and whose weights are not in the file."""

_PATTERNS = ["*.json", "merges.txt", "ema*.safetensors", AUTOENCODER]
_LANGUAGE_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
    "max_position_embeddings",
)
_VISION_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
)
_FRACTIONS = ("rms_norm_eps", "rope_theta")
_FORCED = {"qk_norm": True, "tie_word_embeddings": False, "layer_module": "Qwen2MoTDecoderLayer"}


def published_folder(source: str | Path, revision: str | None = None) -> Path:
    """The folder that ``source`` (a folder, or a hub id such as ByteDance-Seed/BAGEL-7B-MoT) names.

    Raises:
        WeightsError: no such folder, or a hub out of reach.
    """
    return find_folder(source, revision, [_PATTERNS], WANTED, "ByteDance-Seed/BAGEL-7B-MoT")


def load_network(folder: Path, sizes: Sizes, dtype: torch.dtype = torch.float32) -> BagelNetwork:
    """The network of a published folder, its tensors in ``dtype``.

    Raises:
        WeightsError: a missing, broken or truncated file, a configuration that does not fit the tensors.
    """
    language, vision = read_configs(folder)
    with torch.device("meta"):
        network = BagelNetwork(language, vision, sizes)
    state = fitted(network, folder, f"{LANGUAGE_CONFIG}, {VISION_CONFIG} and the sizes given")
    for name in list(state):  # one by one, so that never two whole copies are held
        state[name] = state[name].to(dtype, copy=True)
    network.load_state_dict(state, assign=True)
    network.make_tables()
    return network


def fitted(network: BagelNetwork, folder: Path, source: str) -> dict[str, Tensor]:
    """A folder's tensors under our names, checked against a network, which stays as it is.

    Args:
        network: whose shapes they must have.
        folder: that holds them.
        source: where those shapes come from, for messages.

    Raises:
        WeightsError: a missing, broken or truncated file, or another network's tensors.
    """
    file = _weight_file(folder)
    if file is None:
        raise WeightsError(f"{folder}: no weights here; looked for {WEIGHTS} and {WEIGHTS}.index.json")
    tensors = read_shards(file) if file.suffix == ".json" else read_file(file)
    for name in FIXED_TABLES:
        tensors.pop(name, None)
    expected = {published(name): tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    _check(tensors, expected, file, source)
    return {ours(name): tensor for name, tensor in tensors.items()}


def load_autoencoder(folder: Path, autoencoder: FluxAutoencoder) -> None:
    """Give the autoencoder the tensors of ``ae.safetensors``, in fp32.

    Raises:
        WeightsError: a missing or broken file, or another autoencoder's.
    """
    file = folder / AUTOENCODER
    _is_there(file)
    tensors = read_file(file)
    expected = {name: tuple(tensor.shape) for name, tensor in autoencoder.state_dict().items()}
    _check(tensors, expected, file, "the autoencoder's sizes")
    autoencoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})


def read_configs(folder: Path) -> tuple[Qwen2Config, SiglipVisionConfig]:
    """Sizes of the language model and of the ViT.

    Raises:
        WeightsError: a missing file, one that is not JSON, a size missing or impossible.
    """
    file = folder / LANGUAGE_CONFIG
    read = _read_json(file)
    rope = read.get("rope_parameters")
    theta = read.get("rope_theta", rope.get("rope_theta") if isinstance(rope, dict) else None)
    sizes = _numbers(file, {**read, "rope_theta": theta}, (*_LANGUAGE_KEYS, "rope_theta"))
    language = _made(file, qwen2_config, sizes)
    file = folder / VISION_CONFIG
    sizes = _numbers(file, _read_json(file), _VISION_KEYS)
    sizes["num_hidden_layers"] -= UNUSED_LAYERS
    return language, _made(file, siglip_config, sizes)


def write_published(
    folder: Path,
    network: BagelNetwork,
    autoencoder: FluxAutoencoder,
    tokenizer: PreTrainedTokenizerBase | None = None,
    shard_bytes: int | None = None,
) -> None:
    """Write the published folder, sharded where ``shard_bytes`` is given; each file whole or not at all.

    Raises:
        WeightsError: ``folder`` holds the other form of weights already.
    """
    target = WEIGHTS if shard_bytes is None else f"{WEIGHTS}.index.json"
    present = _weight_file(folder)
    if present is not None and present.name != target:
        raise WeightsError(f"{folder}: already holds {present.name}; choose an empty folder for {target}")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {published(name): tensor.detach() for name, tensor in network.state_dict().items()}
    tensors |= {name: getattr(network, buffer) for name, buffer in FIXED_TABLES.items()}
    if shard_bytes is None:
        write_tensors(folder / WEIGHTS, tensors)
    else:
        write_shards(folder, tensors, WEIGHTS, shard_bytes)
    write_tensors(folder / AUTOENCODER, autoencoder.state_dict())
    for file, content in _configs(network).items():
        write_json(folder / file, content)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def _configs(network: BagelNetwork) -> dict[str, dict[str, Any]]:
    config, vision = network.language_config, network.vision_config
    language = {key: getattr(config, key) for key in _LANGUAGE_KEYS}
    assert config.rope_parameters is not None
    language |= {
        "rope_theta": config.rope_parameters["rope_theta"],
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_act": "silu",
        **_FORCED,
    }
    seen = {key: getattr(vision, key) for key in _VISION_KEYS}
    seen["num_hidden_layers"] += UNUSED_LAYERS
    seen |= {"model_type": "siglip_vision_model", "hidden_act": vision.hidden_act}
    return {LANGUAGE_CONFIG: language, VISION_CONFIG: seen}


def _weight_file(folder: Path) -> Path | None:
    candidates = (folder / f"{WEIGHTS}{end}" for end in ("", ".index.json"))
    return next((path for path in candidates if path.is_file()), None)


def _check(
    found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], file: Path, source: str
) -> None:
    try:
        check_shapes(found, expected, "language_model.", file)
    except WeightsError as error:
        raise WeightsError(f"{error}; expected by {source}") from error


def _is_there(file: Path) -> None:
    if not file.is_file():
        raise WeightsError(f"{file}: no such file; expected a folder holding {WANTED}")


def _read_json(file: Path) -> dict[str, Any]:
    _is_there(file)
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file}: not JSON that can be read") from error
    if not isinstance(read, dict):
        raise WeightsError(f"{file}: expected an object with sizes")
    return read


def _numbers(file: Path, read: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for key in keys:
        value, fraction = read.get(key), key in _FRACTIONS
        kind = int | float if fraction else int
        if isinstance(value, bool) or not isinstance(value, kind) or value <= 0:
            expected = "a positive number" if fraction else "a positive whole number"
            raise WeightsError(f"{file}: {key} is {value!r}; expected {expected}")
        found[key] = float(value) if fraction else value
    return found


def _made(file: Path, make: Any, sizes: dict[str, Any]) -> Any:
    try:
        return make(**sizes)
    except UserError as error:
        raise WeightsError(f"{file}: {error}") from error
