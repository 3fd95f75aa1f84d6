"""Questions about a concept: recognition, VQA, text-only QA, choice (UniCTokens, section 4).

Deviations from the published scripts, all towards stricter or reproducible numbers: yes and no are whole
words (published: substrings), photos are not flipped at random, exact match stands beside character
BLEU, and an option letter must be the only one named. Text-only questions see a black picture, as
published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unictk.backbones.base import Backbone
from unictk.benchmarks.work import Scores
from unictk.chance import seed_of
from unictk.concepts import prompts
from unictk.errors import not_a_choice
from unictk.judges.answers import AnswerRequest, Grader
from unictk.metrics.answers import conclusion, exact_match, right_choice
from unictk.metrics.bleu import char_bleu
from unictk.metrics.recognition import recognised
from unictk.samples import Image, Request, Sampling, Text

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData

RECOGNITION = ("rec_positive", "rec_random", "rec_hard")
COMPARED = ("compared_positive", "compared_random", "compared_hard")
"""The same photos once more, where the model says what it recalls and what it sees before it answers."""

FREE = ("vqa", "text_qa")
KINDS = (*RECOGNITION, *FREE, "choice")
"""Values of an evaluation item's ``metric`` that this benchmark asks."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; ``image`` is the key of ``picture``, None for a question without one."""

    metric: str
    item_id: str
    image: str | None
    question: str
    reference: str
    picture: Path | None


def questions(data: ConceptData, compare: bool = False) -> list[Question]:
    """The concept's evaluation items as a work list; with ``compare`` recognition is asked in both ways.

    Raises:
        UserError: an item's metric is not one of :data:`KINDS`.
    """
    found = []
    for item in data.items:
        if item.metric not in KINDS:
            raise not_a_choice(f"metric of evaluation item {item.item_id}", item.metric, KINDS)
        key = None if item.image is None else data.picture_key(item.image)
        found.append(Question(item.metric, item.item_id, key, item.question, item.reference, item.image))
    if compare:
        found += [_compared(one) for one in found if one.metric in RECOGNITION]
    return found


def _compared(one: Question) -> Question:
    metric = COMPARED[RECOGNITION.index(one.metric)]
    return replace(one, metric=metric, question=prompts.comparing(one.question))


@dataclass(slots=True)
class Questions:
    """Asks a concept's questions; ``grader`` None: free answers get no ``*_judge`` score."""

    backbone: Backbone
    concept: ConceptTokens
    name: str
    items: Sequence[Question]
    sampling: Sampling
    seed: int
    grader: Grader | None = None
    concepts: Sequence[ConceptTokens] = ()
    _grades: dict[AnswerRequest, float | None] = field(default_factory=dict)

    def ask(self, items: Sequence[Question]) -> list[str]:
        """The backbone's answers, with the concept's own name wherever they mean it."""
        said = self.backbone.generate_text([self._request(item) for item in items])
        return [prompts.heard(one, self.concept) for one in said]

    def _request(self, item: Question) -> Request:
        if item.picture is None:
            side = self.backbone.layout.image_size
            picture = Image(np.zeros((side, side, 3), dtype=np.uint8), key="black")
        else:
            picture = Image(item.picture, key=item.image or "")
        return Request(
            picture,
            Text(prompts.ask(self.concept, item.question)),
            key=f"{item.metric}/{item.item_id}",
            # The phase takes no part: what differs between phases is the model alone.
            seed=seed_of(self.seed, "unifybench", item.metric, item.item_id),
            sampling=self.sampling,
        )

    def scores(self, items: Sequence[Question], answers: Sequence[str]) -> list[Scores]:
        """Each item's score under every metric it belongs to."""
        pairs = list(zip(items, answers, strict=True))
        self._grade([self._graded(*pair) for pair in pairs if pair[0].metric in FREE])
        return [self._score(*pair) for pair in pairs]

    def _score(self, item: Question, answer: str) -> Scores:
        if item.metric in RECOGNITION:
            return {item.metric: float(recognised(answer, item.metric.removeprefix("rec_")))}
        if item.metric in COMPARED:
            concluded = conclusion(answer) or ""
            return {item.metric: float(recognised(concluded, item.metric.removeprefix("compared_")))}
        if item.metric in FREE:
            scores = {
                item.metric: float(exact_match(answer, item.reference, self.name)),
                f"{item.metric}_bleu": char_bleu(answer, item.reference),
            }
            grade = self._grades.get(self._graded(item, answer))
            return scores if grade is None else scores | {f"{item.metric}_judge": grade}
        return {item.metric: float(right_choice(answer, item.reference))}

    def _graded(self, item: Question, answer: str) -> AnswerRequest:
        return AnswerRequest(item.question, item.reference, answer, self.name)

    def _grade(self, wanted: Sequence[AnswerRequest]) -> None:
        """Have each answer graded once; one whose grade cannot be read has none."""
        if self.grader is None:
            return
        if new := [request for request in dict.fromkeys(wanted) if request not in self._grades]:
            grades = self.grader.grade(new)
            self._grades |= {request: grade.score for request, grade in zip(new, grades, strict=True)}


def asked(
    backbone: Backbone,
    concept: ConceptTokens,
    data: ConceptData,
    sampling: Sampling,
    seed: int,
    longest: int,
    grader: Grader | None,
    compare: bool,
) -> Questions:
    """The questions about a concept, ready to be asked; answers of at most ``longest`` tokens."""
    return Questions(
        backbone,
        concept,
        data.name,
        questions(data, compare),
        replace(sampling, max_new_tokens=longest),
        seed,
        grader,
        (concept,),
    )
