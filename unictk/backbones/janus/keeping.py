"""Janus's trained weights in a folder of a run: written as the hub has them, and read back."""

from __future__ import annotations

from pathlib import Path

from unictk.backbones.checkpoints import shard_bytes
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.janus.processor import write_processor
from unictk.backbones.janus.weights import load, write

FOLDER = "janus"
"""Below the folder that a run keeps weights in."""


def write_weights(network: JanusNetwork, layout: JanusLayout, folder: Path) -> Path:
    """Write everything, weights last and in their own precision; the folder that holds them."""
    write_processor(folder / FOLDER, layout)
    write(folder / FOLDER, network, shard_bytes(network.stock.state_dict()))
    return folder / FOLDER


def read_weights(network: JanusNetwork, folder: Path) -> None:
    """Take what :func:`write_weights` wrote, in the network's precision and where it lies.

    Raises:
        WeightsError: nothing is there, or it is of another network.
    """
    network.stock.load_state_dict(load(folder / FOLDER, network)[0])
