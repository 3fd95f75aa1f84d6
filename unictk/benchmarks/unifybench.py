"""UnifyBench, understanding part (UniCTokens, section 4): recognition, VQA, text-only QA, choice.

Deviations from the published scripts, all towards stricter or reproducible numbers: yes and no are whole
words (published: substrings), photos are not flipped at random, exact match stands beside character
BLEU, and an option letter must be the only one named. Text-only questions see a black picture, as
published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from unictk.backbones.base import Backbone
from unictk.benchmarks.base import Progress, Result, Save
from unictk.chance import seed_of
from unictk.concepts import prompts
from unictk.errors import DataError, not_a_choice
from unictk.metrics.answers import exact_match, right_choice
from unictk.metrics.bleu import CharBleu, char_bleu
from unictk.metrics.matching import Choice, ExactMatch
from unictk.metrics.recognition import Recognition, recognised
from unictk.records import ItemRecord
from unictk.samples import Image, Request, Sampling, Text

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens
    from unictk.datamodules.concept_data import ConceptData, Item

RECOGNITION = ("rec_positive", "rec_random", "rec_hard")
FREE = ("vqa", "text_qa")
KINDS = (*RECOGNITION, *FREE, "choice")
"""Values of an evaluation item's ``metric`` that this benchmark asks."""

Answers = dict[tuple[str, str], str]


class UnifyBench:
    """Asks a concept's evaluation items and scores the answers.

    ``max_new_tokens`` per answer (published: 100); ``batch_size`` questions a call, where the questions
    about one picture stay together so that a backbone can read the picture once.
    """

    name = "unifybench"

    def __init__(
        self,
        max_new_tokens: Annotated[int, Ge(1)] = 100,
        batch_size: Annotated[int, Ge(1)] = 16,
    ) -> None:
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size

    def evaluate(
        self,
        backbone: Backbone,
        concept: ConceptTokens,
        data: ConceptData,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        suffix: str = "",
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Ask the items that ``done`` does not answer for this phase; score all of them.

        Metrics of which there are no items are absent. Item counts end in ``/n`` and never take the suffix.

        Raises:
            DataError: two items share metric and id.
            UserError: an item's metric is not one of :data:`KINDS`.
        """
        items = _checked(data.items)
        answers = self._known(items, data, phase, done)
        settings = replace(sampling, max_new_tokens=self.max_new_tokens)
        for batch in _batches(items, self.batch_size):
            missing = [item for item in batch if _id(item) not in answers]
            if missing:
                requests = [_request(item, backbone, concept, data, settings, seed) for item in missing]
                said = backbone.generate_text(requests)
                answers |= {_id(item): text for item, text in zip(missing, said, strict=True)}
                if save is not None:
                    save([record for item in missing for record in self._records(item, answers, data, phase)])
            if progress is not None:
                progress(len(answers), len(items))
        records = [record for item in items for record in self._records(item, answers, data, phase)]
        return Result(self._metrics(items, answers, data.name, suffix), records)

    def pending(self, data: ConceptData, phase: str, done: Iterable[ItemRecord]) -> int:
        """How many items ``done`` does not answer yet for this phase."""
        return len(data.items) - len(self._known(data.items, data, phase, done))

    def _known(
        self, items: Sequence[Item], data: ConceptData, phase: str, done: Iterable[ItemRecord]
    ) -> Answers:
        """Answers given before, to the very same questions about the same pictures."""
        by_key = {record.key: record for record in done}
        known: Answers = {}
        for item in items:
            record = by_key.get((phase, f"{self.name}/{item.metric}", item.item_id))
            if record is None:
                continue
            asked = (record.image, record.question, record.reference)
            if asked == (_picture_key(item, data), item.question, item.reference):
                known[_id(item)] = record.answer
        return known

    def _records(self, item: Item, answers: Answers, data: ConceptData, phase: str) -> list[ItemRecord]:
        answer = answers[_id(item)]
        return [
            ItemRecord(
                metric=f"{self.name}/{metric}",
                item_id=item.item_id,
                image=_picture_key(item, data),
                question=item.question,
                reference=item.reference,
                answer=answer,
                score=round(score, 5),
                phase=phase,
            )
            for metric, score in _scores(item, answer, data.name).items()
        ]

    def _metrics(self, items: Sequence[Item], answers: Answers, name: str, suffix: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for metric, (value, count) in _measure(items, answers, name).items():
            found[f"{self.name}/{metric}{suffix}"] = value
            found[f"{self.name}/{metric}/n"] = float(count)
        return found


def _id(item: Item) -> tuple[str, str]:
    return item.metric, item.item_id


def _picture_key(item: Item, data: ConceptData) -> str | None:
    return None if item.image is None else data.picture_key(item.image)


def _checked(items: Sequence[Item]) -> Sequence[Item]:
    seen: set[tuple[str, str]] = set()
    for item in items:
        if item.metric not in KINDS:
            raise not_a_choice(f"metric of evaluation item {item.item_id}", item.metric, KINDS)
        if _id(item) in seen:
            raise DataError(f"evaluation item {item.item_id!r} of {item.metric}: two items share this id")
        seen.add(_id(item))
    return items


def _batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Batches of at most ``size`` items that depend on the work list only, pictures kept together."""
    by_picture: dict[object, list[Item]] = {}
    for item in items:
        by_picture.setdefault(item.image, []).append(item)
    batch: list[Item] = []
    for unit in by_picture.values():
        if batch and len(batch) + len(unit) > size:
            yield batch
            batch = []
        batch = batch + unit
        while len(batch) > size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def _request(
    item: Item, backbone: Backbone, concept: ConceptTokens, data: ConceptData, sampling: Sampling, seed: int
) -> Request:
    if item.image is None:
        side = backbone.layout.image_size
        picture = Image(np.zeros((side, side, 3), dtype=np.uint8), key="black")
    else:
        picture = Image(item.image, key=data.picture_key(item.image))
    return Request(
        picture,
        Text(prompts.ask(concept, item.question)),
        key=f"{item.metric}/{item.item_id}",
        # The phase takes no part: what differs between phases is the model alone.
        seed=seed_of(seed, "unifybench", item.metric, item.item_id),
        sampling=sampling,
    )


def _scores(item: Item, answer: str, name: str) -> dict[str, float]:
    """The item's score under each metric it belongs to."""
    if item.metric in RECOGNITION:
        return {item.metric: float(recognised(answer, item.metric.removeprefix("rec_")))}
    if item.metric in FREE:
        return {
            item.metric: float(exact_match(answer, item.reference, name)),
            f"{item.metric}_bleu": char_bleu(answer, item.reference),
        }
    return {item.metric: float(right_choice(answer, item.reference))}


def _measure(items: Sequence[Item], answers: Answers, name: str) -> dict[str, tuple[float, int]]:
    """Value and number of items of every metric that has any. Only one rank asks, hence no syncing."""
    found: dict[str, tuple[float, int]] = {}
    asked = {kind: [item for item in items if item.metric == kind] for kind in KINDS}
    said = {kind: [answers[_id(item)] for item in asked[kind]] for kind in KINDS}

    if photos := [kind for kind in RECOGNITION if asked[kind]]:
        recognition = Recognition(sync_on_compute=False)
        for kind in photos:
            recognition.update(said[kind], [kind.removeprefix("rec_")] * len(said[kind]))
        total = sum(len(asked[kind]) for kind in photos)
        for metric, value in recognition.compute().items():
            found[metric] = (value.item(), len(asked[metric]) if metric in asked else total)

    free = [
        (f"{kind}{ending}", kind, score)
        for kind in FREE
        for ending, score in (
            ("", ExactMatch(name, sync_on_compute=False)),
            ("_bleu", CharBleu(sync_on_compute=False)),
        )
    ]
    for metric, kind, score in (*free, ("choice", "choice", Choice(sync_on_compute=False))):
        if asked[kind]:
            score.update(said[kind], [item.reference for item in asked[kind]])
            found[metric] = (score.compute().item(), len(asked[kind]))
    return found
