"""Requests to a model that reads one causal sequence: prompts as input vectors, answers, scores, drawings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from unictk.backbones.answering import Head, Language, room, scored, written
from unictk.backbones.base import Rows as ConceptRows
from unictk.backbones.codes import picture_key
from unictk.backbones.drawing import Drawing
from unictk.backbones.grouping import alike, shared
from unictk.backbones.sequences import LabelledIds, SequenceLayout
from unictk.backbones.settings import refuse_masked_drawing
from unictk.errors import UserError
from unictk.samples import Request


class LanguageWithTable(Language, Protocol):
    """A language model whose table of input vectors says where it lies."""

    @property
    def input_table(self) -> Tensor:
        """(vocabulary, hidden)."""
        ...


@dataclass(slots=True)
class Reader:
    """What turning requests into answers needs of the backbone.

    ``embed`` gives input vectors (B, L, hidden) of a batch's parts; ``head`` logits of states, ``speech`` the
    same where nothing but text may come; ``top``: so many codes may come at each step of drawing.
    """

    layout: SequenceLayout[Any]
    network: LanguageWithTable
    rows: ConceptRows | None
    embed: Callable[[Any], Tensor]
    head: Head
    speech: Head
    top: int | None = None

    def answer(self, requests: Sequence[Request]) -> list[str]:
        """Answers; each ends with the turn, or after ``max_new_tokens``."""
        tapes, limit = self._prompts(requests), self.layout.positions
        limits = [room(tape.length, limit, request) for tape, request in zip(tapes, requests, strict=True)]
        prompts, end = self._vectors(tapes), self.layout.end
        found = written(self.network, self.speech, self.rows, prompts, end, limits, requests)
        return [self.layout.codec.decode(ids) for ids in found]

    def score(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option, end of turn) against prompts read once each: (requests, options)."""
        tapes = self._prompts(requests)
        firsts, follows = shared([self._key(tape) for tape in tapes])
        prompts = self._vectors([tapes[first] for first in firsts])
        endings = [self.layout.ending(option) for option in options]
        return scored(self.network, self.head, self.rows, prompts, endings)[follows]

    def drawings(self, requests: Sequence[Request], most: int) -> Iterator[tuple[list[int], Drawing]]:
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
                    self._vectors([tapes[first] for first in firsts]),
                    torch.tensor(follows),
                    [requests[place].seed for place in places],
                    side,
                    side,
                    1 + sampling.guidance,
                    sampling.temperature,
                    self.top,
                ),
            )

    def _prompts(self, requests: Sequence[Request]) -> list[LabelledIds]:
        return [self.layout.prompt(request, draws=False) for request in requests]

    def _drawing_prompt(self, request: Request) -> LabelledIds:
        tape = self.layout.prompt(request, draws=True)
        needed = tape.length + self.layout.drawn_length
        if needed > self.layout.positions:
            raise UserError(
                f"prompt: the drawing needs {needed} positions and the limit is {self.layout.positions}"
            )
        return tape

    def _vectors(self, tapes: Sequence[LabelledIds]) -> list[Tensor]:
        """Input vectors (length, hidden) of each prompt."""
        batch = self.layout.batch(tapes).to(self.network.input_table.device)
        return [row[: tape.length] for row, tape in zip(self.embed(batch), tapes, strict=True)]

    def _key(self, tape: LabelledIds) -> Hashable:
        shown = (picture_key(picture, self.layout.image_size) for picture in tape.pictures)
        return (*tape.ids, *shown)
