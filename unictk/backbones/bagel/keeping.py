"""BAGEL's trained weights in a folder of a run: the published folder, written and read back."""

from __future__ import annotations

from pathlib import Path

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.weights import fitted, write_published
from unictk.backbones.checkpoints import shard_bytes

FOLDER = "bagel"
"""Below the folder that a run keeps weights in."""


def write_weights(network: BagelNetwork, autoencoder: FluxAutoencoder, folder: Path) -> Path:
    """Write network and autoencoder in their own precision; the folder that holds them."""
    most = shard_bytes(network.state_dict())
    write_published(folder / FOLDER, network, autoencoder, shard_bytes=most)
    return folder / FOLDER


def read_weights(network: BagelNetwork, folder: Path) -> None:
    """Take the network that :func:`write_weights` wrote, in this one's precision and where it lies.

    Raises:
        WeightsError: nothing is there, or it is of another network.
    """
    network.load_state_dict(fitted(network, folder / FOLDER, "this backbone's sizes"))
