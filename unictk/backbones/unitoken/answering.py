"""Requests for text and for pictures: prompts as input vectors, answers, scores of closed answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unictk.backbones.answering import room, scored, written
from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.codes import picture_key
from unictk.backbones.grouping import alike, shared
from unictk.backbones.settings import refuse_masked_drawing
from unictk.backbones.unitoken.batch import UniTokenBatch
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.sampling import Drawing
from unictk.backbones.unitoken.tape import Tape
from unictk.errors import UserError
from unictk.samples import Request


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
        limit, vocabulary = self.layout.positions, self.layout.vocabulary
        limits = [room(tape.length, limit, request) for tape, request in zip(tapes, requests, strict=True)]
        head = partial(self.network.logits, rows=self.rows, blank=vocabulary.codes)
        end = vocabulary.end_of_turn
        found = written(self.network, head, self.rows, self.vectors(tapes), end, limits, requests)
        return [self.layout.codec.decode(ids) for ids in found]

    def score(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option, end of turn) against prompts read once: (requests, options)."""
        end = self.layout.vocabulary.end_of_turn
        endings = [[*self.layout.codec.encode(option), end] for option in options]
        prompts = self.vectors([self.layout.prompt(request, draws=False) for request in requests])
        head = partial(self.network.logits, rows=self.rows)
        return scored(self.network, head, self.rows, prompts, endings)

    def drawings(
        self, requests: Sequence[Request], most: int, top: int
    ) -> Iterator[tuple[list[int], Drawing]]:
        """Batches of pictures with equal settings, and which requests they are of; prompts are shared."""
        for request in requests:
            refuse_masked_drawing(request.sampling, "codes one after another")
        side = self.layout.side
        for places in alike(requests, most):
            tapes = [self._drawing_prompt(requests[place]) for place in places]
            firsts, follows = shared([self._key(tape) for tape in tapes])
            sampling = requests[places[0]].sampling
            yield (
                places,
                Drawing(
                    self.vectors([tapes[first] for first in firsts]),
                    torch.tensor(follows),
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
