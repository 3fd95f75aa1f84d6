"""A prompt's text back to what it asks: the inverse of :mod:`unictk.sprites.grammar.descriptions`.

Case and articles carry no meaning, and every mark but the full stop is a comma. A text with a word left
over, or one that no picture could fulfil, is not of the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from unictk.sprites.asked import SETTING, Asked
from unictk.sprites.grammar.descriptions import BETWEEN
from unictk.sprites.grammar.phrases import NUMBERS, PLACES
from unictk.sprites.grammar.predicates import POSITIONS
from unictk.sprites.scenes import (
    COLOURS,
    COLUMNS,
    EARS,
    EYES,
    IDENTITY,
    MOST,
    PATTERNS,
    ROWS,
    SHAPES,
    SIZES,
    Character,
    Identity,
    Scene,
)

WORN = {"hat": ("wearing", "wears"), "scarf": ("wearing", "wears"), "balloon": ("holding", "holds")}
"""Accessories and their verbs."""

MARKED = {"stripes": "striped", "dots": "dotted", "half": "split", "feet": ""}
"""What shows the second colour, and the pattern that tells."""

OPENINGS = ("draw photo of", "photo of", "draw", "there is", "there are")
"""How a prompt can begin, without articles."""

SETTINGS_SAID = {phrase: name for name, phrase in PLACES.items()}
RELATIONS_SAID = {
    word: (name, converse) for name, words in BETWEEN.items() for converse, word in enumerate(words)
}
"""Relation words, and whether they are the converse."""


STAGED = ("accessory", "item", "column", "row", "size")
"""What is not of the identity."""


class _NotAPromptError(Exception):
    """The text is not of the grammar."""


def parse(text: str) -> Asked | None:
    """What the prompt asks, or None if it is no prompt of the grammar. Prompts with names are not."""
    try:
        return _Reader(text).prompt()
    except _NotAPromptError:
        return None


def parse_scene(text: str) -> Scene | None:
    """The scene that a complete caption tells, or None if the text leaves anything open."""
    asked = parse(text)
    if asked is None or asked.setting is None or asked.relations or asked.refused:
        return None
    try:
        return Scene(asked.setting, tuple(_complete(who) for who in asked.characters))
    except (KeyError, ValueError):
        return None


def _complete(who: Mapping[str, str]) -> Character:
    worn = {"item": "none"} | dict(who)
    identity = Identity(**{name: worn.pop(name) for name in IDENTITY})
    return Character(identity, **{name: worn[name] for name in STAGED})


class _Reader:
    """Reads words from left to right; a ``maybe`` method takes what it names or leaves the place alone."""

    def __init__(self, text: str) -> None:
        words = re.findall(r"[^\s.,;:]+|[.,;:]", text.lower())
        self.words = ["," if word in (";", ":") else word for word in words if word not in ("a", "an")]
        self.at = 0
        self.setting: str | None = None
        self.characters: list[dict[str, str]] = []
        self.relations: list[tuple[str, int, int]] = []
        self.count: int | None = None
        self.refused: list[tuple[int, str, str]] = []

    def prompt(self) -> Asked:
        opened = self.maybe(OPENINGS)
        if self.maybe_setting() and not opened:
            self.maybe(OPENINGS)
        if number := self.maybe([f"{word} character{'s' * (word != 'one')}" for word in NUMBERS[1:]]):
            self.count = NUMBERS.index(number.split()[0])
        while self.at < len(self.words) and not self.maybe(["."]):
            self.part()
        while self.at < len(self.words):
            self.claim("is")
            self.must(["."])
        return self.checked()

    def part(self) -> None:
        """A character, something about the last one, a setting, or a relation."""
        if self.maybe_setting() or self.maybe_character() or self.maybe_relation():
            return
        if self.peek(",") and self.words[self.at + 1 : self.at + 2] == ["the"]:
            self.claim("")
            return
        if not self.characters:
            raise _NotAPromptError
        self.about_last()

    def checked(self) -> Asked:
        """What was read, unless nothing could fulfil it."""
        number = self.count or len(self.characters)
        if not 1 <= number <= MOST or (self.characters and len(self.characters) != number):
            raise _NotAPromptError
        if any(who.get("colour", "") == who.get("second") for who in self.characters):
            raise _NotAPromptError
        if any(self.characters[at].get(name) == value for at, name, value in self.refused if at != SETTING):
            raise _NotAPromptError
        return Asked(
            self.setting, tuple(self.characters), tuple(self.relations), self.count, tuple(self.refused)
        )

    def maybe(self, phrases: Iterable[str]) -> str:
        """The longest of the phrases that comes next, or an empty string."""
        start = self.at + self.peek(",")
        for phrase in sorted(phrases, key=len, reverse=True):
            words = phrase.split()
            if self.words[start : start + len(words)] == words:
                self.at = start + len(words)
                return phrase
        return ""

    def must(self, phrases: Iterable[str]) -> str:
        """One of the phrases, or the text is no prompt."""
        if not (found := self.maybe(phrases)):
            raise _NotAPromptError
        return found

    def peek(self, word: str) -> bool:
        return self.words[self.at : self.at + 1] == [word]

    def maybe_setting(self) -> bool:
        before = self.at
        refused = self.maybe(["not"])
        phrase = self.maybe(SETTINGS_SAID)
        if not phrase:
            self.at = before
            return False
        if self.setting is not None or any(at == SETTING for at, *_ in self.refused):
            raise _NotAPromptError
        if refused:
            self.refused.append((SETTING, "setting", SETTINGS_SAID[phrase]))
        else:
            self.setting = SETTINGS_SAID[phrase]
        return True

    def maybe_character(self, related: bool = False) -> bool:
        """``(and) small striped red star``: a new character, parted from one before unless ``related``."""
        before = self.at
        parted = self.peek(",") or bool(self.maybe(["and"]))
        if self.characters and not (parted or related):
            return False
        words = {name: self.maybe(choices) for name, choices in _ADJECTIVES.items()}
        noun = self.maybe([*SHAPES, "character"])
        if not noun:
            self.at = before
            return False
        words["shape"] = "" if noun == "character" else noun
        self.characters.append({name: word for name, word in words.items() if word})
        return True

    def maybe_relation(self) -> bool:
        """``left of a blue drop``: a relation between the last character and a new one."""
        word = self.maybe(RELATIONS_SAID)
        if not word:
            return False
        if not (self.characters and self.maybe_character(related=True)):
            raise _NotAPromptError
        self.relate(len(self.characters) - 2, word, len(self.characters) - 1)
        return True

    def claim(self, verb: str) -> None:
        """``the red star (is) left of the blue drop``."""
        one = self.known()
        if verb:
            self.must([verb])
        word = self.must(RELATIONS_SAID)
        self.relate(one, word, self.known())

    def relate(self, one: int, word: str, other: int) -> None:
        name, converse = RELATIONS_SAID[word]
        if one == other:
            raise _NotAPromptError
        self.relations.append((name, other, one) if converse else (name, one, other))

    def known(self) -> int:
        """``the red star``: the number of the one character so called."""
        self.must(["the"])
        called = {"colour": self.must(COLOURS), "shape": self.must(SHAPES)}
        found = [at for at, who in enumerate(self.characters) if called.items() <= who.items()]
        if len(found) != 1:
            raise _NotAPromptError
        return found[0]

    def about_last(self) -> None:
        """Something about the last character, behind the words that attach it."""
        while self.maybe(["and", "with", "that", "which", "has"]):
            pass
        if not (self.maybe_refusal() or self.maybe_place() or self.maybe_feature() or self.maybe_worn()):
            raise _NotAPromptError

    def tell(self, **values: str) -> None:
        """Attributes of the last character, each told once."""
        who = self.characters[-1]
        if who.keys() & values.keys():
            raise _NotAPromptError
        who.update(values)

    def maybe_refusal(self) -> bool:
        """``no hat``, ``(is) not red``, ``(is) not striped``."""
        if item := self.maybe([f"no {name}" for name in WORN]):
            self.refused.append((len(self.characters) - 1, "accessory", item.split()[1]))
            return True
        if self.maybe(["is not", "not"]):
            value = self.must([*COLOURS, *PATTERNS])
            name = "colour" if value in COLOURS else "pattern"
            self.refused.append((len(self.characters) - 1, name, value))
            return True
        return False

    def maybe_place(self) -> bool:
        """``(stands) at the top left``, ``(stands) in the left column``."""
        stands = self.maybe(["stands"])
        if spot := self.maybe([f"at the {name}" for name in POSITIONS]):
            row, *column = spot.removeprefix("at the ").split()
            self.tell(row=row, column=column[0] if column else row)
        elif line := self.maybe([f"in the {name} column" for name in COLUMNS]):
            self.tell(column=line.split()[2])
        elif line := self.maybe([f"in the {name} row" for name in ROWS]):
            self.tell(row=line.split()[2])
        elif stands:
            raise _NotAPromptError
        else:
            return False
        return True

    def maybe_feature(self) -> bool:
        """``blue stripes``, ``long ears``, ``wide eyes``."""
        if mark := self.maybe([f"{colour} {mark}" for colour in COLOURS for mark in MARKED]):
            colour, what = mark.split()
            self.tell(second=colour, **({"pattern": MARKED[what]} if MARKED[what] else {}))
        elif ears := self.maybe([f"{'no' if name == 'none' else name} ears" for name in EARS]):
            self.tell(ears="none" if ears == "no ears" else ears.split()[0])
        elif eyes := self.maybe([f"{name} eyes" for name in EYES]):
            self.tell(eyes=eyes.split()[0])
        else:
            return False
        return True

    def maybe_worn(self) -> bool:
        """``(wearing) green hat``, ``holding balloon``, ``wearing nothing``."""
        if self.maybe(["wearing nothing", "wears nothing"]):
            self.tell(accessory="none")
            return True
        verb = self.maybe(["wearing", "wears", "holding", "holds"])
        colour = self.maybe(COLOURS)
        accessory = self.maybe(WORN)
        if not accessory or (verb and verb not in WORN[accessory]):
            raise _NotAPromptError
        self.tell(accessory=accessory, **({"item": colour} if colour else {}))
        return True


_ADJECTIVES = {"size": SIZES, "pattern": PATTERNS, "colour": COLOURS}
