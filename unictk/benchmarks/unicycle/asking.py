"""One turn of the cycle: a prompt is drawn, and whoever drew it answers questions about the picture alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unictk.backbones.base import Backbone
from unictk.benchmarks.unicycle.questions import NAME, Cycle, Kind, Question
from unictk.chance import seed_of
from unictk.judges.closed import probabilities
from unictk.samples import GeneratedImage, Image, Request, Sampling, Text

Choices = Literal["said", "likeliest"]
"""How options are offered: in words, to be answered by a letter (as published), or by the probability of
each as the answer to the plain question, for models that have not learnt to say letters."""

LONGEST = 80
"""Characters of a picture's name that come from a prompt's id."""

_PLAIN = re.compile(rf"\w[\w+~.-]{{0,{LONGEST}}}", re.ASCII)
_STRANGE = re.compile(r"[^\w+~-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who is asked, and how.

    ``longest``: tokens of an answer by kind of question. ``folder``: drawn pictures are kept below it.
    """

    backbone: Backbone
    sampling: Sampling
    seed: int
    longest: Mapping[Kind, int]
    choices: Choices
    folder: Path | None = None

    def draw(self, cycles: Sequence[Cycle], phase: str) -> list[GeneratedImage]:
        """The picture of each prompt, with a seed of its own."""
        requests = [
            Request(
                Text(one.prompt),
                key=f"{NAME}/{one.key}",
                seed=seed_of(self.seed, NAME, "draw", one.key),
                sampling=self.sampling,
            )
            for one in cycles
        ]
        drawn = self.backbone.generate_images(requests)
        if self.folder is not None:
            for cycle, one in zip(cycles, drawn, strict=True):
                place = self.folder / picture_key(cycle, phase)
                place.parent.mkdir(parents=True, exist_ok=True)
                one.as_pil().save(place)
        return drawn

    def answer(self, cycles: Sequence[Cycle], drawn: Sequence[GeneratedImage]) -> list[list[str]]:
        """Answers to each prompt's questions. The picture is all that they are answered from."""
        asked = [
            (question, self._request(cycle, question, one.as_segment(key=f"{NAME}/{cycle.key}")))
            for cycle, one in zip(cycles, drawn, strict=True)
            for question in cycle.questions
        ]
        said = iter(self._said(asked))
        return [[next(said) for _ in cycle.questions] for cycle in cycles]

    def _said(self, asked: Sequence[tuple[Question, Request]]) -> list[str]:
        chosen = [self._chooses(question) for question, _ in asked]
        closed = [(request, q.options) for (q, request), closed in zip(asked, chosen, strict=True) if closed]
        free = [request for (_, request), closed in zip(asked, chosen, strict=True) if not closed]
        shares = iter(probabilities(self.backbone, closed))
        words = iter(self.backbone.generate_text(free) if free else ())
        return [_likeliest(next(shares)) if closed else next(words) for closed in chosen]

    def _chooses(self, question: Question) -> bool:
        return self.choices == "likeliest" and question.kind == "multiple_choice"

    def text_of(self, question: Question) -> str:
        """What the model is asked."""
        return question.text if self._chooses(question) else question.lettered()

    def shown(self, question: Question) -> str:
        """What a reader of the records sees of it."""
        return question.listed() if self._chooses(question) else question.lettered()

    def _request(self, cycle: Cycle, question: Question, picture: Image) -> Request:
        return Request(
            picture,
            Text(self.text_of(question)),
            key=f"{NAME}/{cycle.key}/{question.qid}",
            seed=seed_of(self.seed, NAME, "answer", cycle.key, question.qid),
            sampling=replace(self.sampling, max_new_tokens=self.longest[question.kind], text_temperature=0.0),
        )


def picture_key(cycle: Cycle, phase: str) -> str:
    """Where the picture lies in a run folder; the report puts it under the score that it was drawn for.

    A prompt's id may come from any file: what is no plain name becomes one, and stays different from others.
    """
    name = cycle.key
    if not _PLAIN.fullmatch(name):
        name = f"{_STRANGE.sub('_', name)[:LONGEST]}-{seed_of(name):x}"
    return f"drawn/{phase}/soft/{name}.png"


def _likeliest(shares: Mapping[str, float]) -> str:
    return max(shares, key=lambda option: shares[option])
