"""What a judge is told before the prompt and the picture (UniCorn, section 3.3.1 and figure 9).

The order is the paper's: rubric and scale, form of the reply, category, prompt, and the picture last, so that
pictures of one prompt share everything before them. The wording is ours: theirs is not published.
"""

from __future__ import annotations

import re

GENERAL = "everything asked is there: things, counts, attributes, relations, place"

CRITERIA = {
    "General Object": "the objects are there; their attributes are right; the composition is",
    "Object Relations": "the relation asked holds; then the objects themselves are right",
    "General Knowledge": "the facts are right; the culture is recognisable; attributes match the real thing",
    "Spatio Reasoning": "places fit together; the perspective is right; so are occlusion and depth",
    "Temporal Reasoning": "the times fit together; the progression makes sense; marks of each time are there",
    "Text Rendering": "read letter by letter, the text is right; lettering suits; it belongs to the scene",
    "Natural Science": "the science is right; so is the anatomy; it is physically possible",
    "Portrait": "the framing is the one asked; face and body are right; the person stays the same",
    "Stylization": "the style is the one asked; it pleases; the texture is that of its medium",
    "Counting": "the number is exact; the objects are distinct",
}
"""What counts in the paper's ten categories, most important first."""

QUESTION = (
    "You are a strict judge of pictures that were drawn from prompts.\n"
    "What counts, most important first: {criteria}.\n"
    "Scale: 10, nothing is missing or wrong; 7, small faults; 5, about half is right; 2, little is; "
    "0, nothing, or the picture cannot be made out.\n"
    'Reply with JSON only, first the reasons, then the score: {"analysis": "...", "score": 0 to 10}.\n'
    "{about}"
    "Prompt: {prompt}"
)
"""The question of a judge that scores; :func:`fill` puts in what is particular."""

_BLANK = re.compile(r"\{(prompt|criteria|about)\}")


def fill(question: str, prompt: str, category: str = "", about: str = "") -> str:
    """The question about one picture: ``{prompt}``, the category's ``{criteria}``, ``{about}`` on a line.

    In one pass: braces in what is put in stay as they are.
    """
    criteria = CRITERIA.get(category, GENERAL)
    told = {
        "prompt": prompt,
        "criteria": f"{category}: {criteria}" if category else criteria,
        "about": f"Known: {about}\n" if about else "",
    }
    return _BLANK.sub(lambda blank: told[blank[1]], question)
