"""Backbones without weights that draw and answer: rightly, or always the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from sprite_scenes import fulfil

from unictk.benchmarks.unicycle.questions import Cycle, Question
from unictk.samples import GeneratedImage, Image, Request, Sampling, Text
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import random_scene

SAMPLING = Sampling(steps=4, guidance=0.0, max_new_tokens=7)


class Player:
    """Draws a grey picture and says the same, whatever is asked. ``asked`` are the requests' keys."""

    def __init__(self, said: str = "Yes.") -> None:
        self.said = said
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self.pictures: dict[int, str] = {}

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        found = []
        for request in requests:
            self._note(request)
            self.pictures[len(self.pictures)] = request.key
            codes = torch.tensor([len(self.pictures) - 1])
            found.append(GeneratedImage(self.paint(request), codes, {}))
        return found

    def paint(self, request: Request) -> torch.Tensor:
        return torch.full((3, 48, 48), 0.5)

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        for request in requests:
            self._note(request)
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> str:
        return self.said

    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> torch.Tensor:
        found = torch.zeros(len(requests), len(options))
        for line, request in zip(found, requests, strict=True):
            self._note(request)
            said = self.answer(request)
            line[options.index(said) if said in options else 0] = 9.0
        return found

    def _note(self, request: Request) -> None:
        self.asked.append(request.key)
        self.requests.append(request)


class Perfect(Player):
    """Draws what the prompt asks, and answers as it should, if it is shown the picture of that prompt.

    ``draws_right`` false: any scene instead; it still says what the prompt says, which it is not shown.
    """

    def __init__(self, cycles: Sequence[Cycle], draws_right: bool = True) -> None:
        super().__init__()
        self.cycles: Mapping[str, Cycle] = {one.key: one for one in cycles}
        self.draws_right = draws_right

    def paint(self, request: Request) -> torch.Tensor:
        chance, asked = random.Random(request.seed), self.cycles[request.key.split("/", 1)[1]].expected
        if asked is None:
            return super().paint(request)
        scene: Scene = fulfil(chance, asked) if self.draws_right else random_scene(chance, "concepts")
        return torch.from_numpy(render(scene)).permute(2, 0, 1).float() / 255

    def answer(self, request: Request) -> str:
        (shown,) = (one for one in request if isinstance(one, Image))
        assert shown.codes is not None
        key = self.pictures[int(shown.codes)]
        assert request.key.startswith(f"{key}/"), "the picture of another prompt"
        question = self.question(request)
        lettered = question.options and question.text not in [t.text for t in request if isinstance(t, Text)]
        return question.letter if lettered else question.expected

    def question(self, request: Request) -> Question:
        _, key, qid = request.key.split("/")
        return next(one for one in self.cycles[key].questions if one.qid == qid)
