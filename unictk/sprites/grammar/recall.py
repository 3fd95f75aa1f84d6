"""Prompts about somebody known by name, those that need its facts, and how a recalled fact rewrites them."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass

from unictk.sprites.asked import Asked
from unictk.sprites.grammar.descriptions import framed, named, say
from unictk.sprites.grammar.knowledge import NAMES
from unictk.sprites.grammar.phrases import PLACES, Phrases, Phrasing, article
from unictk.sprites.grammar.questions import QA
from unictk.sprites.scenes import ACCESSORIES, COLOURS, SETTINGS, Identity, Scene
from unictk.sprites.splits import Facts

OWN = Phrases(
    (
        "{name} {wearing} its {accessory}",
        "{name} with its {accessory}",
        "{name} that {wears} its {accessory}",
    ),
    ("{name} with the {accessory} it owns",),
)
"""Who, with the thing it owns."""

HOME = Phrases(
    ("at home", "at its home", "where it lives"),
    ("in the place where it lives",),
)
"""Where, in place of a setting."""

REWRITE = Phrases(
    ("Rewrite the prompt: {p}", "Write the prompt with the facts: {p}", "Put the facts in the prompt: {p}"),
    ("Rewrite the prompt with the facts: {p}",),
)


@dataclass(frozen=True, slots=True)
class Recall:
    """A prompt that needs facts, the same prompt with the facts in it, and what it asks."""

    prompt: str
    rewritten: str
    asked: Asked


def named_prompt(
    chance: random.Random, scene: Scene, index: int, name: str, phrasing: Phrasing
) -> tuple[str, Asked]:
    """A prompt that shows somebody as it stands in the scene: its name, and some of what changes.

    The other characters are told by colour and shape. What is asked includes the whole identity.
    """
    one = scene.characters[index]
    groups = [
        ("accessory", "item"),
        ("accessory", "item"),
        ("accessory",),
        ("column", "row"),
        ("column",),
        ("size",),
    ]
    kept = {key for group in chance.sample(groups, chance.randint(0, 3)) for key in group}
    staged = named(one, tuple(kept))
    others = tuple(
        named(other, ("shape", "colour")) for at, other in enumerate(scene.characters) if at != index
    )
    setting = scene.setting if chance.random() < 0.75 else None
    text = say(chance, Asked(setting, (staged, *others)), phrasing, names=(name,))
    return text, Asked(setting, (asdict(one.identity) | staged, *others))


def recall(chance: random.Random, name: str, identity: Identity, facts: Facts, phrasing: Phrasing) -> Recall:
    """``<bo> wearing its hat``, ``<bo> at home``, or both."""
    what = chance.choice(("item", "home", "both"))
    hold = facts.accessory == "balloon"
    who, place = name, HOME.pick(chance, phrasing) if what != "item" else ""
    if what != "home":
        verbs = {"wearing": "holding" if hold else "wearing", "wears": "holds" if hold else "wears"}
        who = OWN.pick(chance, phrasing).format(name=name, accessory=facts.accessory, **verbs)
    text = framed(chance, who, place, phrasing)
    own = {"accessory": facts.accessory, "item": facts.item} if what != "home" else {}
    asked = Asked(facts.home if place else None, (asdict(identity) | own,))
    return Recall(text, rewrite(text, facts), asked)


def rewrite(prompt: str, facts: Facts) -> str:
    """The prompt with ``its hat`` and ``at home`` replaced by what they are; others stay as they are."""
    thing = article(f"{facts.item} {facts.accessory}")
    for phrase in (f"the {facts.accessory} it owns", f"its {facts.accessory}"):
        prompt = prompt.replace(phrase, thing)
    place = PLACES[facts.home]
    for phrase in sorted((*HOME.training, *HOME.evaluation), key=len, reverse=True):
        prompt = prompt.replace(phrase, place)
        prompt = prompt.replace(phrase.capitalize(), place.capitalize())
    return prompt


def same_rewriting(answer: str, reference: str) -> bool:
    """Whether a rewritten prompt says what the reference says, in whatever words.

    It names the same things, colours and places, the same somebody, and needs no fact.
    """
    said, meant = _words(answer), _words(reference)
    names = [word for word in meant if word in _NAMES or word.startswith("<")]
    told, wanted = (sorted(word for word in words if word in _TELLING) for words in (said, meant))
    return told == wanted and set(names) <= set(said) and not _NEEDING & set(said)


_TELLING = {*COLOURS, *ACCESSORIES, *SETTINGS}
_NEEDING = {"its", "owns", "home", "lives"}
_NAMES = {name.lower() for name in NAMES}


def _words(text: str) -> list[str]:
    return re.findall(r"<[^>]+>|[a-z]+", text.lower())


def rewriting(chance: random.Random, needs: Recall, phrasing: Phrasing) -> QA:
    """Ask for the prompt with the facts in it."""
    return QA(REWRITE.pick(chance, phrasing).format(p=needs.prompt), needs.rewritten, "rewrite")
