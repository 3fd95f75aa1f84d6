"""One conversation with a model: what was said, which picture is looked at, what was drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unictk.backbones.base import Backbone
from unictk.chance import seed_of
from unictk.concepts.tokens import ConceptTokens
from unictk.conversation.context import Turn, context, drawing_words, most_turns
from unictk.datamodules.pictures import open_picture
from unictk.datamodules.writers import BLACK
from unictk.drawing.draw import save
from unictk.errors import UserError
from unictk.samples import GeneratedImage, Image, Request, Sampling, Text

RECORD = "drawn.jsonl"
"""Beside the pictures: file, prompt and settings of each, a line a picture."""

FORGETS = "(The conversation no longer fits: from here on the oldest turns are left out.)"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``notice`` is what is to be said beside it, mostly nothing."""

    answer: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that was drawn, its file, and the seed it came from."""

    path: Path
    picture: GeneratedImage
    seed: int


class Conversation:
    """Answers questions with everything said before, and draws.

    A new picture begins a new context: what was said was about another one. Without a picture a concept is
    asked about before a black one, as published.

    Args:
        backbone: who answers; its attached concepts are those of the conversation.
        sampling: of answers and, unless told otherwise, of drawings.
        seed: of the run.
        folder: where drawings go; made with the first one. Numbers go on from those that are there.
    """

    def __init__(self, backbone: Backbone, sampling: Sampling, seed: int, folder: Path) -> None:
        self.backbone = backbone
        self.sampling = sampling
        self.seed = seed
        self.folder = folder
        self.turns: list[Turn] = []
        self.shown: str | None = None
        """Name of the picture that is looked at."""
        self.last: Drawing | None = None
        self._picture: Image | None = None
        self._forgotten = 0

    @property
    def concepts(self) -> Sequence[ConceptTokens]:
        """The attached concepts."""
        return self.backbone.concepts

    def ask(self, question: str) -> Reply:
        """The answer, which becomes part of the conversation.

        Raises:
            UserError: the question does not fit; nothing is changed.
        """
        picture, turns = self._seen(), self.turns[self._forgotten :]
        kept = most_turns(
            self.backbone.layout, picture, self.concepts, turns, question, self.sampling.max_new_tokens
        )
        request = Request(
            *context(picture, self.concepts, turns[len(turns) - kept :], question),
            key=f"chat/{len(self.turns)}",
            seed=seed_of(self.seed, "chat", len(self.turns)),
            sampling=self.sampling,
        )
        (answer,) = self.backbone.generate_text([request])
        notice = FORGETS if kept < len(turns) and not self._forgotten else ""
        self._forgotten += len(turns) - kept
        self.turns.append(Turn(question, answer))
        return Reply(answer, notice)

    def look(self, path: str | Path | None, name: str = "") -> None:
        """Look at a picture file, or at none, and begin a new context.

        Raises:
            DataError: there is no such picture; nothing is changed.
        """
        picture = None if path is None else Image(np.asarray(open_picture(path)), key=str(path))
        self._look(picture, None if path is None else name or str(path))

    def look_at_last(self) -> None:
        """Look at what was drawn last.

        Raises:
            UserError: nothing was drawn yet.
        """
        if self.last is None:
            raise UserError("image: nothing was drawn yet; /draw PROMPT draws something")
        self._look(self.last.picture.as_segment(key=self.last.path.name), str(self.last.path))

    def draw(
        self,
        prompt: str,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | None = None,
    ) -> Drawing:
        """Draw a prompt into the folder; None takes the run's settings, and the next seed.

        Raises:
            UserError: the prompt cannot be read with the attached concepts.
        """
        number = self.next_number()
        sampling = replace(
            self.sampling,
            steps=self.sampling.steps if steps is None else steps,
            guidance=self.sampling.guidance if guidance is None else guidance,
        )
        used = self.seed + number if seed is None else seed
        words = Text(drawing_words(prompt, self.concepts))
        (picture,) = self.backbone.generate_images(
            [Request(words, key=f"chat/draw/{number}", seed=used, sampling=sampling)]
        )
        path = self.folder / f"{number:04d}.png"
        save(path, [picture])
        self._write_down(path, prompt, used, sampling)
        self.last = Drawing(path, picture, used)
        return self.last

    def next_number(self) -> int:
        """The number of the next drawing: its seed is the run's plus this."""
        there = [int(path.stem) for path in self.folder.glob("*.png") if path.stem.isdecimal()]
        return max(there, default=-1) + 1

    def reset(self) -> None:
        """Forget what was said; the picture stays."""
        self.turns = []
        self._forgotten = 0

    def _look(self, picture: Image | None, name: str | None) -> None:
        self._picture, self.shown = picture, name
        self.reset()

    def _seen(self) -> Image | None:
        return Image(BLACK, key="black") if self._picture is None and self.concepts else self._picture

    def _write_down(self, path: Path, prompt: str, seed: int, sampling: Sampling) -> None:
        line = {"file": path.name, "prompt": prompt, "seed": seed}
        line |= {"steps": sampling.steps, "guidance": sampling.guidance}
        with (self.folder / RECORD).open("a", encoding="utf-8") as record:
            record.write(json.dumps(line, ensure_ascii=False) + "\n")
