"""Show-o's trained weights in a folder of a run: written in the published layout, and read back."""

from __future__ import annotations

from pathlib import Path

from unictk.backbones.checkpoints import shard_bytes
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.weights import load_language, write_published

FOLDER = "showo"
"""Below the folder that a run keeps weights in."""


def write_network(network: ShowoNetwork, folder: Path) -> Path:
    """Write the language model in its own precision; the folder that holds it."""
    phi = network.phi
    state = phi.state_dict()
    write_published(folder / FOLDER, state, phi.config.to_dict(), shard_bytes=shard_bytes(state))
    return folder / FOLDER


def read_network(network: ShowoNetwork, folder: Path) -> None:
    """Take the language model that :func:`write_network` wrote.

    Raises:
        WeightsError: nothing is there, or it is of another network.
    """
    state = network.phi.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    network.phi.load_state_dict(load_language(folder / FOLDER, shapes))
