"""Lessons about somebody: known by personal tokens, or defined in words in the very prompt."""

from __future__ import annotations

import random
from collections.abc import Sequence

from unictk.concepts import prompts
from unictk.samples import Sample, Segment, Text
from unictk.sprites.coded import Album, Coded
from unictk.sprites.grammar import knowledge
from unictk.sprites.grammar.descriptions import canonical, prompt
from unictk.sprites.grammar.knowledge import NAMES
from unictk.sprites.grammar.phrases import Phrasing
from unictk.sprites.grammar.questions import QA
from unictk.sprites.grammar.recall import named_prompt, recall
from unictk.sprites.grammar.recall import rewriting as asked_to_rewrite
from unictk.sprites.known import known_characters
from unictk.sprites.lessons.parts import answered, any_of, defined, detail, drawn, question
from unictk.sprites.scenes import Identity
from unictk.sprites.splits import FOODS, Facts, Part, facts_of, identities_of, part_of
from unictk.sprites.variants import look_alike

PART: Part = "pretraining"
TRAINING: Phrasing = "training"

PLANS = 2
"""Prompts in a lesson of planning."""

REFUSING = 0.25
"""Share of planned prompts that say what must not be; of all prompts these are a ninth."""

REWRITTEN = 4
"""Prompts about one stranger in a lesson of rewriting."""


def recognition(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """Is this the known character in the slot? Half of the pictures show another, mostly a look-alike."""
    slot = chance.randrange(len(seated))
    who, name, draw = seated[slot], f"<c{slot}>", chance.random()
    if here := draw < 0.5:
        coded = chance.choice((*album.known[who], *album.own[who]))
    elif draw < 0.8:
        coded = chance.choice(album.look_alikes[who])
    else:
        coded = chance.choice(album.known[chance.choice([n for n in range(len(album.known)) if n != who])])
    asked = knowledge.recognition(chance, name, here, TRAINING)
    first = QA(f"{defined(chance, slot)}\n{asked.question}", asked.answer, asked.kind)
    if not here:
        return answered(chance, [coded.image()], [first, question(chance, coded.scene)])
    seen = knowledge.seen_question(chance, coded.scene, 0, name, TRAINING)
    looks = knowledge.looks_question(chance, name, known_characters()[who].identity, TRAINING)
    return answered(chance, [coded.image()], [first, *chance.sample((seen, looks), 2)])


def telling_apart(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture, and three definitions in words of which half fit; the others are off in one value."""
    coded = chance.choice(album.pairs if chance.random() < 0.25 else album.singles)
    shown = [one.identity for one in coded.scene.characters]
    asked = []
    for name in chance.sample(NAMES, 3):
        identity = chance.choice(shown)
        if here := chance.random() < 0.5:
            words = identity
        else:
            words = look_alike(chance, identity) if chance.random() < 0.75 else _anybody(chance)
            here = words in shown
        one = knowledge.recognition(chance, name, here, TRAINING)
        told = knowledge.definition(chance, name, words, None, TRAINING)
        asked.append(QA(f"{told}\n{one.question}", one.answer, one.kind))
    return answered(chance, [coded.image()], asked)


def matching(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A picture and two who may be in it, by tokens or in words: value by value, then whether it is the one.

    "Is it Bo?" is six comparisons in one answer. Here each has both of its values said before it, so that
    recalling, seeing and comparing are a word each.
    """
    slot, other = chance.sample(range(len(seated)), 2)
    if chance.random() < 0.7:
        draw = chance.random()
        coded = chance.choice((album.known if draw < 0.45 else album.look_alikes)[seated[slot]])
        first = _known(slot, seated)
    else:
        coded = chance.choice(album.singles)
        shown = coded.scene.characters[0].identity
        first = chance.choice(NAMES), shown if chance.random() < 0.5 else look_alike(chance, shown), None
    seen = coded.scene.characters[0].identity
    asked = []
    for name, who, at in chance.sample((first, _known(other, seated)), 2):
        told = knowledge.definition(chance, name, who, None, TRAINING) if at is None else defined(chance, at)
        one = knowledge.compared(chance, name, who, seen, TRAINING)
        asked.append(QA(f"{told}\n{one.question}", one.answer, one.kind))
    return answered(chance, [coded.image()], asked)


def _known(slot: int, seated: Sequence[int]) -> tuple[str, Identity, int | None]:
    """Name, looks and slot of the known character in a slot."""
    return f"<c{slot}>", known_characters()[seated[slot]].identity, slot


def planning(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """Prompts, and the whole of a picture that fulfils each, in the words of the complete caption.

    What a prompt refuses and what it leaves open are the hard part: its words must not simply be taken over.
    """
    asked = []
    for _ in range(PLANS):
        scene = any_of(chance, album, 0.5).scene
        refuses = chance.random() < REFUSING
        text, _ = prompt(chance, scene, "negation" if refuses else detail(chance, scene), TRAINING)
        asked.append(QA(prompts.planning(text), canonical(scene), "plan"))
    return answered(chance, [], asked)


def planning_known(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """The same of prompts about a known character, or about a stranger who is defined first."""
    asked = []
    for slot in chance.sample(range(len(seated)), PLANS):
        if chance.random() < 2 / 3:
            told, name, who = f"{defined(chance, slot)}\n", f"<c{slot}>", seated[slot]
            if chance.random() < 0.5:
                coded = chance.choice(album.known[who])
                text, _ = named_prompt(chance, coded.scene, 0, name, TRAINING)
            else:
                coded = chance.choice(album.own[who])
                text = _needing(chance, coded, name, known_characters()[who].facts)
        else:
            coded, name = chance.choice(album.singles), chance.choice(NAMES)
            facts = _fitting(chance, coded)
            if facts is None or chance.random() < 0.4:
                text, _ = named_prompt(chance, coded.scene, 0, name, TRAINING)
            else:
                text = _needing(chance, coded, name, facts)
            who_is = coded.scene.characters[0].identity
            told = f"{knowledge.definition(chance, name, who_is, facts, TRAINING)}\n"
        asked.append(QA(f"{told}{prompts.planning(text)}", canonical(coded.scene), "plan"))
    return answered(chance, [], asked)


def facts(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """Questions about somebody without a picture (or behind the black one that stands for none)."""
    before: list[Segment] = [album.black] if chance.random() < 0.25 else []
    if chance.random() < 0.5:
        return answered(chance, before, _known_facts(chance, seated))
    return answered(chance, before, _told_facts(chance))


def rewriting(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A stranger defined in words, then prompts that need its facts, to be written with them."""
    name, identity, told = chance.choice(NAMES), _anybody(chance), chance.choice(facts_of(PART))
    first, *more = [
        asked_to_rewrite(chance, recall(chance, name, identity, told, TRAINING), TRAINING)
        for _ in range(REWRITTEN)
    ]
    words = knowledge.definition(chance, name, identity, told, TRAINING)
    return answered(chance, [], [QA(f"{words}\n{first.question}", first.answer, first.kind), *more])


def drawing_known(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """A known character by its personal tokens: as it is, staged in words, or as its facts say."""
    slot = chance.randrange(len(seated))
    name, who = drawn(chance, slot), seated[slot]
    draw = chance.random()
    if draw < 0.25:
        coded = chance.choice((*album.known[who], *album.own[who]))
        text = f"A photo of {name}."
    elif draw < 0.6:
        coded = chance.choice(album.known[who])
        text, _ = named_prompt(chance, coded.scene, 0, name, TRAINING)
    else:
        coded = chance.choice(album.own[who])
        text = _needing(chance, coded, name, known_characters()[who].facts)
    return _draw(chance, text, coded)


def drawing_defined(chance: random.Random, album: Album, seated: tuple[int, ...]) -> Sample:
    """Somebody defined in the prompt, drawn as the rest of the prompt or its facts say."""
    coded, name = chance.choice(album.singles), chance.choice(NAMES)
    who = coded.scene.characters[0].identity
    told = _fitting(chance, coded)
    if told is None or chance.random() < 0.4:
        text, _ = named_prompt(chance, coded.scene, 0, name, TRAINING)
        told = chance.choice(facts_of(PART)) if chance.random() < 0.3 else None
    else:
        text = _needing(chance, coded, name, told)
    return _draw(chance, f"{knowledge.definition(chance, name, who, told, TRAINING)}\n{text}", coded)


def _draw(chance: random.Random, text: str, coded: Coded) -> Sample:
    return Sample(Text(text), coded.image(target=True), seed=chance.getrandbits(62))


def _needing(chance: random.Random, coded: Coded, name: str, told: Facts) -> str:
    """A prompt that needs the facts and is fulfilled by the picture."""
    scene = coded.scene
    one = scene.characters[0]
    shown = one.attributes() | {"setting": scene.setting}
    while True:
        found = recall(chance, name, one.identity, told, TRAINING)
        wanted = dict(found.asked.characters[0])
        if found.asked.setting is not None:
            wanted["setting"] = found.asked.setting
        if wanted.items() <= shown.items():
            return found.prompt


def _fitting(chance: random.Random, coded: Coded) -> Facts | None:
    """Facts that the picture shows, wholly or in part; None where it cannot show any of the right part."""
    one, setting = coded.scene.characters[0], coded.scene.setting
    what = chance.choice(("item", "home", "both"))
    if one.accessory == "none":
        what = "home"
    for _ in range(8):
        other = chance.choice(facts_of(PART))
        found = Facts(
            other.accessory if what == "home" else one.accessory,
            other.item if what == "home" else one.item,
            other.home if what == "item" else setting,
            chance.choice(FOODS),
        )
        if part_of(found) == PART:
            return found
    return None


def _asked(chance: random.Random, name: str, identity: Identity, told: Facts) -> QA:
    """A question or a claim about the facts or the looks."""
    truth = chance.random() < 0.5
    draw = chance.random()
    if draw < 0.35:
        return knowledge.fact_question(chance, name, told, TRAINING)
    if draw < 0.65:
        return knowledge.fact_yes_no(chance, name, told, truth, TRAINING)
    if draw < 0.8:
        return knowledge.looks_question(chance, name, identity, TRAINING)
    return knowledge.looks_yes_no(chance, name, identity, truth, TRAINING)


def _known_facts(chance: random.Random, seated: Sequence[int]) -> list[QA]:
    """Two known characters, each defined by its tokens before its questions; sometimes a rewritten prompt."""
    asked = []
    for slot in chance.sample(range(len(seated)), 2):
        who, name = known_characters()[seated[slot]], f"<c{slot}>"
        mine = [_asked(chance, name, who.identity, who.facts) for _ in range(3)]
        if chance.random() < 0.3:
            needs = recall(chance, name, who.identity, who.facts, TRAINING)
            mine[-1] = asked_to_rewrite(chance, needs, TRAINING)
        first = QA(f"{defined(chance, slot)}\n{mine[0].question}", mine[0].answer, mine[0].kind)
        asked += [first, *mine[1:]]
    return asked


def _told_facts(chance: random.Random) -> list[QA]:
    """One or two strangers defined in words, then questions about either."""
    names = chance.sample(NAMES, chance.choice((1, 2)))
    told = {name: (_anybody(chance), chance.choice(facts_of(PART))) for name in names}
    words = " ".join(knowledge.definition(chance, name, *who, TRAINING) for name, who in told.items())
    asked = []
    for _ in range(6):
        name = chance.choice(names)
        asked.append(_asked(chance, name, *told[name]))
    if chance.random() < 0.3:
        name = chance.choice(names)
        asked[-1] = asked_to_rewrite(chance, recall(chance, name, *told[name], TRAINING), TRAINING)
    return [QA(f"{words}\n{asked[0].question}", asked[0].answer, asked[0].kind), *asked[1:]]


def _anybody(chance: random.Random) -> Identity:
    return chance.choice(identities_of(PART))
