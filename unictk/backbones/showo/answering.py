"""Requests for text: from segments to prompts behind image prefixes, and scores of closed answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.keyvalues import Layers, Prefix
from unictk.backbones.showo.decoding import Prompts, greedy_or_sampled, pad_left, read
from unictk.backbones.showo.layout import ShowoLayout
from unictk.backbones.showo.network import ShowoNetwork
from unictk.backbones.showo.tape import answer_texts, answering_tape, is_answering
from unictk.errors import UserError
from unictk.samples import Image, Request

ReadCodes = Callable[[Sequence[Image]], tuple[Tensor, tuple[str, ...]]]
ReadPrefixes = Callable[[Tensor, Sequence[str]], Layers]


@dataclass(slots=True)
class Reader:
    """What turning requests into answers needs of the backbone."""

    layout: ShowoLayout
    network: ShowoNetwork
    rows: ConceptRows | None
    codes: ReadCodes
    prefixes: ReadPrefixes
    separator: bool

    def prompts(self, requests: Sequence[Request], separator: bool) -> Prompts:
        """Prompts of requests that are all in the published layout, or all not."""
        vocabulary, device = self.layout.vocabulary, self.network.input_table.device
        if is_answering(requests[0].segments):
            texts = [answer_texts(r.segments, self.layout.codec, self.layout.cells).ids for r in requests]
            if separator:
                texts = [[vocabulary.end_of_text, *text] for text in texts]
            images = [r.segments[0] for r in requests]
            codes, keys = self.codes([image for image in images if isinstance(image, Image)])
            distinct = list(dict.fromkeys(keys))
            first = torch.tensor([keys.index(key) for key in distinct], device=device)
            layers = self.prefixes(codes[first], distinct)
            follows = torch.tensor([distinct.index(key) for key in keys], device=device)
            ids, positions = pad_left(texts, self.layout.cells + 3, vocabulary.pad, device)
            return Prompts(ids, positions, Prefix(layers, follows))
        rows = [self.whole(request) for request in requests]
        ids, positions = pad_left(rows, 0, vocabulary.pad, device)
        return Prompts(ids, positions, None)

    def whole(self, request: Request) -> list[int]:
        """All ids of a prompt in an extended layout, its images' codes filled in."""
        tape = answering_tape(request.segments, self.layout.codec, self.layout.cells)
        return self.filled(tape.ids, [(slot.start, slot.picture) for slot in tape.slots])

    def filled(self, ids: list[int], slots: Sequence[tuple[int, Image]]) -> list[int]:
        """Ids with codes in the image cells."""
        if slots:
            codes, _ = self.codes([picture for _, picture in slots])
            for (start, _), line in zip(slots, codes + self.layout.vocabulary.first_code, strict=True):
                ids[start : start + self.layout.cells] = line.tolist()
        return ids

    def answer(self, requests: Sequence[Request]) -> list[str]:
        """Answers to requests of one layout, as text."""
        prompts = self.prompts(requests, self.separator)
        limit = self.layout.positions
        lengths = [last + 1 for last in prompts.positions[:, -1].tolist()]
        if max(lengths) >= limit:
            raise UserError(
                f"prompt: it needs {max(lengths)} positions and the limit is {limit}, answer included"
            )
        tokens = greedy_or_sampled(
            self.network,
            self.rows,
            self.layout.vocabulary,
            prompts,
            [min(r.sampling.max_new_tokens, limit - n) for r, n in zip(requests, lengths, strict=True)],
            [r.sampling.text_temperature for r in requests],
            [r.seed for r in requests],
        )
        return [self.layout.codec.decode(line) for line in tokens]

    def score(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option, end of answer) against one cached prompt: (requests, options)."""
        vocabulary, encode = self.layout.vocabulary, self.layout.codec.encode
        state, layers, seen = read(
            self.network, self.rows, vocabulary, prompts := self.prompts(requests, False)
        )
        endings = [[*encode(f" {option}"), vocabulary.end_of_text] for option in options]
        longest = max(len(ending) for ending in endings)
        padded = [ending + [vocabulary.pad] * (longest - len(ending)) for ending in endings]
        goals = torch.tensor(padded, device=state.device).repeat(len(requests), 1)
        which = torch.arange(len(requests), device=state.device).repeat_interleave(len(options))
        inputs = goals[:, :-1]
        steps = torch.arange(longest - 1, device=state.device)
        own = (steps[:, None] >= steps[None])[None].expand(len(goals), -1, -1)
        allowed = torch.cat([seen[which][:, None].expand(-1, longest - 1, -1), own], dim=2)
        positions = prompts.positions[which, -1:] + 1 + steps
        hidden = state[which][:, None]
        if longest > 1:
            after = self.network.trunk(
                self.network.embed(inputs, self.rows), positions, allowed, Prefix(layers, which)
            )
            hidden = torch.cat([hidden, after], dim=1)
        scores = self.network.logits(hidden, self.rows).float().log_softmax(-1)
        chosen = scores.gather(-1, goals[..., None])[..., 0]
        return chosen.masked_fill(goals == vocabulary.pad, 0).sum(1).reshape(len(requests), len(options))


def text_batches(requests: Sequence[Request], size: int) -> list[list[int]]:
    """Places of requests that run together: one layout each, at most ``size``."""
    kinds: dict[bool, list[int]] = {True: [], False: []}
    for place, request in enumerate(requests):
        kinds[is_answering(request.segments)].append(place)
    return [places[i : i + size] for places in kinds.values() for i in range(0, len(places), size)]
