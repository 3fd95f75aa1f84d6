"""Who scores rollouts, and how a verdict becomes a record.

:class:`VerdictJudge` is the method's own (UniCorn, section 3.3.1): the model gives reasons and a score in
words, in the very question and form that it is taught later. :class:`PointJudge` takes any judge of pictures.
Where the wording can take a prompt apart, the judge's answers point by point are put into the form that is
taught: the score is ten times the share of points that are right, rounded down, and the judge's own score,
which may be finer, breaks ties.

Both read what was recorded: a batch that is judged after a kill gets the verdicts it would have got.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
import torch
from annotated_types import Ge
from PIL import Image as PILImage
from torch import Tensor

from unictk.backbones.base import Backbone
from unictk.errors import DataError
from unictk.judges.base import Judge, JudgeRequest, Verdict
from unictk.samples import Image, Request, Sampling, Text
from unictk.selfplay.answers import judgement_text, read_judgement
from unictk.selfplay.categories import CategorySet
from unictk.selfplay.codes import unpacked
from unictk.selfplay.judging import judge_question, judge_seed, judgement_row, needs_again
from unictk.selfplay.rows import JudgementRow, RolloutRow
from unictk.selfplay.seeding import AGAIN
from unictk.selfplay.selection import expected_score, score_options
from unictk.selfplay.wording import Points, Wording

POINTS = "points"
"""The rung of a score that was asked for point by point."""

NOT_A_PROMPT = "the prompt cannot be taken apart"
"""In place of an answer: nobody was asked."""


class RolloutJudge(Protocol):
    """Scores recorded rollouts. ``name`` stands in every record."""

    name: str

    def judge(self, rows: Sequence[RolloutRow]) -> list[JudgementRow]:
        """A judgement per rollout, in order; each is what the rollout alone would get."""
        ...


class VerdictJudge:
    """The backbone's own words: rubric, prompt and picture in, reasons and a score out.

    Args:
        backbone: who judges.
        wording: in which it is asked.
        categories: of the prompts.
        seed: the run's; the question of a prompt is worded with it, here and in the lessons.
        max_new_tokens: of an answer.
        expected: also ask for the mean score under the model's own probabilities, behind the reasons it gave.
    """

    def __init__(
        self,
        backbone: Backbone,
        wording: Wording,
        categories: CategorySet,
        seed: int,
        max_new_tokens: Annotated[int, Ge(1)] = 256,
        expected: bool = False,
    ) -> None:
        self.name = "self/score"
        self.backbone, self.wording, self.categories, self.seed = backbone, wording, categories, seed
        self.max_new_tokens, self.expected = max_new_tokens, expected

    def judge(self, rows: Sequence[RolloutRow]) -> list[JudgementRow]:
        """Verdicts; an answer without a score is asked for once more with a little temperature."""
        started = time.monotonic()
        first = self._say(rows, 0)
        failed = [row for row, answer in zip(rows, first, strict=True) if needs_again(answer)]
        again = dict(zip((row.sample_id for row in failed), self._say(failed, 1), strict=True))
        said = [again.get(row.sample_id, answer) for row, answer in zip(rows, first, strict=True)]
        means = self._means(rows, said)
        seconds = (time.monotonic() - started) / max(1, len(rows))
        return [
            judgement_row(
                row, answer, self.name, self.wording.name, again.get(row.sample_id), means.get(place), seconds
            )
            for place, (row, answer) in enumerate(zip(rows, first, strict=True))
        ]

    def _say(self, rows: Sequence[RolloutRow], attempt: int) -> list[str]:
        temperature = AGAIN if attempt else 0.0
        return self.backbone.generate_text([self._request(row, attempt, temperature) for row in rows])

    def _request(self, row: RolloutRow, attempt: int, temperature: float) -> Request:
        category = self.categories[row.category]
        asked = judge_question(self.wording, category, row.prompt, row.prompt_uid, self.seed)
        return Request(
            Text(asked.text),
            Image(None, codes=codes_of(row), key=row.sample_id),
            seed=judge_seed(row.sample_id, attempt, self.seed),
            sampling=Sampling(max_new_tokens=self.max_new_tokens, text_temperature=temperature),
        )

    def _means(self, rows: Sequence[RolloutRow], said: Sequence[str]) -> dict[int, float]:
        """Expected scores by place, where they are wanted and the answer holds a score."""
        found: dict[int, float] = {}
        for place, (row, answer) in enumerate(zip(rows, said, strict=True)):
            judged = read_judgement(answer)
            if self.expected and judged.score is not None:
                options = score_options(judged.analysis)  # reasons differ, so each is a call of its own
                (found[place],) = expected_score(self.backbone.choose([self._request(row, 0, 0.0)], options))
        return found


class PointJudge:
    """Any judge of pictures, its answers in the form that is taught.

    A prompt that the wording should be able to take apart and cannot gets no score: nobody knows what to ask.

    Args:
        judge: whose eyes.
        name: of the judge, in records.
        wording: what takes prompts apart, and has the form of a judgement.
        root: the run folder, which pictures are relative to.
    """

    def __init__(self, judge: Judge, name: str, wording: Wording, root: Path) -> None:
        self.judging, self.name, self.wording, self.root = judge, name, wording, root

    def judge(self, rows: Sequence[RolloutRow]) -> list[JudgementRow]:
        """Verdicts of all rollouts whose prompt can be judged, in one call."""
        started = time.monotonic()
        points = [self.wording.points(row.prompt) for row in rows]
        places = [place for place, one in enumerate(points) if one or not self.wording.takes_apart]
        verdicts = self.judging.judge([self._request(rows[place], points[place]) for place in places])
        found: dict[int, Verdict] = dict(zip(places, verdicts, strict=True))
        seconds = (time.monotonic() - started) / max(1, len(rows))
        return [self._row(row, points[place], found.get(place), seconds) for place, row in enumerate(rows)]

    def _request(self, row: RolloutRow, points: Points | None) -> JudgeRequest:
        asked = points.asked if points else None
        return JudgeRequest(row.prompt, pixels_of(row, self.root), row.category, asked, codes=codes_of(row))

    def _row(
        self, row: RolloutRow, points: Points | None, verdict: Verdict | None, seconds: float
    ) -> JudgementRow:
        if verdict is None or verdict.score is None:
            said = NOT_A_PROMPT if verdict is None else verdict.analysis
            blank = judgement_row(row, "", self.name, self.wording.name, seconds=seconds)
            return replace(blank, raw_text=said)
        if points is not None and set(verdict.right) == set(points.asked.points()):
            text, rung = points.judgement(verdict.right), POINTS
        else:
            text, rung = judgement_text(verdict.analysis, verdict.score), "json"
        made = judgement_row(row, text, self.name, self.wording.name, expected=verdict.score, seconds=seconds)
        return replace(made, rung=rung)


def codes_of(row: RolloutRow) -> Tensor | None:
    """What the model drew the picture in."""
    return None if row.codes is None else unpacked(row.codes, row.codes_dtype, row.codes_shape)


def pixels_of(row: RolloutRow, root: Path) -> Tensor:
    """(3, H, W) floats in [0, 1] of the kept picture.

    Raises:
        DataError: it is not there or cannot be read.
    """
    try:
        with PILImage.open(root / row.image) as image:
            array = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise DataError(f"{root / row.image}: not a picture ({error}); rerun=true draws it again") from error
    return torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 255
