"""A concept that a model has no tokens of: a word is its name, and a description may stand for the tokens."""

from __future__ import annotations

from collections.abc import Sequence

from unictk.backbones.base import RowShape
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError


class ToldConcept(ConceptTokens):
    """A concept without rows, as a model meets it before any training.

    ``<bo>`` is then no token of the model, so prompts say ``word`` in its place: the name without brackets
    unless told otherwise. With ``sentences`` (each about ``<bo>``) they are what the model reads where a
    trained concept's soft tokens stand; without, it is told nothing.

    Raises:
        UserError: a name that cannot stand in a path, or a word that is blank or has brackets.
    """

    def __init__(
        self, name: str, shape: RowShape, word: str | None = None, sentences: Sequence[str] = ()
    ) -> None:
        super().__init__(name, shape)
        self.word = name if word is None else word.strip()
        if not self.word or set("<>\n") & set(self.word):
            raise UserError(f"task.called: {word!r} cannot stand for {self}; expected a word, without <>")
        self.told = " ".join(sentence.strip() for sentence in sentences)

    def summary(self) -> str:
        """What a reader of the scores must know, in one line."""
        told = f"begin with: {self.told.replace(str(self), self.word)}" if self.told else "tell nothing of it"
        return f"{self} is no token of the model; prompts call it {self.word} and {told}"

    def grow(self, group: str, rows: object) -> None:
        """Refused: what is told in words has no tokens.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self}: is told in words and takes no rows of group {group!r}")
