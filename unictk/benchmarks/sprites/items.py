"""What is asked, one thing at a time, and what every subject of the benchmark needs to ask it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from unictk.backbones.base import Backbone
from unictk.benchmarks.work import Scores
from unictk.chance import seed_of
from unictk.concepts.tokens import ConceptTokens
from unictk.judges.base import Judge
from unictk.metrics.answers import exact_match, yes_or_no
from unictk.samples import GeneratedImage, Image, Request, Sampling, Segment, Text
from unictk.sprites.asked import Asked
from unictk.sprites.grammar.descriptions import canonical
from unictk.sprites.grammar.phrases import Phrasing
from unictk.sprites.grammar.questions import QA, yes
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import Part as WorldPart

NAME = "sprites"
WORLD: WorldPart = "concepts"
"""Identities, stagings and facts that pretraining never sees; those of reviewers stay unseen here too."""

PHRASING: Phrasing = "evaluation"

Scale = Literal["quick", "full"]
QUICK = 8
"""A quick benchmark asks every eighth part of a full one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask.

    ``metric`` is what its main record counts towards, ``item_id`` unique within it. ``question`` and
    ``reference`` are what a reader of the records sees; ``image`` tells the pictures in words. ``segments``
    are what the backbone gets, ``steps`` those of sampling; ``tags`` and ``asked`` are for the scores.
    """

    metric: str
    item_id: str
    question: str
    reference: str
    segments: tuple[Segment, ...]
    image: str | None = None
    tags: tuple[str, ...] = ()
    asked: Asked | None = None
    steps: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Unique in the whole work list."""
        return self.metric, self.item_id

    @property
    def points(self) -> Asked:
        """What its prompt asks; only items that are drawn have this."""
        if self.asked is None:
            raise ValueError(f"{self.metric} {self.item_id}: nothing is to be drawn")
        return self.asked


@dataclass(frozen=True, slots=True)
class Asking:
    """Who is asked, who judges, and how."""

    backbone: Backbone
    judge: Judge
    sampling: Sampling
    seed: int

    def request(self, item: Item, *segments: Segment, about: str = "", **settings: float) -> Request:
        """A request with a seed of its own: of the run, the item and what the request is ``about``."""
        return Request(
            *(segments or item.segments),
            key="/".join((*item.key, about)),
            seed=seed_of(self.seed, NAME, *item.key, about),
            sampling=replace(self.sampling, **settings),  # type: ignore[arg-type]
        )

    def draw(self, items: Sequence[Item]) -> list[GeneratedImage]:
        """A picture per item, in as many steps as the item says or the configuration."""
        requests = [self.request(item, steps=item.steps or self.sampling.steps) for item in items]
        return self.backbone.generate_images(requests)

    def say(self, items: Sequence[Item], longest: int, temperature: float = 0.0) -> list[str]:
        """An answer in words per item."""
        return self.backbone.generate_text(
            [self.request(item, max_new_tokens=longest, text_temperature=temperature) for item in items]
        )


def right(answer: str, reference: str) -> bool:
    """Exact match; where the reference is yes or no, a strict yes or no."""
    if reference in (yes(True), yes(False)):
        return yes_or_no(answer) == yes_or_no(reference)
    return exact_match(answer, reference)


@dataclass(frozen=True, slots=True)
class Questions:
    """Items that are answered in words, each right or wrong: ``is_right`` (answer, reference) says which."""

    asking: Asking
    items: Sequence[Item]
    longest: int = 12
    concepts: Sequence[ConceptTokens] = ()
    is_right: Callable[[str, str], bool] = right

    def ask(self, items: Sequence[Item]) -> list[str]:
        """The backbone's answers."""
        return self.asking.say(items, self.longest)

    def scores(self, items: Sequence[Item], answers: Sequence[str]) -> list[Scores]:
        """1 or 0 under the item's metric and each of its tags."""
        return [
            dict.fromkeys((item.metric, *item.tags), float(self.is_right(answer, item.reference)))
            for item, answer in zip(items, answers, strict=True)
        ]


def many(count: int, scale: Scale) -> int:
    """The number of items at this scale."""
    return count if scale == "full" else -(-count // QUICK)


def made(metric: str, count: int, seed: int, write: Callable[[random.Random, int], Item]) -> list[Item]:
    """``count`` items, each from a chance of its own: a shorter list is the beginning of a longer one."""
    return [write(random.Random(seed_of(seed, NAME, "items", metric, n)), n) for n in range(count)]


def asked_in_words(
    metric: str,
    number: int,
    qa: QA,
    shown: Sequence[Scene] = (),
    before: str = "",
    tags: tuple[str, ...] = (),
    first: Sequence[Segment] = (),
) -> Item:
    """A question behind the pictures ``shown``; ``before`` are words that stand before it."""
    question = f"{before}\n{qa.question}" if before else qa.question
    return Item(
        metric=metric,
        item_id=f"{number:04d}",
        question=question,
        reference=qa.answer,
        segments=(*first, *(picture(scene) for scene in shown), Text(question)),
        image=in_words(shown),
        tags=tags,
    )


def picture(scene: Scene) -> Image:
    """The rendered scene as a segment."""
    return Image(render(scene), key=f"sprites {seed_of(scene)}")


def in_words(scenes: Sequence[Scene]) -> str | None:
    """The pictures told in words, for records; None when there are none."""
    return " | ".join(map(canonical, scenes)) or None


def told(asked: Asked, judge: Judge) -> str:
    """A drawing's reference: who judges, and which points."""
    return f"{judge.name}: {', '.join(asked.points())}"
