"""Text to ids: the base tokenizer, concept tokens, and Show-o's two prompt forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unictk.backbones.showo.vocabulary import Vocabulary
from unictk.samples import Text

REMEMBERED = 65_536
"""Texts whose ids are kept: an epoch of a concept many times over, and a bound for endless data."""


class TextCodec:
    """Encodes text with concept tokens into ids; decodes answers.

    Text is cut at concept tokens and each piece is tokenised on its own, as added tokens of a tokenizer
    are; an answer is tokenised apart from its prompt, with its leading space (spec: the space belongs to
    the target). Picklable; it remembers what it has encoded.
    """

    def __init__(self, tokenizer: Any, codebook: int) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = Vocabulary(len(tokenizer), codebook, tokenizer.eos_token_id)
        self.concept_ids: dict[str, int] = {}
        self._pattern: re.Pattern[str] | None = None
        self._known: dict[str, tuple[int, ...]] = {}

    def attach(self, tokens: Iterable[str]) -> None:
        """Give the concept tokens the ids behind the tables, in order."""
        self.concept_ids = {token: self.vocabulary.size + row for row, token in enumerate(tokens)}
        longest_first = sorted(self.concept_ids, key=len, reverse=True)
        self._pattern = (
            re.compile("(" + "|".join(map(re.escape, longest_first)) + ")") if longest_first else None
        )
        self._known.clear()

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a text; no ``<|endoftext|>`` is added."""
        known = self._known.get(text)
        if known is None:
            pieces = self._pattern.split(text) if self._pattern else [text]
            known = tuple(token for piece in pieces if piece for token in self._piece(piece))
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[text] = known
        return known

    def _piece(self, piece: str) -> Sequence[int]:
        concept = self.concept_ids.get(piece)
        if concept is not None:
            return (concept,)
        end = self.tokenizer.eos_token
        if end in piece:  # written by somebody, not meant: it must not end an answer
            parts = piece.replace(end, f"{end[:-2]}\0{end[-2:]}").split("\0")
            return [token for part in parts for token in self._piece(part)]
        return self.tokenizer(piece, add_special_tokens=False)["input_ids"] if piece else ()

    def decode(self, ids: Sequence[int]) -> str:
        """Text of answer ids: concept tokens as their strings, task tokens and image codes left out."""
        names: Mapping[int, str] = {number: token for token, number in self.concept_ids.items()}
        pieces: list[str] = []
        plain: list[int] = []
        for number in [*ids, None]:
            if number is not None and number < self.vocabulary.text:
                if number != self.vocabulary.end_of_text:
                    plain.append(number)
                continue
            if plain:
                pieces.append(self.tokenizer.decode(plain))
                plain = []
            if number is not None:
                pieces.append(names.get(number, ""))
        return "".join(pieces).strip()

    def drawing_prompt(self, text: str | None, limit: int) -> tuple[int, ...]:
        """``<|t2i|>, eot, text, eot`` of at most ``limit`` ids; text None is the dropped condition.

        A longer text is cut to ``limit - 1`` ids and closed by eot, as published.
        """
        vocabulary = self.vocabulary
        end = vocabulary.end_of_text
        ids = (vocabulary.draw, end, *(self.encode(text) if text is not None else ()), end)
        return ids if len(ids) <= limit else (*ids[: limit - 1], end)

    def conversation(self, texts: Sequence[Text]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """``USER: question ASSISTANT: answer<|endoftext|>`` per round.

        Texts between answers are one question, a line each.

        Returns:
            Ids, and for each whether it is a target (the answer's tokens and its end).
        """
        ids: list[int] = []
        is_target: list[bool] = []
        for round_ in rounds(texts):
            prompt = self.encode(f"USER: {round_.question} ASSISTANT:")
            answer: tuple[int, ...] = ()
            if round_.answer is not None:
                answer = (*self.encode(f" {round_.answer}"), self.vocabulary.end_of_text)
            ids += [*prompt, *answer]
            is_target += [False] * len(prompt) + [round_.is_target] * len(answer)
        return tuple(ids), tuple(is_target)


class Round:
    """One exchange: what the user says, and the answer if there is one."""

    __slots__ = ("answer", "is_target", "question")

    def __init__(self, question: str, answer: str | None, is_target: bool) -> None:
        self.question, self.answer, self.is_target = question, answer, is_target


def rounds(texts: Sequence[Text]) -> list[Round]:
    """Split texts at their targets; what precedes a target is the question, joined by newlines.

    Without any text there is one empty question.
    """
    found: list[Round] = []
    question: list[str] = []
    for text in texts:
        if text.target:
            found.append(Round("\n".join(question), text.text, True))
            question = []
        else:
            question.append(text.text)
    if question or not found:
        found.append(Round("\n".join(question), None, False))
    return found
