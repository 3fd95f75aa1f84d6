"""What is said about a sprite concept: short phrases, those of evaluation never among those of training.

``{name}`` is the concept with its brackets, ``{thing}`` an accessory and ``{a_thing}`` the concept's own one.
An answer is a value as it is (``red``, ``nothing``), the same in training and evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from unictk.sprites.scenes import Identity, Scene
from unictk.sprites.splits import Facts

Phrasing = Literal["training", "evaluation"]
Phrases = Mapping[str, tuple[str, ...]]

RECOGNITION = (
    "Is {name} in this picture?",
    "Can you see {name} here?",
    "Does this picture show {name}?",
)
"""Asked of every picture, in training and (the first) in evaluation, as published."""

LOOKS: Phrases = {
    "shape": ("What shape is {name}?",),
    "colour": ("What colour is {name}?",),
    "second": ("What colour are the feet of {name}?",),
    "pattern": ("What pattern does {name} have?",),
    "eyes": ("What eyes does {name} have?",),
    "ears": ("What ears does {name} have?",),
}
"""About the identity; asked in training only, since whoever knows the concept needs no picture to answer."""

SEEN: dict[Phrasing, Phrases] = {
    "training": {
        "setting": ("Where is {name} here?", "What place is this?", "In which place is {name}?"),
        "accessory": (
            "What is {name} wearing or holding?",
            "What does {name} wear or hold?",
            "Which thing is {name} wearing or holding?",
        ),
        "item": (
            "What colour is the {thing}?",
            "Which colour does the {thing} have?",
            "The {thing} is what colour?",
        ),
        "column": (
            "Is {name} on the left, in the middle or on the right?",
            "On which side is {name}?",
            "Left, middle or right: where is {name}?",
        ),
        "row": (
            "Is {name} at the top, in the middle or at the bottom?",
            "How high is {name}?",
            "Top, middle or bottom: where is {name}?",
        ),
        "size": ("Is {name} small or big?", "How big is {name}?", "What size is {name}?"),
    },
    "evaluation": {
        "setting": ("What place is {name} in?",),
        "accessory": ("What thing does {name} wear or hold here?",),
        "item": ("Which colour is the {thing} of {name} here?",),
        "column": ("On the left, in the middle or on the right: where is {name}?",),
        "row": ("At the top, in the middle or at the bottom: where is {name}?",),
        "size": ("What size does {name} have here?",),
    },
}
"""About what changes from picture to picture: only the picture tells."""

TOLD: dict[Phrasing, Phrases] = {
    "training": {
        "accessory": (
            "What does {name} own?",
            "Which thing does {name} own?",
            "What is the thing that belongs to {name}?",
            "What is the thing of {name}?",
            "The thing of {name} is what?",
            "What thing is it that {name} owns?",
            "The thing that belongs to {name} is which?",
        ),
        "item": (
            "What colour is the {thing} of {name}?",
            "Which colour does the {thing} of {name} have?",
            "{name} owns a {thing}. What colour is it?",
            "What is the colour of the {thing} that {name} owns?",
            "The {thing} of {name} is what colour?",
            "The {thing} that {name} owns is of which colour?",
            "The colour of the {thing} that belongs to {name} is what?",
        ),
        "home": (
            "Where does {name} live?",
            "Where is the home of {name}?",
            "In which place does {name} live?",
            "{name} lives where?",
            "{name} lives in which place?",
            "The home of {name} is what?",
            "The home of {name} is which place?",
        ),
        "food": (
            "What does {name} eat?",
            "Which food does {name} eat?",
            "{name} eats what?",
            "Which food is it that {name} eats?",
            "The food of {name} is which?",
            "The food that {name} eats is which?",
            "It is what food that {name} eats?",
        ),
    },
    "evaluation": {
        "accessory": (
            "Which thing belongs to {name}?",
            "What is the thing that {name} owns?",
            "What thing belongs to {name}?",
            "The thing that {name} owns is what?",
            "The thing that belongs to {name} is what?",
            "What thing does {name} own?",
            "{name} owns what?",
            "Which thing is it that {name} owns?",
            "{name} owns which thing?",
            "Which is the thing of {name}?",
        ),
        "item": (
            "The {thing} that {name} owns is what colour?",
            "What is the colour of the {thing} of {name}?",
            "What colour is the {thing} that belongs to {name}?",
            "The {thing} that belongs to {name} is what colour?",
            "The colour of the {thing} of {name} is what?",
            "Which colour is the {thing} of {name}?",
            "{name} owns a {thing} of which colour?",
            "Which colour is the {thing} that {name} owns?",
            "The {thing} of {name} is of what colour?",
            "Of what colour is the {thing} of {name}?",
        ),
        "home": (
            "What place is the home of {name}?",
            "Which place does {name} live in?",
            "What is the home of {name}?",
            "In which place is the home of {name}?",
            "What is the place that is the home of {name}?",
            "The home of {name} is where?",
            "Which place is the home of {name}?",
            "In what place does {name} live?",
            "The home of {name} is in which place?",
            "What place does {name} live in?",
        ),
        "food": (
            "What food does {name} eat?",
            "The food that {name} eats is what?",
            "What is the food that {name} eats?",
            "What is the food of {name}?",
            "{name} eats which food?",
            "Which is the food that {name} eats?",
            "What food is it that {name} eats?",
            "The food of {name} is what?",
            "What is it that {name} eats?",
            "{name} eats what food?",
        ),
    },
}
"""About the facts, asked without a picture."""

FACTS: dict[Phrasing, Phrases] = {
    "training": {
        "item": ("{name} owns {a_thing}.",),
        "home": ("{name} lives {home}.",),
        "food": ("{name} eats {food}.",),
    },
    "evaluation": {
        "item": ("The {thing} of {name} is {item}.",),
        "home": ("The home of {name} is {home}.",),
        "food": ("The food of {name} is {food}.",),
    },
}
"""The facts as sentences; those of evaluation are held out."""

TELL = {
    "item": "Tell me about the {thing} of {name}.",
    "home": "Tell me about the home of {name}.",
    "food": "Tell me about the food of {name}.",
}
"""Training questions that are answered by a fact's sentence."""

PLACES = {
    "beach": "at the beach",
    "forest": "in the forest",
    "city": "in the city",
    "space": "in space",
    "desert": "in the desert",
    "snow": "in the snow",
    "meadow": "in the meadow",
    "sea": "in the sea",
}
PATTERNS = {"striped": "{second} stripes", "dotted": "{second} dots", "split": "one {second} half"}
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A picture to draw from knowledge: ``implicit`` needs the facts that ``explicit`` spells out.

    ``expected`` is what the picture must show beside the identity, by attribute (``setting`` included).
    """

    implicit: str
    explicit: str
    expected: dict[str, str]


Exchange = tuple[str, str]
"""A question and its answer."""


def about_looks(name: str, identity: Identity) -> list[Exchange]:
    """Training questions about every attribute of the identity."""
    values = asdict(identity)
    return [(ask.format(name=name), values[kind]) for kind, (ask, *_) in LOOKS.items()]


def about_picture(name: str, scene: Scene, phrasing: Phrasing, turn: int = 0) -> list[Exchange]:
    """Questions that only the picture answers, one a kind; ``turn`` chooses among the phrasings.

    The first character is asked about. The colour of its accessory is not asked where it has none.
    """
    shown = scene.characters[0].attributes() | {"setting": scene.setting}
    found = []
    for number, (kind, phrases) in enumerate(SEEN[phrasing].items()):
        if kind != "item" or shown["accessory"] != "none":
            ask = phrases[(turn + number) % len(phrases)]
            answer = NOTHING if (kind, shown[kind]) == ("accessory", "none") else shown[kind]
            found.append((ask.format(name=name, thing=shown["accessory"]), answer))
    return found


def about_facts(name: str, facts: Facts, phrasing: Phrasing, most: int | None = None) -> list[Exchange]:
    """Questions about the facts in all phrasings of training or of evaluation, or ``most`` a kind."""
    values = asdict(facts)
    return [
        (ask.format(name=name, thing=facts.accessory), values[kind])
        for kind, phrases in TOLD[phrasing].items()
        for ask in phrases[:most]
    ]


def fact_sentences(name: str, facts: Facts, phrasing: Phrasing) -> list[str]:
    """The facts in words, a sentence each."""
    return [_sentence(phrase, name, facts) for phrases in FACTS[phrasing].values() for phrase in phrases]


def telling(name: str, facts: Facts) -> list[Exchange]:
    """Training questions with the training sentences as answers."""
    asked = [phrase.format(name=name, thing=facts.accessory) for phrase in TELL.values()]
    return list(zip(asked, fact_sentences(name, facts, "training"), strict=True))


def recognition(name: str, here: bool) -> list[Exchange]:
    """Whether the concept is in the picture, in every phrasing."""
    return [(ask.format(name=name), "Yes." if here else "No.") for ask in RECOGNITION]


def description(name: str, identity: Identity) -> str:
    """Every attribute of the identity in one sentence."""
    parts = [f"{identity.second} feet"]
    if identity.pattern != "plain":
        parts.append(PATTERNS[identity.pattern].format(second=identity.second))
    parts.append("no ears" if identity.ears == "none" else f"{identity.ears} ears")
    noun = _a(f"{identity.colour} {identity.shape}")
    return f"{name} is {noun} with {', '.join(parts)} and {identity.eyes} eyes."


def prompts(name: str, facts: Facts) -> list[Prompt]:
    """The knowledge-driven prompts: its accessory, its home, both; in words that pretraining never used."""
    worn = {"accessory": facts.accessory, "item": facts.item}
    home = {"setting": facts.home}
    place, photo = PLACES[facts.home], f"A photo of {name}"
    thing = _a(f"{facts.item} {facts.accessory}")
    return [
        Prompt(f"{photo} with the {facts.accessory} it owns.", f"{photo} with {thing}.", worn),
        Prompt(f"{photo} with the thing it owns.", f"{photo} with {thing}.", worn),
        Prompt(f"{photo} in the place where it lives.", f"{photo} {place}.", home),
        Prompt(f"{photo} in the place that is its home.", f"{photo} {place}.", home),
        Prompt(
            f"{photo} with the {facts.accessory} it owns, in the place where it lives.",
            f"{photo} with {thing}, {place}.",
            worn | home,
        ),
    ]


def every_question(phrasing: Phrasing) -> Iterator[str]:
    """All questions of one phrasing about pictures and facts, with their blanks."""
    for phrases in (*SEEN[phrasing].values(), *TOLD[phrasing].values()):
        yield from phrases


def _sentence(phrase: str, name: str, facts: Facts) -> str:
    return phrase.format(
        name=name,
        thing=facts.accessory,
        a_thing=_a(f"{facts.item} {facts.accessory}"),
        item=facts.item,
        home=PLACES[facts.home],
        food=facts.food,
    )


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
