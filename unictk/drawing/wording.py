"""What a backbone reads for a prompt, without a concept, with one or with several."""

from __future__ import annotations

from collections.abc import Sequence

from unictk.concepts.names import PLACEHOLDER, meant
from unictk.concepts.prompts import expand, named_in
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError


class Wording:
    """Reads prompts that name concepts, and puts the drawing tokens of each before its name.

    ``must_name``: a prompt that names none of them is refused (``task.prompt``, which somebody typed); else
    it is drawn as it stands (those of a file, ``task.prompts``).
    """

    def __init__(self, concepts: Sequence[ConceptTokens], must_name: bool) -> None:
        self.concepts = concepts
        self.must_name = must_name
        self.key = "task.prompt" if must_name else "task.prompts"
        self._tokens = [token for concept in concepts for token in concept.tokens()]

    def plain(self, prompt: str) -> str:
        """The prompt with its concepts by name.

        Raises:
            UserError: it names a concept that is not there, or none where it must name one.
        """
        names = [str(concept) for concept in self.concepts]
        found = meant(prompt, names, self._tokens, self.key)
        if names and self.must_name and not named_in(found, self.concepts):
            expected = " or ".join([*names, *([PLACEHOLDER] if len(names) == 1 else [])])
            raise UserError(f"{self.key}: {prompt!r} does not name the concept; expected {expected}")
        return found

    def drawn(self, plain: str) -> str:
        """What the backbone reads for the prompt that :meth:`plain` gave, or for that prompt rewritten."""
        for concept in named_in(plain, self.concepts):
            plain = expand(plain, concept)
        return plain
