"""Captions: the complete one in its one form, and the free one, which guesses a prompt."""

from __future__ import annotations

import random

from unictk.sprites.grammar.descriptions import Detail, canonical, prompt
from unictk.sprites.grammar.phrases import Phrases, Phrasing
from unictk.sprites.grammar.questions import QA
from unictk.sprites.scenes import Scene

CAPTION = Phrases(
    training=("Describe the picture.", "Give a caption.", "What does the picture show?"),
    evaluation=("Give a caption of the picture.",),
)
FREE = Phrases(
    training=("Give a prompt.", "Which prompt draws this picture?", "Name a prompt of the picture."),
    evaluation=("Give a prompt that draws this picture.",),
)


def caption(chance: random.Random, scene: Scene, phrasing: Phrasing) -> QA:
    """Ask for the canonical caption; exact match measures it."""
    return QA(CAPTION.pick(chance, phrasing), canonical(scene), "caption")


def free_caption(chance: random.Random, scene: Scene, detail: Detail, phrasing: Phrasing) -> QA:
    """Ask for a prompt of the picture: one of many right answers, so nothing measures it by exact match."""
    return QA(FREE.pick(chance, phrasing), prompt(chance, scene, detail, phrasing)[0], "free caption")
