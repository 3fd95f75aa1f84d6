"""Drawing: prompts of one and two characters, reconstructions, and redrawing after a critique."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from unictk.benchmarks.sprites.items import (
    PHRASING,
    WORLD,
    Asking,
    Item,
    Scale,
    in_words,
    made,
    many,
    picture,
    told,
)
from unictk.benchmarks.work import Scores
from unictk.chance import seed_of
from unictk.concepts.rewriting import Wanted, rewritten
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.pictures import open_picture, square, to_tensor
from unictk.judges.base import Judge, JudgeRequest, Verdict
from unictk.judges.oracle import OracleJudge
from unictk.samples import GeneratedImage, Image, Request, Text, View
from unictk.sprites.asked import RELATIONS, Asked
from unictk.sprites.grammar.descriptions import Detail, named, prompt, relations
from unictk.sprites.grammar.parse import parse_scene
from unictk.sprites.grammar.verdicts import critique, redraw
from unictk.sprites.lessons.parts import DETAILS
from unictk.sprites.oracle import Reading, score
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import identities_of, random_scene

ORACLE = OracleJudge()

BEST_PSNR = 100.0
"""Decibels of a perfect reconstruction, which has no finite ratio."""

Measure = Callable[[Item, Verdict], Scores]


@dataclass(frozen=True, slots=True)
class Drawings:
    """Prompts that are drawn and judged; ``measure`` says what a verdict counts for."""

    asking: Asking
    items: Sequence[Item]
    measure: Measure
    concepts: Sequence[ConceptTokens] = ()

    def ask(self, items: Sequence[Item]) -> list[str]:
        """Draw the prompts; the verdicts are the answers."""
        drawn = self.asking.draw(items)
        return [verdict_text(one) for one in judged(self.asking.judge, items, drawn)]

    def scores(self, items: Sequence[Item], answers: Sequence[str]) -> list[Scores]:
        """What each verdict counts for."""
        pairs = zip(items, answers, strict=True)
        return [self.measure(item, read_verdict(answer)) for item, answer in pairs]


@dataclass(frozen=True, slots=True)
class Planned(Drawings):
    """The same prompts, but the model draws what it first says of each (:mod:`unictk.concepts.rewriting`)."""

    def ask(self, items: Sequence[Item]) -> list[str]:
        """Plan and draw; the plans and the verdicts are the answers."""
        asking = self.asking
        wanted = [Wanted(item.question, "/".join((*item.key, "plan")), asking.seed) for item in items]
        settings = replace(asking.sampling, text_temperature=0.0)
        plans = rewritten(asking.backbone, self.concepts, wanted, settings, "plan")
        drawn = asking.backbone.generate_images(
            [asking.request(item, Text(plan)) for item, plan in zip(items, plans, strict=True)]
        )
        verdicts = judged(asking.judge, items, drawn)
        return [json.dumps([plan, asdict(one)]) for plan, one in zip(plans, verdicts, strict=True)]

    def scores(self, items: Sequence[Item], answers: Sequence[str]) -> list[Scores]:
        """What each verdict counts for, and the share of the prompt's points that hold in the plan."""
        found = []
        for item, answer in zip(items, answers, strict=True):
            plan, verdict = json.loads(answer)
            scene = parse_scene(plan)
            said = score(item.points, Reading(scene, 0.0, True)) if scene else None
            name = f"{prefix(item)}_said" + "_two" * item.metric.endswith("_two")
            held = {name: said.right / said.asked if said else 0.0}
            found.append(self.measure(item, Verdict(**verdict)) | held)
        return found


def prefix(item: Item) -> str:
    """``planned`` of ``planned_attributes``: what names of its metrics begin with."""
    return item.metric.removesuffix("_two").removesuffix("_attributes")


def planned(items: Sequence[Item], old: str, new: str, count: int) -> list[Item]:
    """The first items once more, under names that begin with ``new`` where theirs begin with ``old``."""

    def renamed(name: str) -> str:
        return new + name.removeprefix(old)

    return [
        replace(item, metric=renamed(item.metric), tags=tuple(map(renamed, item.tags)))
        for item in items[:count]
    ]


def judged(judge: Judge, items: Sequence[Item], drawn: Sequence[GeneratedImage]) -> list[Verdict]:
    """The judge's verdicts on what was drawn."""
    pairs = zip(items, drawn, strict=True)
    return judge.judge(
        [JudgeRequest(item.question, one.pixels, "", item.points, codes=one.codes) for item, one in pairs]
    )


def verdict_text(verdict: Verdict) -> str:
    """The verdict as compact text."""
    return json.dumps(asdict(verdict))


def read_verdict(text: str) -> Verdict:
    """The verdict behind :func:`verdict_text`."""
    return Verdict(**json.loads(text))


def drawing(asking: Asking, scale: Scale) -> list[Drawings]:
    """Prompts of one character and of two, drawn as prompted and after a plan."""
    one, two = as_prompted(asking, many(300, scale), many(150, scale))
    return [
        one,
        two,
        Planned(asking, planned(one.items, "generation", "planned", many(200, scale)), _measure_one),
        Planned(asking, planned(two.items, "generation", "planned", many(100, scale)), _measure_two),
    ]


def as_prompted(asking: Asking, one: int, two: int, images: int = 1) -> tuple[Drawings, Drawings]:
    """So many prompts of one character (half of them of an identity that pretraining knows) and of two.

    Each is drawn ``images`` times, with a seed of its own.
    """
    judge = asking.judge
    alone = made("generation_attributes", one, asking.seed, lambda c, n: _one(c, n, judge))
    both = made("generation_attributes_two", two, asking.seed, lambda c, n: _two(c, n, judge))
    return (
        Drawings(asking, _repeated(alone, images), _measure_one),
        Drawings(asking, _repeated(both, images), _measure_two),
    )


def _repeated(items: Sequence[Item], images: int) -> list[Item]:
    """All items once, then once more under other names: a shorter list is the beginning of a longer one."""
    again = [replace(item, item_id=f"{item.item_id}-{n}") for n in range(1, images) for item in items]
    return [*items, *again]


def detail(chance: random.Random, scene: Scene) -> Detail:
    """A kind of prompt; for two characters two of three are about a relation."""
    if len(scene.characters) == 2 and relations(scene.characters) and chance.random() < 2 / 3:
        return "relation"
    return chance.choice(DETAILS)


def to_draw(
    metric: str,
    number: int,
    text: str,
    asked: Asked,
    judge: Judge,
    steps: int | None = None,
    tags: tuple[str, ...] = (),
) -> Item:
    """A prompt to draw."""
    return Item(
        metric=metric,
        item_id=f"{number:04d}",
        question=text,
        reference=told(asked, judge),
        segments=(Text(text),),
        tags=tags,
        asked=asked,
        steps=steps,
    )


def _one(chance: random.Random, number: int, judge: Judge) -> Item:
    who = chance.choice(identities_of("pretraining")) if number % 2 else None
    scene = random_scene(chance, WORLD, 1, who)
    text, asked = prompt(chance, scene, detail(chance, scene), PHRASING)
    tags = () if number % 2 else ("generation_all_heldout",)
    return to_draw("generation_attributes", number, text, asked, judge, tags=tags)


def _two(chance: random.Random, number: int, judge: Judge) -> Item:
    scene = random_scene(chance, WORLD, 2)
    text, asked = prompt(chance, scene, detail(chance, scene), PHRASING)
    return to_draw("generation_attributes_two", number, text, asked, judge)


def _measure_one(item: Item, verdict: Verdict) -> Scores:
    whole = float(verdict.all_right)
    unreadable = float(verdict.status == "unreadable")
    named = prefix(item)
    scores = {item.metric: verdict.share, f"{named}_all": whole, f"{named}_unreadable": unreadable}
    return scores | dict.fromkeys(item.tags, whole)


def _measure_two(item: Item, verdict: Verdict) -> Scores:
    unreadable = float(verdict.status == "unreadable")
    named = prefix(item)
    scores = {
        item.metric: verdict.share,
        f"{named}_all_two": float(verdict.all_right),
        f"{named}_unreadable_two": unreadable,
    }
    asked = [point for point in item.points.points() if point.split()[0] in RELATIONS]
    if asked:
        held = sum(verdict.right.get(point, False) for point in asked)
        scores[f"{named}_relation"] = held / len(asked)
    return scores


@dataclass(frozen=True, slots=True)
class Reconstructions:
    """Scenes through the image tokenizer and back, read by the oracle."""

    asking: Asking
    items: Sequence[Item]
    concepts: Sequence[ConceptTokens] = ()

    def ask(self, items: Sequence[Item]) -> list[str]:
        """Verdicts on the reconstructions, and how near each is to its picture in decibels."""
        shown = [image for item in items for image in item.segments if isinstance(image, Image)]
        back = self.asking.backbone.reconstruct(shown)
        verdicts = judged(ORACLE, items, back)
        side = self.asking.backbone.layout.image_size
        found = zip(verdicts, shown, back, strict=True)
        return [json.dumps([asdict(v), round(psnr(image, again, side), 3)]) for v, image, again in found]

    def scores(self, items: Sequence[Item], answers: Sequence[str]) -> list[Scores]:
        """Share of attributes right, and PSNR."""
        found = [json.loads(answer) for answer in answers]
        return [{"tokenizer": Verdict(**v).share, "tokenizer_psnr": decibels} for v, decibels in found]


def reconstructions(asking: Asking, scale: Scale) -> list[Reconstructions]:
    """Scenes of one and two characters by turns."""
    return [Reconstructions(asking, made("tokenizer", many(300, scale), asking.seed, _reconstructed))]


def _reconstructed(chance: random.Random, number: int) -> Item:
    scene = random_scene(chance, WORLD, 1 + number % 2)
    asked = Asked(scene.setting, tuple(named(one) for one in scene.characters))
    reference = told(asked, ORACLE)
    return Item(
        "tokenizer", f"{number:04d}", "", reference, (picture(scene),), in_words([scene]), asked=asked
    )


def psnr(image: Image, again: GeneratedImage, side: int) -> float:
    """Peak signal-to-noise ratio of a reconstruction, in decibels, at the model's size."""
    assert image.source is not None
    wanted = to_tensor(square(open_picture(image.source), View(), side, image.key)).float() / 255
    error = float(((wanted - again.pixels.cpu().float().clamp(0, 1)) ** 2).mean())
    return min(BEST_PSNR, -10 * math.log10(error)) if error > 0 else BEST_PSNR


@dataclass(frozen=True, slots=True)
class Reflections:
    """Pictures of few steps, the oracle's critique of them, and the same prompts drawn again."""

    asking: Asking
    items: Sequence[Item]
    concepts: Sequence[ConceptTokens] = ()

    def ask(self, items: Sequence[Item]) -> list[str]:
        """The oracle's verdicts before and after."""
        first = self.asking.draw(items)
        before = judged(ORACLE, items, first)
        again = [self._again(*one) for one in zip(items, first, before, strict=True)]
        after = judged(ORACLE, items, self.asking.backbone.generate_images(again))
        return [json.dumps([asdict(v) for v in both]) for both in zip(before, after, strict=True)]

    def _again(self, item: Item, first: GeneratedImage, verdict: Verdict) -> Request:
        chance = random.Random(seed_of(self.asking.seed, *item.key))
        words = redraw(chance, item.question, critique(item.points, verdict.right), PHRASING)
        return self.asking.request(item, first.as_segment(), Text(words), about="again")

    def scores(self, items: Sequence[Item], answers: Sequence[str]) -> list[Scores]:
        """Shares of points right before and after, and what was won."""
        shares = [[Verdict(**one).share for one in json.loads(answer)] for answer in answers]
        return [
            {"reflection": after - before, "reflection_before": before, "reflection_after": after}
            for before, after in shares
        ]


FEW_STEPS = (1, 2, 3)


def reflections(asking: Asking, scale: Scale) -> list[Reflections]:
    """Prompts of one and two characters by turns, first drawn in one to three steps."""
    return [Reflections(asking, made("reflection", many(120, scale), asking.seed, _reflected))]


def _reflected(chance: random.Random, number: int) -> Item:
    scene = random_scene(chance, WORLD, 1 + number % 2)
    text, asked = prompt(chance, scene, detail(chance, scene), PHRASING)
    steps = FEW_STEPS[number % len(FEW_STEPS)]
    return to_draw("reflection", number, text, asked, ORACLE, steps)
