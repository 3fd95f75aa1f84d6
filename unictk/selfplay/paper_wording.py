"""The method's prompts for models that follow instructions (UniCorn, figures 8 and 9, table 8).

The order of what is told is the paper's. The wording is ours: theirs is not published.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from unictk.selfplay.answers import HIGHEST, PROPOSAL_KEYS
from unictk.selfplay.categories import Category
from unictk.selfplay.wording import Demonstration, Flavour, Points, Question

PROPOSER = """You build a data set of hard prompts for text-to-image models.
Category: {category}
What its prompts must contain: {rule}
A good prompt is dense: it gives many concrete details that can be checked in a picture. It is not short.
{examples}Answer with one JSON object and nothing else:
{{"major_category": "{category}", "subcategory": "<the subcategory>", "prompt": "<the new prompt>"}}"""

PROPOSE = """Write exactly one new prompt.
Category: {category}
Subcategory: {subcategory}
Stay away from what the examples show: other things, other places, another way to begin."""

RATER = """You choose examples for writers of text-to-image prompts. You see one prompt, no picture.
Category: {category}
What its prompts must contain: {rule}
Score it from 0 to {highest}: is it clear, hard to draw, of its category, out of the ordinary?
Answer with one JSON object and nothing else, the reasons before the score:
{{"analysis": "<two sentences>", "score": <number>}}"""

JUDGE = """You judge pictures that were drawn from prompts: strictly, by what can be seen.
What counts in this category, the first before the second:
{criteria}
Scores: {highest} is a picture in which all of it is right; 7 to 9 has small faults; 4 to 6 misses a part of
what was asked; 1 to 3 misses the first criterion; 0 shows nothing of the prompt or cannot be made out.
Answer with one JSON object and nothing else, the reasons before the score:
{{"analysis": "<what is right and what is wrong>", "score": <number from 0 to {highest}>}}"""

JUDGED = """Category: {category}
Prompt: {prompt}
Picture:"""

CAPTIONS: dict[Flavour, tuple[str, ...]] = {
    "caption": (
        "Give a caption of this picture.",
        "Describe this picture in detail.",
        "What does this picture show?",
        "Write down everything that can be seen here.",
        "Caption the picture.",
        "Put this picture into words.",
        "Say what is shown, and how.",
        "Describe what you see.",
        "Write a description of this picture.",
        "Tell somebody who cannot see it what this picture shows.",
        "What is in this picture? Leave out no detail.",
        "Give a full description of the scene.",
    ),
    "prompt": (
        "Which prompt was this picture drawn from?",
        "Infer the prompt that this picture was generated from.",
        "Write the text-to-image prompt of this picture.",
        "What would one have to type to get this picture?",
        "Give the instruction that led to this picture.",
        "Recover the prompt behind this picture.",
        "Guess what the painter of this picture was told.",
        "Write a prompt that produces exactly this picture.",
        "State the request that this picture answers.",
        "From the picture, work out its generation prompt.",
        "What was asked for when this was drawn?",
        "Write down the prompt of this generated picture.",
    ),
}
"""Instructions for captions, in two flavours."""

REDRAW = (
    "{analysis}\nDraw it again so that it follows the prompt: {prompt}",
    "The picture was meant to show this: {prompt}\nWhat was found: {analysis}\nMake a better one.",
    "Prompt: {prompt}\nCritique: {analysis}\nCorrect the picture.",
    "Improve this picture. It was drawn from: {prompt}\nA judge says: {analysis}",
    "Mend what is wrong here. {analysis}\nThe picture should show: {prompt}",
    "Here is a first attempt at this prompt: {prompt}\n{analysis}\nDraw a second one that is right.",
    "{analysis}\nKeep what is right, change what is wrong, and follow the prompt: {prompt}",
    "Edit the picture until it is what was asked: {prompt}\nFound so far: {analysis}",
    "Review of the picture: {analysis}\nPrompt: {prompt}\nDraw the corrected picture.",
    "This does not yet show what was wanted: {prompt}\nBecause: {analysis}\nTry again.",
    "Repaint the picture for the prompt {prompt}\nMind this: {analysis}",
    "From the picture, its prompt and its review, draw the final one.\nPrompt: {prompt}\nReview: {analysis}",
)
"""Instructions for reflection; the picture that lost stands before them."""


class PaperWording:
    """Prompts for models that follow instructions."""

    name = "paper"
    asks_subcategory = True
    takes_apart = False

    def propose(
        self,
        category: Category,
        subcategory: str,
        demonstrations: Sequence[Demonstration],
        chance: random.Random,
    ) -> Question:
        """System part: role, category, rule, form, examples. User part: one new prompt of a subcategory."""
        shown = [_example(category, one) for one in demonstrations]
        examples = "\n".join(["Examples:", *shown, ""]) if shown else ""
        system = PROPOSER.format(category=category.name, rule=category.rule, examples=examples)
        named = subcategory or "any"
        return Question(PROPOSE.format(category=category.name, subcategory=named), system)

    def rate(self, category: Category, prompt: str) -> Question | None:
        """Clarity, difficulty, fit and novelty in one score."""
        told = RATER.format(category=category.name, rule=category.rule, highest=HIGHEST)
        return Question(f"Prompt: {prompt}", told)

    def judge(self, category: Category, prompt: str, chance: random.Random) -> Question:
        """Rubric and scale, form of the answer, category, prompt; the picture comes last."""
        ranked = "\n".join(f"{place}. {one}" for place, one in enumerate(category.criteria, 1))
        rubric = JUDGE.format(criteria=ranked, highest=HIGHEST)
        return Question(JUDGED.format(category=category.name, prompt=prompt), rubric)

    def points(self, prompt: str) -> Points | None:
        """Nothing: these prompts are free text."""
        return None

    def caption(self, flavour: Flavour, chance: random.Random) -> str:
        """One of the instructions of the flavour."""
        return chance.choice(CAPTIONS[flavour])

    def redraw(self, prompt: str, analysis: str, chance: random.Random) -> str:
        """One of the instructions, with the judge's reasons as the critique."""
        return chance.choice(REDRAW).format(prompt=prompt, analysis=analysis)


def _example(category: Category, shown: Demonstration) -> str:
    values = (category.name, shown.subcategory, shown.prompt)
    return json.dumps(dict(zip(PROPOSAL_KEYS, values, strict=True)), ensure_ascii=False)
