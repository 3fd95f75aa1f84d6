"""Requests for text and for pictures: prompts as input vectors, answers, scores of closed answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.codes import picture_key
from unictk.backbones.picking import continued
from unictk.backbones.settings import refuse_masked_drawing
from unictk.backbones.unitoken.batch import UniTokenBatch, pad_right
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.losses import token_losses
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.reading import Reading, read
from unictk.backbones.unitoken.sampling import Drawing
from unictk.backbones.unitoken.tape import Tape
from unictk.errors import UserError
from unictk.samples import Request, Sampling


@dataclass(slots=True)
class Reader:
    """What turning requests into answers needs of the backbone; ``embed`` gives a batch's input vectors."""

    layout: UniTokenLayout
    network: UniTokenNetwork
    rows: ConceptRows | None
    embed: Callable[[UniTokenBatch], Tensor]

    def vectors(self, tapes: Sequence[Tape]) -> list[Tensor]:
        """Input vectors (length, hidden) of each prompt."""
        batch = self.layout.batch(tapes).to(self.network.input_table.device)
        return [row[: tape.length] for row, tape in zip(self.embed(batch), tapes, strict=True)]

    def answer(self, requests: Sequence[Request]) -> list[str]:
        """Answers; each ends with the turn, or after ``max_new_tokens``."""
        tapes = [self.layout.prompt(request, draws=False) for request in requests]
        limits = [self.room(tape, request) for tape, request in zip(tapes, requests, strict=True)]
        reading = read(self.network, self.vectors(tapes), torch.arange(len(tapes)), max(limits))
        answers = continued(
            _Answering(reading, self.rows, self.layout.vocabulary.codes),
            self.layout.vocabulary.end_of_turn,
            limits,
            [request.sampling.text_temperature for request in requests],
            [request.seed for request in requests],
        )
        return [self.layout.codec.decode(ids) for ids in answers]

    def room(self, tape: Tape, request: Request) -> int:
        """How many tokens may follow a prompt.

        Raises:
            UserError: the prompt fills the positions.
        """
        limit = self.layout.positions
        if tape.length >= limit:
            raise UserError(
                f"prompt: it needs {tape.length} positions and the limit is {limit}, answer included"
            )
        return min(request.sampling.max_new_tokens, limit - tape.length)

    def score(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option, end of turn) against prompts read once: (requests, options)."""
        vocabulary, device = self.layout.vocabulary, self.network.input_table.device
        endings = [[*self.layout.codec.encode(option), vocabulary.end_of_turn] for option in options]
        longest = max(len(ending) for ending in endings)
        goals = pad_right(endings, vocabulary.pad).to(device).repeat(len(requests), 1)
        lengths = torch.tensor([len(ending) for ending in endings], device=device).repeat(len(requests))
        real = torch.arange(longest, device=device) < lengths[:, None]
        which = torch.arange(len(requests), device=device).repeat_interleave(len(options))
        tapes = [self.layout.prompt(request, draws=False) for request in requests]
        reading = read(self.network, self.vectors(tapes), which, longest)
        states = reading.state[:, None]
        if longest > 1:
            after = reading.feed(self.network.embed(goals[:, :-1], self.rows))
            states = torch.cat([states, after], dim=1)
        losses = token_losses(self.network, states[real], goals[real], self.rows)
        scores = torch.zeros(goals.shape, device=device)
        scores[real] = -losses.cross_entropy
        return scores.sum(1).reshape(len(requests), len(options))

    def drawings(
        self, requests: Sequence[Request], most: int, top: int
    ) -> Iterator[tuple[list[int], Drawing]]:
        """Batches of pictures with equal settings, and which requests they are of; prompts are shared."""
        groups: dict[Sampling, list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            refuse_masked_drawing(request.sampling, "codes one after another")
            groups[request.sampling].append(place)
        side = self.layout.side
        for sampling, members in groups.items():
            for first in range(0, len(members), most):
                places = members[first : first + most]
                tapes = [self._drawing_prompt(requests[place]) for place in places]
                keys = [self._key(tape) for tape in tapes]
                distinct = list(dict.fromkeys(keys))
                prompts = self.vectors([tapes[keys.index(key)] for key in distinct])
                yield (
                    places,
                    Drawing(
                        prompts,
                        torch.tensor([distinct.index(key) for key in keys]),
                        [requests[place].seed for place in places],
                        side,
                        side,
                        1 + sampling.guidance,
                        sampling.temperature,
                        top,
                    ),
                )

    def _drawing_prompt(self, request: Request) -> Tape:
        tape = self.layout.prompt(request, draws=True)
        needed = tape.length + len(self.layout.vocabulary.block(self.layout.side, self.layout.side))
        if needed > self.layout.positions:
            raise UserError(
                f"prompt: the drawing needs {needed} positions and the limit is {self.layout.positions}"
            )
        return tape

    def _key(self, tape: Tape) -> tuple[object, ...]:
        shown = (picture_key(slot.picture, self.layout.image_size) for slot in tape.codes)
        return (*tape.ids, *shown)


@dataclass(slots=True)
class _Answering:
    """Rows that write text: ids of image codes cannot come."""

    reading: Reading
    rows: ConceptRows | None
    codes: slice

    def logits(self) -> Tensor:
        return self.reading.network.logits(self.reading.state, self.rows, blank=self.codes).float()

    def keep(self, rows: Tensor) -> None:
        self.reading.keep(rows)

    def feed(self, ids: Tensor) -> None:
        self.reading.feed(self.reading.network.embed(ids[:, None], self.rows))
