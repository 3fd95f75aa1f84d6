"""Backbones without weights: one that is always right, one that always says and draws the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import torch
from sprite_scenes import fulfil
from torch import Tensor

from unictk.backbones.base import Rows, RowShape
from unictk.benchmarks.sprites.bench import SpritesBenchmark
from unictk.benchmarks.sprites.items import Asking, Item
from unictk.concepts.known_rows import save_known
from unictk.judges.oracle import OracleJudge
from unictk.samples import GeneratedImage, Image, Request, Sampling, Text
from unictk.sprites.grammar.claims import claims
from unictk.sprites.grammar.descriptions import canonical
from unictk.sprites.grammar.selfplay import proposal
from unictk.sprites.grammar.verdicts import verdict_text
from unictk.sprites.oracle import Reading, score
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import random_scene

SIZES = {"identifier": 1, "shared": 16, "generation": 8, "understanding": 8}
SAMPLING = Sampling(steps=8, guidance=0.0)
GOOD_STEPS = 8


def known_file(folder) -> str:
    """Rows of 24 known characters."""
    rows = torch.randn(24, 33, 4, generator=torch.Generator().manual_seed(0))
    save_known(folder / "known.safetensors", rows, SIZES)
    return str(folder / "known.safetensors")


def work(bench: SpritesBenchmark, player: Constant, seed: int = 0) -> dict[str, Item]:
    """Every item by metric and id."""
    subjects = bench.subjects(Asking(player, OracleJudge(), SAMPLING, seed))
    return {"/".join(item.key): item for subject in subjects for item in subject.items}


class Constant:
    """Says and draws the same, whatever is asked."""

    layout = SimpleNamespace(image_size=48)
    row_shape = RowShape(4, head_bias=True)

    def __init__(self, said: str = "Yes.") -> None:
        self.said = said
        self.attached: set[str] = set()
        self.asked: list[str] = []

    def attach(self, concepts) -> None:
        self.attached = {token for concept in concepts for token in concept.tokens()}

    def fresh_rows(self, count: int, first: int = 0, head: str = "text") -> Rows:
        return Rows(torch.zeros(count, 4), torch.zeros(count, 4), torch.zeros(count))

    def note(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self.asked.append(request.key)
            words = " ".join(segment.text for segment in request if isinstance(segment, Text))
            assert "<c" not in words or any(token in words for token in self.attached)

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        self.note(requests)
        return [self.said for _ in requests]

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        self.note(requests)
        grey = torch.full((3, 48, 48), 0.5)
        return [GeneratedImage(grey, torch.zeros(1, dtype=torch.long), {}) for _ in requests]

    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        self.note(requests)
        return torch.zeros(len(requests), len(options))

    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        grey = torch.full((3, 48, 48), 0.5)
        return [GeneratedImage(grey, torch.zeros(1, dtype=torch.long), {}) for _ in images]


class Perfect(Constant):
    """Knows every answer, draws what is asked (badly in few steps), and sees its own pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.items: Mapping[str, Item] = {}
        self.drawn: list[Scene] = []

    def item(self, request: Request) -> tuple[Item, str]:
        metric, number, about = request.key.split("/")
        return self.items[f"{metric}/{number}"], about

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        self.note(requests)
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> str:
        item, about = self.item(request)
        if about == "plan":
            return canonical(fulfil(random.Random(request.seed), item.asked))
        if item.metric == "judge_parses":
            return verdict_text(item.asked, self.seen(request, item))
        if item.metric == "propose_parses":
            return self.propose(random.Random(request.seed), item.reference)
        return item.reference

    @staticmethod
    def propose(chance: random.Random, category: str) -> str:
        while True:
            try:
                return proposal(
                    chance, random_scene(chance, "concepts", chance.randint(1, 3)), category, "evaluation"
                )[0]
            except ValueError:
                continue

    def seen(self, request: Request, item: Item) -> dict[str, bool]:
        (shown,) = (segment for segment in request if isinstance(segment, Image))
        return score(item.asked, Reading(self.drawn[int(shown.codes)], 0.0, True)).each

    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        self.note(requests)
        found = torch.full((len(requests), len(options)), -50.0)
        for line, request in zip(found, requests, strict=True):
            item, about = self.item(request)
            if about == "clear":  # everything it draws is a scene
                line[options.index("Yes.")] = 0.0
                continue
            (claim,) = (one for one in claims(item.asked, "evaluation") if one.point == about)
            truth = self.seen(request, item)[about]
            said = claim.right if truth else next(one for one in options if one != claim.right)
            line[options.index(said)] = 0.0
        return found

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        self.note(requests)
        found = []
        for request in requests:
            item, _ = self.item(request)
            chance = random.Random(request.seed)
            good = request.sampling.steps >= GOOD_STEPS
            scene = fulfil(chance, item.asked) if good else random_scene(chance, "concepts")
            self.drawn.append(scene)
            pixels = torch.from_numpy(render(scene)).permute(2, 0, 1).float() / 255
            found.append(GeneratedImage(pixels, torch.tensor([len(self.drawn) - 1]), {}))
        return found

    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        pixels = [torch.from_numpy(image.source).permute(2, 0, 1).float() / 255 for image in images]
        return [GeneratedImage(picture, torch.zeros(1, dtype=torch.long), {}) for picture in pixels]
