"""Requests for text and for pictures: prompts as input vectors, answers, scores of closed answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unictk.backbones.answering import room, scored, written
from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.codes import picture_key
from unictk.backbones.grouping import alike, shared
from unictk.backbones.janus.batch import JanusBatch
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.janus.sampling import Drawing
from unictk.backbones.janus.tape import Tape
from unictk.backbones.settings import refuse_masked_drawing
from unictk.errors import UserError
from unictk.samples import Request


@dataclass(slots=True)
class Reader:
    """What turning requests into answers needs of the backbone; ``embed`` gives a batch's input vectors."""

    layout: JanusLayout
    network: JanusNetwork
    rows: ConceptRows | None
    embed: Callable[[JanusBatch], Tensor]

    def answer(self, requests: Sequence[Request]) -> list[str]:
        """Answers; each ends with the turn, or after ``max_new_tokens``."""
        tapes, limit = self._prompts(requests), self.layout.positions
        limits = [room(tape.length, limit, request) for tape, request in zip(tapes, requests, strict=True)]
        head = partial(self.network.logits, rows=self.rows)
        end = self.layout.vocabulary.end
        found = written(self.network, head, self.rows, self._vectors(tapes), end, limits, requests)
        return [self.layout.codec.decode(ids) for ids in found]

    def score(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option, end of turn) against prompts read once each: (requests, options)."""
        tapes = self._prompts(requests)
        firsts, follows = shared([self._key(tape) for tape in tapes])
        prompts = self._vectors([tapes[first] for first in firsts])
        endings = [self.layout.template.ending(option) for option in options]
        head = partial(self.network.logits, rows=self.rows)
        return scored(self.network, head, self.rows, prompts, endings)[follows]

    def drawings(self, requests: Sequence[Request], most: int) -> Iterator[tuple[list[int], Drawing]]:
        """Batches of pictures with equal settings, and which requests they are of; prompts are shared."""
        for request in requests:
            refuse_masked_drawing(request.sampling, "codes one after another")
        for places in alike(requests, most):
            tapes = [self._drawing_prompt(requests[place]) for place in places]
            firsts, follows = shared([self._key(tape) for tape in tapes])
            sampling = requests[places[0]].sampling
            yield (
                places,
                Drawing(
                    self._vectors([tapes[first] for first in firsts]),
                    torch.tensor(follows),
                    [requests[place].seed for place in places],
                    self.layout.cells,
                    1 + sampling.guidance,
                    sampling.temperature,
                ),
            )

    def _prompts(self, requests: Sequence[Request]) -> list[Tape]:
        return [self.layout.prompt(request, draws=False) for request in requests]

    def _drawing_prompt(self, request: Request) -> Tape:
        tape = self.layout.prompt(request, draws=True)
        needed = tape.length + self.layout.cells
        if needed > self.layout.positions:
            raise UserError(
                f"prompt: the drawing needs {needed} positions and the limit is {self.layout.positions}"
            )
        return tape

    def _vectors(self, tapes: Sequence[Tape]) -> list[Tensor]:
        """Input vectors (length, hidden) of each prompt."""
        batch = self.layout.batch(tapes).to(self.network.input_table.device)
        return [row[: tape.length] for row, tape in zip(self.embed(batch), tapes, strict=True)]

    def _key(self, tape: Tape) -> Hashable:
        shown = (picture_key(slot.picture, self.layout.image_size) for slot in tape.slots)
        return (*tape.ids, *shown)
