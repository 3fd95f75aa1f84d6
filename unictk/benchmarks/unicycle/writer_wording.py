"""What the writer of questions is told, and the checker of what it wrote. The wording is our own."""

from __future__ import annotations

from collections.abc import Sequence

from unictk.benchmarks.unicycle.questions import Question
from unictk.selfplay.wording import Question as Asked

WRITE = """\
You write questions that test whether a picture shows what an image prompt says. Whoever answers sees the \
picture and not the prompt.

First find every fact that the prompt states, or plainly implies, about the task type; leave out all \
others. Then write exactly one question for each fact. A question must have one right answer, must be \
answerable from the picture alone, and must not contain or hint at its answer.

The format follows from the fact:
- something that must not be there: "yes_no", with the answer "yes" or "no";
- where things are in relation to each other: "multiple_choice", with four options of which exactly one is \
right, the last one being "none of these";
- words written in the picture: "keywords", with the list of words that must be read;
- anything else (colour, number, shape, action, style and so on): "open", with a short answer.

Reply with one JSON object and nothing else:
{"questions": [{"question": "...", "format": "...", "options": [], "keywords": [], "answer": "..."}]}
Leave out options and keywords where the format has none. The answer of a multiple choice is one of its \
options."""

CHECK = """\
You check whether a list of questions covers what an image prompt says about a task type. List every fact \
that the prompt states, or plainly implies, about the task type, and for each fact the numbers of all \
questions that ask it. A question asks a fact only if its reference answer is right exactly when the fact \
holds.

Reply with one JSON object and nothing else:
{"facts": [{"fact": "...", "questions": [1]}]}
A fact that no question asks has an empty list."""


def to_write(prompt: str, category: str, complaint: str = "") -> Asked:
    """For the questions of a prompt; ``complaint`` says what was wrong with the last ones."""
    said = f"TASK_TYPE: {category}\nIMAGE_PROMPT: {prompt}"
    if complaint:
        said += f"\nYour last questions were not accepted: {complaint}\nWrite all of them anew."
    return Asked(said, WRITE)


def to_check(prompt: str, category: str, questions: Sequence[Question]) -> Asked:
    """For the facts of a prompt, with the questions that ask them."""
    lines = [f"TASK_TYPE: {category}", f"IMAGE_PROMPT: {prompt}"]
    for number, one in enumerate(questions, 1):
        lines.append(f"{number}. {one.listed()} Reference answer: {one.expected}")
    return Asked("\n".join(lines), CHECK)
