"""The roles of self-play: proposing prompts, and judging pictures of mixed quality."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from unictk.benchmarks.sprites.drawing import ORACLE, detail, judged, to_draw
from unictk.benchmarks.sprites.items import PHRASING, WORLD, Asking, Item, Scale, made, many
from unictk.benchmarks.work import Scores
from unictk.chance import seed_of
from unictk.concepts.tokens import ConceptTokens
from unictk.judges.closed import probabilities
from unictk.metrics.answers import normalise
from unictk.samples import GeneratedImage, Request, Text
from unictk.sprites.grammar.categories import categories, fits
from unictk.sprites.grammar.claims import CLOSED, Claim, claims
from unictk.sprites.grammar.descriptions import prompt
from unictk.sprites.grammar.selfplay import parse_proposal, proposal, proposer_question
from unictk.sprites.grammar.verdicts import BEST, CLEAR, judge_question, parse_verdict, score_of
from unictk.sprites.splits import random_scene

PROPOSAL_TOKENS = 128
PROPOSAL_TEMPERATURE = 0.5
"""Nearly all proposals differ even so, and fewer of them break their category's rule."""

VERDICT_TOKENS = 320
MOST_EXAMPLES = 3
MIXED_STEPS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Sampling steps of the pictures to judge, by turns: from spoilt ones to good ones."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """New prompts of a category, written with a temperature so that equal questions get other answers."""

    asking: Asking
    items: Sequence[Item]
    concepts: Sequence[ConceptTokens] = ()

    def ask(self, items: Sequence[Item]) -> list[str]:
        """The proposer's answers."""
        return self.asking.say(items, PROPOSAL_TOKENS, temperature=PROPOSAL_TEMPERATURE)

    def scores(self, items: Sequence[Item], answers: Sequence[str]) -> list[Scores]:
        """Whether each parses, fits its category and is new, and whether no earlier answer is the same."""
        earlier: set[str] = set()
        found = []
        for item, answer in zip(items, answers, strict=True):
            made_up = parse_proposal(answer)
            said = normalise(made_up.prompt) if made_up else ""
            category, *examples = item.tags
            distinct = made_up is not None and said not in earlier
            new = distinct and said not in map(normalise, examples)
            fit = made_up is not None and new and fits(category, made_up.prompt)
            earlier.add(said)
            scores = {"parses": made_up is not None, "fits": fit, "distinct": distinct}
            found.append({f"propose_{name}": float(value) for name, value in scores.items()})
        return found


def proposals(asking: Asking, scale: Scale) -> list[Proposals]:
    """The categories by turns, with up to three examples."""
    return [Proposals(asking, made("propose_parses", many(200, scale), asking.seed, _proposed))]


def _proposed(chance: random.Random, number: int) -> Item:
    category = tuple(categories())[number % len(categories())]
    examples = [_example(chance, category) for _ in range(chance.randint(0, MOST_EXAMPLES))]
    question = proposer_question(chance, category, examples, PHRASING)
    return Item(
        "propose_parses", f"{number:04d}", question, category, (Text(question),), tags=(category, *examples)
    )


def _example(chance: random.Random, category: str) -> str:
    while True:
        scene = random_scene(chance, WORLD, chance.choice(categories()[category].characters))
        try:
            found = parse_proposal(proposal(chance, scene, category, PHRASING)[0])
        except ValueError:  # characters that stand alike have no relation: take another scene
            continue
        assert found is not None
        return found.prompt


@dataclass(frozen=True, slots=True)
class Judgements:
    """Pictures that the backbone draws and then judges, twice: in one verdict, and asked point by point."""

    asking: Asking
    items: Sequence[Item]
    concepts: Sequence[ConceptTokens] = ()

    def ask(self, items: Sequence[Item]) -> list[str]:
        """What the backbone said, its probability asked point by point, and what the oracle sees."""
        drawn = self.asking.draw(items)
        requests = [self._question(*pair) for pair in zip(items, drawn, strict=True)]
        said = self.asking.backbone.generate_text(requests)
        asked = self._asked(items, drawn)
        true = [dict(verdict.right) for verdict in judged(ORACLE, items, drawn)]
        found = zip(said, asked, true, strict=True)
        return [json.dumps({"said": s, "asked": round(a, 5), "right": t}) for s, a, t in found]

    def _question(self, item: Item, drawn: GeneratedImage) -> Request:
        chance = random.Random(seed_of(self.asking.seed, *item.key))
        words = Text(judge_question(chance, item.question, PHRASING))
        segments = words, drawn.as_segment(key="/".join(item.key))
        return self.asking.request(
            item, *segments, about="verdict", max_new_tokens=VERDICT_TOKENS, text_temperature=0.0
        )

    def _asked(self, items: Sequence[Item], drawn: Sequence[GeneratedImage]) -> list[float]:
        """Probability that each picture is clear, times the mean probability that its points are right.

        As the oracle scores: in a picture that shows nothing clearly nothing is right.
        """
        whether = Claim("clear", CLEAR.of(PHRASING)[0], CLOSED, CLOSED[0])
        asked = [
            (number, claim)
            for number, item in enumerate(items)
            for claim in (whether, *claims(item.points, PHRASING))
        ]
        found = probabilities(
            self.asking.backbone,
            [(self._closed(items[number], drawn[number], claim), claim.options) for number, claim in asked],
        )
        chances: list[list[float]] = [[] for _ in items]
        for (number, claim), options in zip(asked, found, strict=True):
            chances[number].append(options[claim.right])
        return [clear * sum(right) / len(right) for clear, *right in chances]

    def _closed(self, item: Item, drawn: GeneratedImage, claim: Claim) -> Request:
        segments = drawn.as_segment(key="/".join(item.key)), Text(claim.question)
        return self.asking.request(item, *segments, about=claim.point)

    def scores(self, items: Sequence[Item], answers: Sequence[str]) -> list[Scores]:
        """Scores from 0 to 1 of the verdict, of the points asked, and of the oracle; agreement on points.

        A verdict that does not parse scores 0 and agrees on nothing; on a point that a verdict leaves out
        there is no agreement either.
        """
        return [self._scores(*pair) for pair in zip(items, answers, strict=True)]

    @staticmethod
    def _scores(item: Item, answer: str) -> Scores:
        found = json.loads(answer)
        true: dict[str, bool] = found["right"]
        said = parse_verdict(found["said"])
        named = said.each(item.points) if said else {}
        agreed = sum(named[point] == true[point] for point in named)
        return {
            "judge_parses": float(said is not None),
            "judge_complete": float(said is not None and said.complete(item.points)),
            "judge_points": agreed / len(true),
            "judge_score": said.score / BEST if said else 0.0,
            "judge_asked": found["asked"],
            "judge_truth": score_of(true) / BEST,
        }


def judgements(asking: Asking, scale: Scale) -> list[Judgements]:
    """Prompts of one and two characters by turns of eight, drawn in 1 to 16 steps."""
    return [Judgements(asking, made("judge_parses", many(200, scale), asking.seed, _judged))]


def _judged(chance: random.Random, number: int) -> Item:
    scene = random_scene(chance, WORLD, 1 + number // len(MIXED_STEPS) % 2)
    text, asked = prompt(chance, scene, detail(chance, scene), PHRASING)
    return to_draw("judge_parses", number, text, asked, ORACLE, MIXED_STEPS[number % len(MIXED_STEPS)])
