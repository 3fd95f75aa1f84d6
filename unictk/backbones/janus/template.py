"""Janus-Pro's conversations: who speaks, where pictures stand, what closes a turn.

``<begin>``, a system text where text is wanted, then turns: ``<|User|>: ...`` and two line ends, or
``<|Assistant|>: ...`` and ``<end>``. A picture that is read stands framed on a line of its own; one that is
drawn follows ``<|Assistant|>:`` and the token that starts pictures, and nothing is behind its last code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unictk.backbones.janus.tape import Tape
from unictk.backbones.janus.vocabulary import Vocabulary
from unictk.backbones.text import TextCodec
from unictk.backbones.turns import Turn, turns
from unictk.samples import Segment, Text


@dataclass(frozen=True, slots=True)
class Template:
    """Writes sequences.

    Texts between two tokens of the template are tokenised as one, as a tokenizer would that is given the
    whole conversation; what is said and what is answered are tokenised apart, so that a prompt is the same
    with its answer and without.

    Args:
        codec: text to ids.
        vocabulary: the template's tokens.
        cells: of a picture.
        system: opens conversations in which text is wanted; empty: nothing does.
    """

    codec: TextCodec
    vocabulary: Vocabulary
    cells: int
    system: str = ""

    def whole(self, segments: Sequence[Segment], draws: bool) -> Tape:
        """The sequence of a sample; ``draws``: a picture is what it ends with."""
        tape, sides = self._opened(draws), turns(segments)
        for turn in sides:
            self._turn(tape, turn, final=turn is sides[-1])
        return tape

    def prompt(self, segments: Sequence[Segment], draws: bool) -> Tape:
        """What stands before the answer, or before the picture that is asked for."""
        tape = self._opened(draws)
        for turn in turns(segments):
            self._turn(tape, turn, final=False)
        self._speaks(tape)
        if draws:
            tape.tokens([self.vocabulary.start_of_image])
        return tape

    def ending(self, text: str) -> list[int]:
        """An answer and the end of its turn, as they follow a prompt."""
        return [*self.codec.encode(f" {text.strip()}"), self.vocabulary.end]

    def _opened(self, draws: bool) -> Tape:
        tape = Tape()
        tape.tokens([self.vocabulary.begin])
        if self.system and not draws:
            tape.tokens(self.codec.encode(f"{self.system}\n\n"))
        return tape

    def _speaks(self, tape: Tape) -> None:
        tape.tokens(self.vocabulary.assistant)
        tape.tokens(self.codec.encode(":"))

    def _turn(self, tape: Tape, turn: Turn, final: bool) -> None:
        if turn.answers:
            self._answer(tape, turn, final)
        else:
            self._question(tape, turn)

    def _question(self, tape: Tape, turn: Turn) -> None:
        v, last = self.vocabulary, len(turn.segments) - 1
        tape.tokens(v.user)
        said = ": "
        for place, segment in enumerate(turn.segments):
            if isinstance(segment, Text):
                text = segment.text if place else segment.text.lstrip()
                said += text if place < last else text.rstrip()
                continue
            tape.tokens(self.codec.encode(said + "\n" if place else said))
            tape.tokens([v.start_of_image])
            tape.picture(segment, self.cells, v.image)
            tape.tokens([v.end_of_image])
            said = "\n" if place < last else ""
        tape.tokens(self.codec.encode(f"{said}\n\n"))

    def _answer(self, tape: Tape, turn: Turn, final: bool) -> None:
        v = self.vocabulary
        self._speaks(tape)
        for segment in turn.segments:
            if isinstance(segment, Text):
                tape.tokens(self.codec.encode(f" {segment.text.strip()}"), is_target=True)
                continue
            tape.tokens([v.start_of_image])
            tape.picture(segment, self.cells, v.image)
            if not (final and segment is turn.segments[-1]):
                tape.tokens([v.end_of_image])
        if isinstance(turn.segments[-1], Text):
            tape.tokens([v.end], is_target=True)
        elif not final:
            tape.tokens([v.end])
