"""UniCycle as a benchmark of a backbone itself: on a file of questions, and in the sprites world."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

from unictk.backbones.base import Backbone
from unictk.benchmarks.base import Progress, Result, Save
from unictk.benchmarks.sprites.items import Scale
from unictk.benchmarks.unicycle.asking import Asking, Choices
from unictk.benchmarks.unicycle.files import read_cycles, spread
from unictk.benchmarks.unicycle.judging import RuleMarker, marker_of
from unictk.benchmarks.unicycle.outcomes import Book
from unictk.benchmarks.unicycle.questions import KINDS, NAME
from unictk.benchmarks.unicycle.rows import Length
from unictk.benchmarks.unicycle.running import run, several
from unictk.benchmarks.unicycle.sprites import SOURCE, sprites_cycles
from unictk.errors import UserError
from unictk.judges.answers import Grader
from unictk.judges.base import Judge
from unictk.records import ItemRecord
from unictk.samples import Sampling

Count = Annotated[int, Ge(1)]
Share = Annotated[float, Gt(0), Le(1)]


class UniCycle:
    """UniCycle-style: questions from a file, answers marked by rule or by an external judge.

    The published questions were never released, so numbers are not to be compared with the paper's.

    Args:
        questions: a file of questions (jsonl or json), or a folder of such; see :mod:`.files`.
        prompts: the parallel file or folder of prompts, where the questions do not have theirs (TIIF).
        length: which of TIIF's two forms of a prompt is drawn.
        limit: at most so many prompts, spread evenly over all; None: all.
        pictures: of each prompt.
        choices: how options are offered.
        keyword_threshold: the least share of keywords that counts as right in ``hard``.
        max_new_tokens: of an answer.
        batch_size: prompts a call; after each its records are saved.

    Raises:
        DataError: a file is missing or damaged, or its questions cannot be asked.
    """

    name = NAME
    needs_judge = False

    def __init__(
        self,
        questions: str,
        prompts: str | None = None,
        length: Length = "short",
        limit: Count | None = None,
        pictures: Count = 1,
        choices: Choices = "said",
        keyword_threshold: Share = 1.0,
        max_new_tokens: Count = 100,
        batch_size: Count = 16,
    ) -> None:
        read = read_cycles(Path(questions), None if prompts is None else Path(prompts), length)
        self.source = f"UniCycle-style, {Path(questions).name}"
        self.cycles = several(spread(read, limit), pictures)
        self.choices: Choices = choices
        self.keyword_threshold = keyword_threshold
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size

    def evaluate(
        self,
        backbone: Backbone,
        judge: Judge | Grader | None,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        folder: Path | None = None,
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Draw and ask what ``done`` does not tell yet for this phase, and score everything.

        Raises:
            UserError: the judge does not grade answers.
        """
        if judge is not None and not isinstance(judge, Grader):
            raise UserError(f"judge: {judge.name} grades no answers; use judge=rules, or one that does")
        longest = dict.fromkeys(KINDS, self.max_new_tokens)
        asking = Asking(backbone, sampling, seed, longest, self.choices, folder)
        book = Book(asking, marker_of(judge), None, phase, self.keyword_threshold)
        return run(book, self.cycles, self.batch_size, self.source, done, save, progress)


class SpritesUniCycle:
    """UniCycle in the sprites world: questions by its grammar, references that are exact, marked by rule.

    A judge of pictures, if there is one, says what they really show: how far the prompts were drawn
    (``truth_soft``, ``truth_hard``), and on how many single questions the model's answer agrees with that.

    Args:
        scale: ``full`` has 400 prompts, ``quick`` an eighth of them.
        pictures: of each prompt.
        choices: how options are offered.
        keyword_threshold: the least share of keywords that counts as right in ``hard``.
        max_new_tokens: of an answer; ``caption_tokens``: of a description.
        batch_size: prompts a call; after each its records are saved.
    """

    name = NAME
    needs_judge = False

    def __init__(
        self,
        scale: Scale = "full",
        pictures: Count = 1,
        choices: Choices = "likeliest",
        keyword_threshold: Share = 1.0,
        max_new_tokens: Count = 12,
        caption_tokens: Count = 96,
        batch_size: Count = 16,
    ) -> None:
        self.scale: Scale = scale
        self.pictures = pictures
        self.choices: Choices = choices
        self.keyword_threshold = keyword_threshold
        self.longest = dict.fromkeys(KINDS, max_new_tokens) | {"keywords": caption_tokens}
        self.batch_size = batch_size

    def evaluate(
        self,
        backbone: Backbone,
        judge: Judge | Grader | None,
        sampling: Sampling,
        seed: int,
        *,
        phase: str,
        folder: Path | None = None,
        done: Iterable[ItemRecord] = (),
        save: Save | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Draw and ask what ``done`` does not tell yet for this phase, and score everything."""
        seeing = judge if isinstance(judge, Judge) else None
        asking = Asking(backbone, sampling, seed, self.longest, self.choices, folder)
        book = Book(asking, RuleMarker(strict=True), seeing, phase, self.keyword_threshold)
        cycles = several(sprites_cycles(seed, self.scale), self.pictures)
        return run(book, cycles, self.batch_size, f"{SOURCE}, {self.scale}", done, save, progress)
