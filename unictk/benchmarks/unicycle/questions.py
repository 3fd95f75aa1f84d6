"""What UniCycle asks: a prompt, and questions that a picture of it answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from unictk.sprites.asked import Asked

NAME = "unicycle"

Kind = Literal["yes_no", "multiple_choice", "open", "keywords"]
KINDS: tuple[Kind, ...] = ("yes_no", "multiple_choice", "open", "keywords")
"""``keywords``: words that a free answer must have; a share of them is a share of the score."""

LETTERS = "ABCDEFGH"
"""Of options in words; there are no more of them than these."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the picture of a prompt.

    ``qid`` is unique in its prompt. ``reference`` is the right answer; of a multiple choice, the option that
    is right, as it stands in ``options``. ``points`` are what it asks of the prompt, and ``decides`` says
    whether it is answered rightly exactly if they hold in the picture: a wrong claim is not, since "No." is
    right for any third value, too.
    """

    qid: str
    kind: Kind
    text: str
    reference: str
    options: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    decides: bool = False

    @property
    def expected(self) -> str:
        """What would be right, for a reader."""
        return ", ".join(self.keywords) if self.kind == "keywords" else self.reference

    @property
    def letter(self) -> str:
        """Of the right option."""
        return LETTERS[self.options.index(self.reference)]

    def lettered(self) -> str:
        """The question with its options, one a line, to be answered by a letter."""
        if not self.options:
            return self.text
        lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, self.options, strict=False)]
        return "\n".join([self.text, *lines, "Answer with the letter of the right option."])

    def listed(self) -> str:
        """The question with its options behind it, for a reader."""
        return f"{self.text} ({' / '.join(self.options)})" if self.options else self.text


@dataclass(frozen=True, slots=True)
class Cycle:
    """A prompt with its questions.

    ``prompt_id`` is unique in the benchmark. ``groups`` are names under which its scores are also reported.
    ``expected`` is what the prompt asks, where whoever wrote it knows; then a judge of pictures can tell.
    ``picture`` counts the pictures of one prompt.
    """

    prompt_id: str
    prompt: str
    category: str
    questions: tuple[Question, ...]
    groups: tuple[str, ...] = ()
    expected: Asked | None = None
    picture: int = 0

    @property
    def key(self) -> str:
        """Unique in the whole work list: ``one-0003``, and ``one-0003~1`` for its second picture."""
        return f"{self.prompt_id}~{self.picture}" if self.picture else self.prompt_id


def uncovered(points: Iterable[str], questions: Sequence[Question]) -> list[str]:
    """The points that no question asks by itself: a set of questions is complete if there are none.

    A question about several points at once says of none whether it holds.
    """
    asked = {question.points[0] for question in questions if len(question.points) == 1}
    return [point for point in points if point not in asked]


def version(cycles: Sequence[Cycle]) -> str:
    """A hash of prompts and questions: scores of different questions are not to be compared."""
    kept = [(one.prompt_id, one.prompt, one.category, [asdict(q) for q in one.questions]) for one in cycles]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]
