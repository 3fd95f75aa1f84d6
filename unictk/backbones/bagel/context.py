"""What rows have read, as keys and values: every later token of a row attends to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding, rotate_half

from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.packing import Packer, Part
from unictk.backbones.bagel.splits import sample_positions
from unictk.backbones.bagel.training import input_vectors
from unictk.backbones.base import Rows
from unictk.backbones.keyvalues import KeyValues, Layers, Prefix, Recorder, gather


@dataclass(slots=True)
class Context:
    """A batch of rows that may have read texts and images of different lengths.

    Attributes:
        layers: per layer, keys and values (rows, key heads, L, d).
        seen: (rows, L) bool, false for padding.
        positions: (rows,) int64, the rotary position of what comes next.
    """

    layers: Layers
    seen: Tensor
    positions: Tensor

    @classmethod
    def empty(cls, network: BagelNetwork, rows: int) -> Context:
        """Rows that have read nothing."""
        heads, size = network.key_shape
        nothing = network.embed_tokens.weight.new_zeros(rows, heads, 0, size)
        device = network.device
        return cls(
            [(nothing, nothing)] * len(network.layers),
            torch.zeros(rows, 0, dtype=torch.bool, device=device),
            torch.zeros(rows, dtype=torch.long, device=device),
        )

    def __len__(self) -> int:
        return len(self.seen)

    @property
    def length(self) -> int:
        """Keys per row, padding included."""
        return self.seen.shape[1]

    def rows(self, places: Tensor) -> Context:
        """The rows at ``places``; one place may stand several times."""
        return Context(gather(self.layers, places), self.seen[places], self.positions[places])

    def turned_back(self, rotary: Qwen2RotaryEmbedding) -> Context:
        """The same with what comes next at position 0: every key turned by as much.

        Attention feels differences of positions only. Where all that follows stands at one position, as the
        tokens of an image do, its own queries and keys then need no turning at all.
        """
        cosines, sines = rotary(self.seen.new_zeros((), dtype=torch.float32), -self.positions[:, None])

        def turned(keys: Tensor) -> Tensor:
            exact = keys.float()
            return (exact * cosines[:, None] + rotate_half(exact) * sines[:, None]).to(keys.dtype)

        layers = [(turned(keys), values) for keys, values in self.layers]
        return Context(layers, self.seen, torch.zeros_like(self.positions))

    def behind(self, own: Tensor) -> Tensor:
        """What queries of new tokens see: all read so far, then ``own`` (rows, new, new) among themselves."""
        return torch.cat([self.seen[:, None].expand(-1, own.shape[1], -1), own], dim=2)


def join(contexts: Sequence[Context]) -> Context:
    """All rows of the contexts, one context behind the other, padded to one length."""
    longest = max(context.length for context in contexts)
    missing = [longest - context.length for context in contexts]

    def stacked(layer: int, which: int) -> Tensor:
        parts = zip(contexts, missing, strict=True)
        return torch.cat([pad(context.layers[layer][which], (0, 0, 0, more)) for context, more in parts])

    layers = [(stacked(i, 0), stacked(i, 1)) for i in range(len(contexts[0].layers))]
    seen = [pad(context.seen, (0, more)) for context, more in zip(contexts, missing, strict=True)]
    return Context(layers, torch.cat(seen), torch.cat([context.positions for context in contexts]))


def read(
    network: BagelNetwork,
    packer: Packer,
    samples: Sequence[Sequence[Part]],
    context: Context | None = None,
    rows: Rows | None = None,
) -> Context:
    """Read one list of parts per row, in one forward pass, behind what the rows have read already.

    Args:
        network: the model.
        packer: lays the parts out.
        samples: per row, its parts; no noise among them. A row may read nothing.
        context: what the rows have read before.
        rows: of concept tokens.

    Raises:
        ValueError: a part that does not fit the tables, or a latent with noise.
    """
    before = context or Context.empty(network, len(samples))
    splits = [[packer.split(part) for part in sample] for sample in samples]
    if any(split.kind == "noise" for sample in splits for split in sample):
        raise ValueError("a latent with noise cannot be read")
    device = network.device
    ahead = torch.tensor([sample_positions(sample)[1] for sample in splits], device=device)
    lengths = torch.tensor([sum(split.present for split in sample) for sample in splits], device=device)
    if not lengths.sum():
        return Context(before.layers, before.seen, before.positions + ahead)
    pack = packer.pack(samples).to(device)
    place = torch.arange(int(lengths.max()), device=device).expand(len(samples), -1)
    present = place < lengths[:, None]
    at = torch.where(present, place + (lengths.cumsum(0) - lengths)[:, None], 0)
    own = pack.marks.sees(at[:, :, None], at[:, None, :]) & present[:, None, :]
    own = own | torch.eye(own.shape[1], dtype=torch.bool, device=device)  # padding sees itself: no empty row
    recorder = _Behind(before)
    network.trunk(
        input_vectors(network, pack, rows)[0][at],
        pack.drawn[0][at] & present,
        pack.positions[0][at] + before.positions[:, None],
        before.behind(own),
        recorder,
    )
    seen = torch.cat([before.seen, present], dim=1)
    return Context(recorder.layers, seen, before.positions + ahead)


class _Behind(Recorder):
    """Records what was read before and what is new together."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.prefix: KeyValues = Prefix(context.layers)

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Put what was read before in front, then remember."""
        return super().update(*self.prefix.update(keys, values, layer), layer)
