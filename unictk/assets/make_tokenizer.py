"""Train the bundled tokenizer: ``python -m unictk.assets.make_tokenizer [FOLDER]``.

A byte-level BPE of 1,152 entries with GPT-2's way of splitting text (a space belongs to the word after it),
trained on sentences written by the templates below: about pictures, about the built-in world, and plain
prose. Every byte is an entry, so any text round-trips. The same program writes the same bytes.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ENTRIES = 1152
END_OF_TEXT = "<|endoftext|>"
LINES = 40_000


def _words(text: str, separator: str | None = None) -> list[str]:
    return " ".join(text.split()).split(separator)


FILLERS = {
    "colour": _words("red green blue yellow orange purple pink brown black white grey golden dark light"),
    "shape": _words("circle square triangle star heart diamond ring cross"),
    "pattern": _words("plain striped dotted"),
    "material": _words("wooden metal glass small large tiny huge round old new shiny fluffy"),
    "worn": _words("hat scarf glasses hat scarf glasses coat dress shirt jacket"),
    "animal": _words("dog cat bird horse cow sheep rabbit fox bear duck puppy lion fish mouse"),
    "object": _words("""
        cup bowl plate book bag box chair table lamp clock phone bottle car bike boat train toy flower
        tree cake apple bread camera shoe sofa bed window door ball house picture"""),
    "person": _words("man woman boy girl child person teacher friend"),
    "people": _words("men women boys girls children people friends"),
    "place": _words("""
        the park|the garden|the kitchen|the snow|the city|the forest|the street|the beach|the room|the
        field| the mountains|the sea|a wooden floor|the table|the grass|the window|a house|the night
        sky|the wall| a plain background|the school|the water""", "|"),
    "action": _words("""
        sitting standing running walking sleeping playing smiling looking eating jumping lying holding
        reading riding flying swimming waiting"""),
    "near": _words("""
        in|in|on|on|near|next to|in front of|behind|under|above|beside|to the left of|
        to the right of""", "|"),
    "feature": _words("colour shape size pattern position background kind name number"),
    "mood": _words("happy bright quiet beautiful warm cold simple small"),
    "number": _words("one two three four five six seven eight nine ten"),
    "where": _words("left right centre"),
    "size": _words("small large big"),
    "name": _words("bo mika luno tavi rex nori pip zuri"),
    "yes": _words("yes no Yes No"),
    "digit": list("0123456789"),
    "ink": _words("red orange yellow green blue purple pink white"),
    "form": _words("circle square triangle star heart diamond drop flower character"),
    "marks": _words("stripes dots feet striped dotted plain split half"),
    "eye": _words("round wide sleepy"),
    "ear": _words("round pointed long"),
    "item": _words("hat scarf balloon"),
    "spot": _words("top left|top middle|top right|left|middle|right|bottom left|bottom right", "|"),
    "setting": _words("""
        at the beach|in the forest|in the city|in space|in the desert|in the snow|in the meadow|in the
        sea""", "|"),
    "relation": _words("left of|right of|above|below|bigger than|smaller than|the same as", "|"),
    "food": _words("apples bread cheese honey nuts carrots soup cake"),
    "noun": _words("""
        way day time man thing life world hand part place week case point home water room mother area
        money story fact month lot right book eye job word side head house friend father hour game line
        end city name minute idea body back parent face level door light reason moment air teacher
        morning night evening street station market river road village kitchen garden summer winter
        letter dinner family sister brother"""),
    "verb": _words("""
        say go get make know think take see come want look use find give tell work call try ask need
        feel become leave put mean keep let begin help show hear play run move live believe bring write
        sit stand lose pay meet learn change lead understand watch follow stop speak read open walk win
        remember wait build stay fall cut reach choose describe explain name draw hold carry turn start
        point"""),
    "past": _words("""
        was had said went made took saw came got knew thought found gave told left felt put kept looked
        used asked worked called tried needed seemed turned started showed played moved lived opened
        walked stopped arrived watched followed happened brought wrote sat stood met ran fell held
        bought heard became"""),
    "ing": _words("""
        being having doing going making taking looking coming working using trying talking thinking
        getting moving starting living writing reading holding wearing showing asking helping waiting"""),
    "quality": _words("""
        good new first last long great little own other old right big high different small large next
        early young important few same able bad best better sure free whole clear full open short easy
        hard strong true second empty fresh second certain possible late beautiful"""),
    "manner": _words("""
        up so out just now how then more also here well only very even back there down still too when
        never really most again often always almost perhaps slowly quickly soon together away yesterday
        today once"""),
    "pronoun": _words("I you he she it we they that this"),
    "object_pronoun": _words("me you him her it us them"),
    "their": _words("my your his her its our their the the the a a an some any every this that these those"),
    "preposition": _words("""
        of of of in in in to to for for on on with with at by from from about into over after under
        between out against during without before around through along behind until since"""),
    "and": _words("and and and but or if because as when while that which who so than where"),
    "can": _words("can could will would should may might must do does did"),
}  # fmt: skip

PICTURES = """
A photo of a {colour} {object} {near} {place}.
A photo of <{name}> {action} in {place}.
A {mood} picture of {number} {colour} {animal}s {action} {near} {place}.
A {size} {pattern} {colour} {shape} on the {where}, wearing a {colour} {worn}.
The {pattern} {colour} {shape} is on the {where} and has a {colour} {worn}.
The {animal} is {action} {near} {place}.
The {person} is wearing a {colour} {worn} and {action} near {place}.
Two {people} are {action} {near} the {material} {object}.
There is a {colour} {object} {near} the {object}.
Is there a {animal} in the image? Yes, there is.
Is there a {colour} {object} in this picture? No, there is not.
Is <{name}> in this image? Yes.
Is <{name}> here? No.
Can you see <{name}> in this photo? Yes, <{name}> is in the photo.
What is the {feature} of the {object}? {Colour}.
What colour is the {shape}? What colour is the {worn}? It is {colour}.
What shape is it? It is a {shape}.
What {feature} is the {shape}? It is {colour}.
What pattern does it have? {Pattern}.
What is <{name}> wearing? <{name}> is wearing a {colour} {worn}.
What is the {person} doing? The {person} is {action} {near} {place}.
Where is <{name}>? <{name}> is {near} {place}.
How many {animal}s are there? There are {number}.
Who is this? This is <{name}>, a {colour} {animal}.
Describe the image. The image shows a {material} {object} {near} {place}.
Give a caption. A {colour} {animal} {action} {near} {place}.
<{name}> is a {pattern} {colour} {shape} with a {colour} {worn}. <{name}> has a {colour} {object}.
<{name}> lives in {place}. <{name}> likes the {animal} and the {object}.
USER: What is in the picture? ASSISTANT: A {person} with a {colour} {worn}.
Question: Does the image show a {animal}? Answer: {yes}.
Draw a {colour} {animal} {near} a {object}, with {place} in the background.
Generate an image of a {mood} {person} {action} in {place}, in soft light, high quality.
The background is {colour}. The {shape} is {pattern}, and it is in the middle of the image.
{{"analysis": "The {object} is {colour}, as the prompt asks.", "score": {digit}}}
{{"question": "What {feature} is it?", "answer": "{colour}", "evaluation": "{yes}"}}
{{"category": "{feature}", "subcategory": "{mood}", "prompt": "A {colour} {object} {near} {place}."}}
["{colour}", "{object}", {digit}, {digit}{digit}, 0.{digit}]
The score is {digit} out of 10, because the {object} is {colour} and not {colour}.
{digit}{digit} x {digit}{digit} = {digit}{digit}{digit}, {digit}.{digit}, (a) {digit}; (b) {digit}: {digit}%
""".strip().splitlines()

SPRITES = """
A {size} {ink} {form} with {ink} {marks}, {ear} ears and {eye} eyes, wearing a {ink} {item}, at the {spot}.
{Setting}: a {size} {ink} {form} with {ink} {marks}, no ears and {eye} eyes, holding a {ink} balloon.
A photo of a plain {ink} {form} with a {ink} half that has {ear} ears and stands {setting}.
Draw {number} characters {setting}: a {ink} {form} and a {ink} {form}, not wearing a {item}.
The {ink} {form} is {relation} the {ink} {form}. Is the {form} {ink}? Yes. No.
There are {number} characters, {setting}. There is a {ink} {form} at the {spot}, wearing nothing.
Describe the picture. What is the {form} wearing? What pattern does the {form} have? {ink} {marks}
What colour is the {ink} {form}? What colour are its feet? Which eyes does the {form} have?
How many characters are wearing a {item}? {number}. Is the {form} {relation} the {form}?
{Name}'s {item} is {ink}. {Name} lives {setting} and eats {food}. Where is the home of {name}?
USER: Is <{name}> in the picture? ASSISTANT: No. USER: Which character is bigger? ASSISTANT: the {form}
Where does the {form} stand, in the {spot} column or row? Is it the same character in both pictures?
The first {form} is {ink}, and none of the {form}s is {ink}. Count the plain {form}s. True? Describe one.
{Name} owns a {ink} {item}. Which food does {name} eat: {food}? What size is its own place? Name its number.
A {form} that has {ink} dots, wears a {item}, holds a balloon and stands {setting}. How many wear a {item}?
Draw a {form}. Draw two {form}s {setting}. Where does {name} live? What do they own? {Name} likes {food}.
setting: {setting}, right. shape: {form}, right. colour: {ink}, wrong. {{"score": {digit}}}
""".strip().splitlines()
"""The words of the built-in world, so that each is one entry."""

PROSE = """
{Pronoun} {past} {preposition} {their} {noun} {and} {pronoun} {past} {manner} {preposition} the {noun}.
The {noun} {preposition} {their} {noun} was {quality} {and} {pronoun} {can} {verb} {object_pronoun}.
{Pronoun} {can} {verb} {their} {quality} {noun}, {and} {pronoun} had been {ing} {preposition} it.
{And} {pronoun} {past} {object_pronoun} {preposition} the {noun}, {pronoun} {past} to {verb} {manner}.
What {can} {pronoun} {verb} {preposition} {their} {noun}?
Could you tell me what {their} {noun} is {ing}, or which {number} {noun}s {can} {verb} the {object}?
There were {number} {noun}s when {pronoun} {past} {manner} {preposition} the {quality} {noun}.
Most {people} would {verb} that the {quality} {noun} is {manner} {quality}.
{Pronoun} {can}n't {verb} {their} {noun}s, {and} it's {quality} to {verb} {object_pronoun}.
{Their} {noun} is {ing} {and} the {quality} {noun}s are {manner} {preposition} {their} {noun}.
Please {verb} {object_pronoun} {and} {verb} the {noun} {preposition} one {quality} {noun}.
{Pronoun} have {manner} {past} {their} {noun}, {their} {animal}, {their} {object} or {their} {person}.
""".strip().splitlines()


def corpus(lines: int = LINES, seed: int = 0) -> Iterator[str]:
    """``lines`` lines of text, pictures and prose in turn."""
    chance = random.Random(seed)
    for number in range(lines):
        yield _fill(chance.choice((PICTURES, PROSE, SPRITES)[number % 3]), chance)


def _fill(template: str, chance: random.Random) -> str:
    """``{word}`` becomes a word of that kind, ``{Word}`` the same with a capital."""

    def word(found: re.Match[str]) -> str:
        key = found.group(1)
        chosen = chance.choice(FILLERS[key.lower()]).strip()
        return chosen.capitalize() if key[0].isupper() else chosen

    return re.sub(r"\{(\w+)\}", word, template).replace("{{", "{").replace("}}", "}")


def write_tokenizer(folder: Path) -> None:
    """Train and write ``tokenizer.json`` and ``tokenizer_config.json`` into ``folder``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ENTRIES - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens([END_OF_TEXT])  # last, as in GPT-2
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    write_tokenizer(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "tokenizer")
