"""What a backbone reads for a prompt, with and without a concept."""

from __future__ import annotations

from collections.abc import Callable

from unictk.concepts.prompts import PLACEHOLDER, expand
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError


def wording(concept: ConceptTokens | None, named: bool) -> Callable[[str], str]:
    """Puts the concept's drawing tokens into prompts that name it.

    ``named``: one that does not name it is refused, else it is drawn as it stands.
    """

    def words(prompt: str) -> str:
        if concept is None:
            if PLACEHOLDER in prompt:
                raise UserError(
                    f"task.saved: null, but the prompt {prompt!r} names {PLACEHOLDER}; "
                    "give task.saved=<concept folder>, or another prompt"
                )
            return prompt
        if named or PLACEHOLDER in prompt or str(concept) in prompt:
            return expand(prompt, concept)
        return prompt

    return words
