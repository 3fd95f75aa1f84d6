"""Pictures of a concept, drawn and scored: its looks, what only its facts tell, and similarity to photos.

Knowledge-driven prompts (UniCTokens, section 4) need a fact that no photo shows: "wearing its hat". They are
drawn as they stand, and once more after knowledge replay (:mod:`unictk.concepts.rewriting`); they and the
concept alone also from what the model says of the whole picture. DreamBooth's prompts put the concept into
scenes; no judge scores them, only similarities do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from annotated_types import Ge
from torch import Tensor

from unictk.backbones.base import Backbone
from unictk.benchmarks.unifybench.dreambooth import dreambooth_prompts
from unictk.benchmarks.work import Scores
from unictk.chance import seed_of
from unictk.concepts import prompts
from unictk.concepts.rewriting import How, Wanted, rewritten
from unictk.judges.base import Judge, JudgeRequest, Verdict
from unictk.samples import GeneratedImage, Request, Sampling, Text
from unictk.sprites.truth import Expected, Truth

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData

LOOKS, KNOWLEDGE, REPLAY = "concept_attributes", "knowledge", "knowledge_replay"
LOOKS_PLAN, KNOWLEDGE_PLAN = "concept_attributes_plan", "knowledge_plan"
REWRITTEN: Mapping[str, How] = {REPLAY: "replay", LOOKS_PLAN: "plan", KNOWLEDGE_PLAN: "plan"}
"""Metrics of pictures whose prompts the model first writes anew."""

DREAMBOOTH = "dreambooth"
"""Begins the metrics of DreamBooth's prompts: ``dreambooth_clip_t`` and so on."""

DRAWN = "drawn"
"""Folder of the pictures in a run folder; their keys begin with it."""


class Similarity(Protocol):
    """Compares pictures with photos of the concept, or with their prompts; ``metrics`` names its scores."""

    metrics: tuple[str, ...]

    def measure(
        self, pictures: Sequence[Tensor], texts: Sequence[str], photos: Sequence[Path]
    ) -> list[Scores]:
        """Scores of each picture (3, H, W) in [0, 1], by metric; a text per picture."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pictures are drawn: of the concept alone, of each knowledge-driven prompt, and of each of
    DreamBooth's.

    ``replay``: knowledge-driven prompts once more, after the model has put its facts into them. ``plan``: all
    but DreamBooth's once more, after the model has described the whole picture in words.
    """

    looks: Annotated[int, Ge(0)] = 0
    knowledge: Annotated[int, Ge(0)] = 0
    replay: bool = True
    plan: bool = False
    dreambooth: Annotated[int, Ge(0)] = 0

    def __bool__(self) -> bool:
        return bool(self.looks or self.knowledge or self.dreambooth)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to draw; ``image`` is its key, ``question`` its prompt."""

    metric: str
    item_id: str
    image: str
    question: str
    reference: str
    expected: Expected | None

    @property
    def of_dreambooth(self) -> bool:
        """Whether its prompt is one of DreamBooth's, which no judge scores."""
        return self.metric.startswith(f"{DREAMBOOTH}_")


def planned(
    data: ConceptData,
    plan: Plan,
    phase: str,
    truth: Truth | None,
    judge: Judge | None,
    similarities: Sequence[Similarity],
) -> list[Picture]:
    """The pictures of a concept in a phase, always in the same order; none that nobody would score.

    Knowledge needs a judge. Without one a picture of the concept counts for what the first similarity says.
    """
    told = data.conditions.knowledge if judge else ()
    first = similarities[0].metrics[0] if similarities else None
    mine = [LOOKS, *[LOOKS_PLAN] * plan.plan] if judge else [first] if first else []
    wanted = [(metric, 0, data.conditions.identity, plan.looks) for metric in mine]
    for metric in (KNOWLEDGE, *[REPLAY] * plan.replay, *[KNOWLEDGE_PLAN] * plan.plan):
        wanted += [(metric, place, prompt, plan.knowledge) for place, prompt in enumerate(told)]
    found = []
    for metric, place, prompt, count in wanted:
        expected = truth.expected(prompt) if truth else None
        points = ", ".join(expected.asked.points()) if expected else ""
        reference = f"{judge.name}: {points}" if judge else ""
        for name in _names(place, count):
            key = f"{DRAWN}/{phase}/{metric}/{name}.png"
            found.append(Picture(metric, name, key, prompt, reference, expected))
    if first and plan.dreambooth:
        for place, prompt in enumerate(dreambooth_prompts(data)):
            for name in _names(place, plan.dreambooth):
                key = f"{DRAWN}/{phase}/{DREAMBOOTH}/{name}.png"
                found.append(Picture(f"{DREAMBOOTH}_{first}", name, key, prompt, "", None))
    return found


def _names(place: int, count: int) -> list[str]:
    return [f"{place:02d}-{number:03d}" for number in range(count)]


@dataclass(slots=True)
class Pictures:
    """Draws, keeps and scores pictures.

    ``folder`` None keeps none. ``judge`` None: nobody says what is right, only ``similarities`` score.
    """

    backbone: Backbone
    concept: ConceptTokens
    data: ConceptData
    items: Sequence[Picture]
    sampling: Sampling
    seed: int
    judge: Judge | None = None
    similarities: Sequence[Similarity] = ()
    folder: Path | None = None
    concepts: Sequence[ConceptTokens] = ()

    def ask(self, items: Sequence[Picture]) -> list[str]:
        """What was drawn from, the judge's verdict and the similarities, as JSON."""
        asked = self._rewritten(items)
        requests = [self._request(*pair) for pair in zip(items, asked, strict=True)]
        drawn = self.backbone.generate_images(requests)
        for item, one in zip(items, drawn, strict=True):
            self._keep(item, one)
        verdicts = self._judged(items, drawn)
        similar = self._similar(items, drawn)
        found = zip(asked, verdicts, similar, strict=True)
        return [json.dumps({"prompt": p, "verdict": v and asdict(v), "similar": s}) for p, v, s in found]

    def scores(self, items: Sequence[Picture], answers: Sequence[str]) -> list[Scores]:
        """Shares of points that are right, by what the picture is for; and the similarities."""
        return [_scores(item, json.loads(answer)) for item, answer in zip(items, answers, strict=True)]

    def _rewritten(self, items: Sequence[Picture]) -> list[str]:
        """The prompts to draw; those of replay and of plans as the model writes them."""
        said = [item.question for item in items]
        for how in sorted(set(REWRITTEN.values())):
            places = [at for at, item in enumerate(items) if REWRITTEN.get(item.metric) == how]
            wanted = [
                Wanted(items[at].question, f"{how}/{items[at].item_id}", self._seed(items[at], "rewrite"))
                for at in places
            ]
            found = rewritten(self.backbone, [self.concept], wanted, self.sampling, how)
            for at, words in zip(places, found, strict=True):
                said[at] = words
        return said

    def _request(self, item: Picture, prompt: str) -> Request:
        named = prompts.named_in(prompt, [self.concept])
        return Request(
            Text(prompts.expand(prompt, self.concept) if named else prompt),
            key=f"{item.metric}/{item.item_id}",
            seed=self._seed(item, "draw"),
            sampling=self.sampling,
        )

    def _seed(self, item: Picture, what: str) -> int:
        # Neither phase nor rewriting takes part: the same noise, so that the eye can compare.
        return seed_of(self.seed, "unifybench", what, item.question, item.item_id)

    def _keep(self, item: Picture, drawn: GeneratedImage) -> None:
        if self.folder is not None:
            place = self.folder / item.image
            place.parent.mkdir(parents=True, exist_ok=True)
            drawn.as_pil().save(place)

    def _judged(self, items: Sequence[Picture], drawn: Sequence[GeneratedImage]) -> list[Verdict | None]:
        """A verdict on each picture that has something to be judged by."""
        if self.judge is None:
            return [None] * len(items)
        about = " ".join([self.data.description, *self.data.facts])
        asked = [
            JudgeRequest(
                item.question,
                one.pixels,
                expected=item.expected.asked if item.expected else None,
                about=about,
                codes=one.codes,
            )
            for item, one in zip(items, drawn, strict=True)
            if not item.of_dreambooth
        ]
        verdicts = iter(self.judge.judge(asked) if asked else ())
        return [None if item.of_dreambooth else next(verdicts) for item in items]

    def _similar(self, items: Sequence[Picture], drawn: Sequence[GeneratedImage]) -> list[Scores]:
        noun = self.data.class_noun
        texts = [item.question.replace(f"<{self.data.name}>", noun) for item in items]
        found: list[Scores] = [{} for _ in items]
        for one in self.similarities:
            measured = one.measure([image.pixels for image in drawn], texts, self.data.photos)
            for scores, more in zip(found, measured, strict=True):
                scores.update({name: round(value, 5) for name, value in more.items()})
        return found


def _scores(item: Picture, found: Mapping[str, Any]) -> Scores:
    if item.of_dreambooth:
        return {f"{DREAMBOOTH}_{name}": value for name, value in found["similar"].items()}
    scores: Scores = {} if item.metric in (KNOWLEDGE, *REWRITTEN) else dict(found["similar"])
    verdict = Verdict(**found["verdict"]) if found["verdict"] else None
    if verdict is None or verdict.score is None:
        return scores
    if item.metric in (LOOKS, LOOKS_PLAN):
        whole = item.metric.replace("attributes", "all")
        return scores | {item.metric: verdict.share, whole: float(verdict.all_right)}
    if item.expected is None:
        return {item.metric: verdict.share}
    return {
        item.metric: _right(verdict, item.expected.told),
        f"{item.metric}_looks": _right(verdict, item.expected.looks),
    }


def _right(verdict: Verdict, points: Sequence[str]) -> float:
    return sum(verdict.right.get(point, False) for point in points) / len(points) if points else 0.0
