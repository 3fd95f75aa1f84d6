"""UniToken's trained weights in a folder of a run: written in the published layout, and read back."""

from __future__ import annotations

from pathlib import Path

from unictk.backbones.checkpoints import shard_bytes
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.backbones.unitoken.weights import (
    TOKENIZER_FILES,
    fitted,
    load_network,
    write_network,
    write_tokenizer,
)

FOLDER = "unitoken"
"""Below the folder that a run keeps weights in."""


def write_weights(network: UniTokenNetwork, layout: UniTokenLayout, folder: Path) -> Path:
    """Write language model, adapter and tower in their own precision; the folder that holds them."""
    names, dtype = layout.codec.tokenizer.get_vocab(), network.input_table.dtype
    most = shard_bytes(network.state_dict())
    write_network(folder / FOLDER, network, layout.any_resolution, names, dtype, most)
    return folder / FOLDER


def write_image_tokenizer(tokenizer: VQTokenizer, folder: Path) -> Path:
    """Write the image tokenizer as safetensors, unless it is there; the folder that holds it."""
    file = folder / TOKENIZER_FILES[1]
    if not file.is_file():
        write_tokenizer(file, tokenizer)
    return folder


def read_weights(network: UniTokenNetwork, folder: Path) -> None:
    """Take what :func:`write_weights` wrote, in the network's precision and where it lies.

    Raises:
        WeightsError: nothing is there, or it is of another network.
    """
    network.load_state_dict(fitted(network, *load_network(folder / FOLDER)))
