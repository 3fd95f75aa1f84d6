"""Image prefixes of understanding: ``<|mmu|><|soi|> codes <|eoi|>``, read once per picture.

The prefix cannot see the text behind it, so while the trunk is frozen its keys and values depend on the
codes alone: no gradient, and worth keeping from step to step when memory allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from unictk.backbones.keyvalues import Layers, Recorder, gather, join, size_in_bytes
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.vocabulary import Vocabulary, attention_allowed

Name = tuple[str, torch.dtype, torch.device]
"""A picture's key, and the precision and device its prefix was computed in."""


def prefix_ids(codes: Tensor, vocabulary: Vocabulary) -> Tensor:
    """(J, cells) codes -> (J, cells + 3) ids."""
    front = codes.new_tensor([vocabulary.answer, vocabulary.start_of_image]).expand(len(codes), 2)
    end = codes.new_full((len(codes), 1), vocabulary.end_of_image)
    return torch.cat([front, codes + vocabulary.first_code, end], dim=1)


class ImagePrefixes:
    """Keys and values of image prefixes, the most recently used kept within ``budget`` bytes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._kept: OrderedDict[Name, Layers] = OrderedDict()
        self._held = 0
        self._weights: tuple[tuple[int, int], ...] = ()

    @torch.no_grad()
    def layers(
        self, network: ShowoNetwork, vocabulary: Vocabulary, codes: Tensor, keys: Sequence[str]
    ) -> Layers:
        """Keys and values of the pictures' prefixes, in order.

        Args:
            codes: (J, cells) image codes.
            keys: their names; equal names mean equal codes.
        """
        if not self.budget:
            return self._compute(network, vocabulary, codes)
        self._forget_if_changed(network)
        names = [(key, _precision(codes.device), codes.device) for key in keys]
        missing = [number for number, name in enumerate(names) if name not in self._kept]
        fresh: dict[Name, Layers] = {}
        if missing:
            computed = self._compute(network, vocabulary, codes[torch.tensor(missing, device=codes.device)])
            for place, number in enumerate(missing):
                one = gather(computed, torch.tensor([place], device=codes.device))
                fresh[names[number]] = one
        parts = [fresh[name] if name in fresh else self._kept[name] for name in names]
        for name, part in zip(names, parts, strict=True):
            self._keep(name, part)
        return join(parts)

    def _compute(self, network: ShowoNetwork, vocabulary: Vocabulary, codes: Tensor) -> Layers:
        ids = prefix_ids(codes, vocabulary)
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        recorder = Recorder()
        network.trunk(network.embed(ids, None), positions, attention_allowed(ids, vocabulary), recorder)
        return recorder.layers

    def _keep(self, name: Name, part: Layers) -> None:
        if name in self._kept:
            self._kept.move_to_end(name)
            return
        self._kept[name] = part
        self._held += size_in_bytes(part)
        while self._held > self.budget and self._kept:
            _, dropped = self._kept.popitem(last=False)
            self._held -= size_in_bytes(dropped)

    def _forget_if_changed(self, network: ShowoNetwork) -> None:
        """Weights that changed in place (or were replaced) make every kept prefix wrong."""
        read = (*network.trunk_parameters(), network.input_table)
        weights = tuple((id(tensor), tensor._version) for tensor in read)
        if weights != self._weights:
            self._kept.clear()
            self._held, self._weights = 0, weights


def _precision(device: torch.device) -> torch.dtype:
    """What matrix products give here and now."""
    enabled = torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if enabled else torch.float32
