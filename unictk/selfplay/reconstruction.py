"""Records into samples (UniCorn, section 3.3.2): what the model did becomes what it learns, by rule alone.

| kind | is shown | must produce |
|---|---|---|
| generation | the prompt | the winner |
| caption | the winner, an instruction | the prompt, word for word |
| judgement | rubric and prompt, a picture | the judgement: reasons, then the score |
| reflection | the loser, the prompt and what the judge said of the loser | the winner |
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from unictk.chance import seed_of
from unictk.errors import DataError
from unictk.samples import Image, Sample, Segment, Text
from unictk.selfplay.answers import judgement_text
from unictk.selfplay.categories import CategorySet
from unictk.selfplay.choosing import Chosen, ReconstructionRules
from unictk.selfplay.codes import unpacked
from unictk.selfplay.groups import Group
from unictk.selfplay.judging import judge_question
from unictk.selfplay.rows import JudgementRow, LessonRow, RolloutRow, SegmentRow
from unictk.selfplay.wording import Wording, flavour_of

KINDS = ("generation", "caption", "judgement", "reflection")


class Writer:
    """Writes the lessons of groups; each depends on its records, the wording and the seed."""

    def __init__(
        self, chosen: Chosen, categories: CategorySet, wording: Wording, rules: ReconstructionRules, seed: int
    ) -> None:
        self.chosen, self.categories, self.wording = chosen, categories, wording
        self.rules, self.seed = rules, seed

    def lessons(self, groups: Iterable[Group]) -> Iterator[LessonRow]:
        """All lessons in the order of the groups, those of a group in the order of :data:`KINDS`."""
        for group in groups:
            uid, chosen = group.prompt_uid, self.chosen
            yield from (self.generation(group, one) for one in chosen.generation.get(uid, ()))
            yield from (self.caption(group, one) for one in chosen.caption.get(uid, ()))
            yield from (self.judgement(group, one) for one in chosen.judgement.get(uid, ()))
            if uid in chosen.reflection:
                yield self.reflection(group, *chosen.reflection[uid])

    def generation(self, group: Group, winner: int) -> LessonRow:
        """From the prompt to the winner."""
        row, said = group.of(winner)
        return self._lesson("generation", row, said, (_text(row.prompt), _image(row, target=True)))

    def caption(self, group: Group, winner: int) -> LessonRow:
        """From the winner to its prompt."""
        row, said = group.of(winner)
        chance = self._chance("caption", row)
        flavour = flavour_of(row.prompt, chance, self.rules.generalised)
        asked = self.wording.caption(flavour, chance)
        segments = (_image(row), _text(asked), _text(row.prompt, target=True))
        return self._lesson("caption", row, said, segments, flavour=flavour)

    def judgement(self, group: Group, rollout: int) -> LessonRow:
        """From the question that the judge was asked to the answer that it gave, in the one form."""
        row, said = group.of(rollout)
        category = self.categories[row.category]
        asked = judge_question(self.wording, category, row.prompt, row.prompt_uid, self.seed)
        if said.score is None:
            raise DataError(f"{said.sample_id}: no score ({said.status}), so there is no judgement to learn")
        answer = judgement_text(said.analysis, said.score)
        segments = (_text(asked.text), _image(row), _text(answer, target=True))
        return self._lesson("judgement", row, said, segments)

    def reflection(self, group: Group, winner: int, loser: int) -> LessonRow:
        """From the loser and its critique to the winner."""
        (best, good), (worst, bad) = group.of(winner), group.of(loser)
        asked = self.wording.redraw(best.prompt, bad.analysis, self._chance("reflection", best))
        segments = (_image(worst), _text(asked), _image(best, target=True))
        gap = None if good.score is None or bad.score is None else good.score - bad.score
        return self._lesson("reflection", best, good, segments, loser=worst.sample_id, gap=gap)

    def _chance(self, kind: str, row: RolloutRow) -> random.Random:
        return random.Random(seed_of(self.seed, kind, row.sample_id))

    @staticmethod
    def _lesson(
        kind: str,
        row: RolloutRow,
        said: JudgementRow,
        segments: tuple[SegmentRow, ...],
        flavour: str = "",
        loser: str = "",
        gap: float | None = None,
    ) -> LessonRow:
        return LessonRow(
            sample_id=f"{row.sample_id}-{kind}",
            kind=kind,
            round=row.round,
            category=row.category,
            prompt_uid=row.prompt_uid,
            prompt=row.prompt,
            flavour=flavour,
            winner=row.sample_id,
            loser=loser,
            score=said.score,
            gap=gap,
            segments=segments,
        )


def sample_of(lesson: LessonRow, root: Path) -> Sample:
    """The lesson as a sample. Pictures are taken as they were drawn where their codes are known.

    Args:
        lesson: a record.
        root: the run folder, which paths are relative to.

    Raises:
        DataError: a picture is not there, or its path leads out of the run folder.
    """
    segments: list[Segment] = []
    for one in lesson.segments:
        if one.text is not None:
            segments.append(Text(one.text, target=one.target))
            continue
        path = _inside(root, one.image or "", lesson.sample_id)
        codes = None if one.codes is None else unpacked(one.codes, one.codes_dtype, one.codes_shape)
        segments.append(Image(path, target=one.target, codes=codes, key=one.key))
    return Sample(*segments, key=lesson.sample_id)


def _inside(root: Path, path: str, whose: str) -> Path:
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        raise DataError(f"{whose}: {path!r} is not a path below the run folder")
    if not (root / path).is_file():
        raise DataError(f"{whose}: its picture {path!r} is not in {root}")
    return root / path


def _text(text: str, target: bool = False) -> SegmentRow:
    return SegmentRow(text, None, target, "", None, "", ())


def _image(row: RolloutRow, target: bool = False) -> SegmentRow:
    return SegmentRow(None, row.image, target, row.sample_id, row.codes, row.codes_dtype, row.codes_shape)
