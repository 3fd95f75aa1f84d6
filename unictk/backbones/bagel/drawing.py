"""Images from noise: Euler steps along the velocity, guided and unguided, several prompts at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unictk.backbones.bagel.context import Context, join
from unictk.backbones.bagel.experts import Fronted
from unictk.backbones.bagel.guidance import Guidance, Schedule, guided_velocity
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.patches import Grid, places
from unictk.backbones.bagel.sizes import SpecialIds
from unictk.backbones.keyvalues import Growing

FRAMING = 2
"""Tokens that frame an image: its start and its end."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the rows have read: everything, everything but the last text, everything but the images.

    ``textless`` and ``imageless`` are read only where guidance asks for them. Without images in the prompt
    ``imageless`` would equal ``full``: leave the image scale at 1.
    """

    full: Context
    textless: Context | None = None
    imageless: Context | None = None


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where images come into being: per row, noise (tokens, latent width), and rows and columns of tokens."""

    noise: Sequence[Tensor]
    grids: Sequence[Grid]


@torch.no_grad()
def denoise(
    network: BagelNetwork,
    special: SpecialIds,
    conditions: Conditions,
    canvas: Canvas,
    schedule: Schedule,
    guidance: Guidance,
) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """After every step, per row: the tokens (n, latent width), and the image it is heading for.

    Keys and values of the conditions are copied once, into memory that has room for the image's behind them.
    All branches of guidance run as one batch.

    Raises:
        ValueError: guidance without the context it needs, or noise that does not fit its grid.
    """
    _check(network, conditions, canvas, guidance)
    device = network.device
    lengths = [len(noise) for noise in canvas.noise]
    tokens = pad_sequence([noise.to(device, torch.float32) for noise in canvas.noise], batch_first=True)
    block = _Block(network, special, canvas.grids, lengths)
    text, image = guidance.active()
    branches = [
        conditions.full,
        conditions.textless if text else None,
        conditions.imageless if image else None,
    ]
    chosen = [branch for branch in branches if branch is not None]
    branching = block.behind(join(chosen))
    single = branching.first(len(tokens))
    times, guided = schedule.times().tolist(), schedule.guided().tolist()
    for step, time in enumerate(times[:-1]):
        if guided[step] and len(chosen) > 1:
            found = list(block.velocity(tokens, time, branching))
            velocity = guided_velocity(
                found[0],
                found[1] if text else None,
                found[-1] if image else None,
                block.present,
                guidance,
            )
        else:
            velocity = block.velocity(tokens, time, single)[0]
        estimate = tokens - time * velocity
        tokens = tokens - (time - times[step + 1]) * velocity
        yield [(tokens[row, :n], estimate[row, :n]) for row, n in enumerate(lengths)]


def draw(
    network: BagelNetwork,
    special: SpecialIds,
    conditions: Conditions,
    canvas: Canvas,
    schedule: Schedule,
    guidance: Guidance,
) -> list[Tensor]:
    """The finished latent tokens (n, latent width) of each row; as :func:`denoise`."""
    steps = deque(denoise(network, special, conditions, canvas, schedule, guidance), maxlen=1)
    return [tokens for tokens, _ in steps[0]]


@dataclass(frozen=True, slots=True)
class _Behind:
    """What the image block of each row, of each branch in turn, attends to.

    Attributes:
        cache: what was read, turned so that the block stands at position 0, and room for the block.
        seen: (rows, 1, keys) bool, or None where no row is padded.
    """

    cache: Growing
    seen: Tensor | None

    def first(self, rows: int) -> _Behind:
        """The first rows, without copying."""
        return _Behind(self.cache.first(rows), None if self.seen is None else self.seen[:rows])


class _Block:
    """The image block of every row: both framing tokens and the latents, all at one position.

    The framing tokens stand together in front: where all see all, the order means nothing.
    """

    def __init__(
        self, network: BagelNetwork, special: SpecialIds, grids: Sequence[Grid], lengths: Sequence[int]
    ) -> None:
        self.network, device = network, network.device
        ends = network.embed(torch.tensor([special.start_of_image, special.end_of_image], device=device))
        self.ends = ends.expand(len(lengths), -1, -1)
        side = network.sizes.latent_side
        self.places = pad_sequence([places(grid, side) for grid in grids], batch_first=True).to(device)
        limits = torch.tensor(lengths, device=device)[:, None]
        self.present = torch.arange(max(lengths), device=device) < limits

    def behind(self, context: Context) -> _Behind:
        """The block behind ``context``, which has the rows of each branch in turn."""
        branches = len(context) // len(self.present)
        framed = torch.cat([self.present.new_ones(len(self.present), 2), self.present], dim=1)
        seen = torch.cat([context.seen, framed.repeat(branches, 1)], dim=1)
        cache = Growing(context.turned_back(self.network.rotary).layers, framed.shape[1])
        # Padding sees its row's image, so no query is without a key; what it makes of it is not read.
        return _Behind(cache, None if seen.all() else seen[:, None])

    def velocity(self, tokens: Tensor, time: float, behind: _Behind) -> Tensor:
        """(branches, rows, n, latent width) fp32."""
        now = torch.full((1, 1), time, device=tokens.device)
        latents = self.network.latent_vectors(tokens, now, self.places)
        vectors = torch.cat([self.ends, latents], dim=1)
        branches = behind.cache.layers[0][0].shape[0] // len(vectors)
        states = self.network.trunk(
            vectors.repeat(branches, 1, 1), Fronted(FRAMING), None, behind.seen, behind.cache
        )
        return self.network.velocity(states[:, FRAMING:]).float().unflatten(0, (branches, -1))


def _check(network: BagelNetwork, conditions: Conditions, canvas: Canvas, guidance: Guidance) -> None:
    text, image = guidance.active()
    if text and conditions.textless is None:
        raise ValueError("text guidance needs the context without the text")
    if image and conditions.imageless is None:
        raise ValueError("image guidance needs the context without the images")
    for noise, (rows, columns) in zip(canvas.noise, canvas.grids, strict=True):
        if noise.shape != (rows * columns, network.sizes.latent_width):
            raise ValueError(f"noise {tuple(noise.shape)} does not fit {rows} x {columns} latent tokens")
        if max(rows, columns) > network.sizes.latent_side:
            side = network.sizes.latent_side
            raise ValueError(f"{rows} x {columns} latent tokens; the position table has {side} x {side}")
