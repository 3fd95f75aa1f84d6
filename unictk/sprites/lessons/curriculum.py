"""Which lessons there are, how many of each a step has, and how much each counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unictk.datamodules.lessons import Rung
from unictk.sprites.lessons import equality, looking, personal, roles
from unictk.sprites.lessons.parts import Writer

WRITERS: Mapping[str, Writer] = {
    "mixed": looking.mixed,
    "told": looking.told,
    "sketched": looking.sketched,
    "drill": looking.drill,
    "caption": looking.captioning,
    "drawing": looking.drawing,
    "inpainting": looking.inpainting,
    "recognition": personal.recognition,
    "telling_apart": personal.telling_apart,
    "matching": personal.matching,
    "words": equality.words,
    "statements": equality.statements,
    "claims": equality.claims,
    "facts": personal.facts,
    "rewriting": personal.rewriting,
    "planning": personal.planning,
    "planning_known": personal.planning_known,
    "drawing_known": personal.drawing_known,
    "drawing_defined": personal.drawing_defined,
    "comparing": looking.comparing,
    "judging": roles.judging,
    "proposing": roles.proposing,
    "reflecting": roles.reflecting,
}

SHARES: Mapping[str, int] = {
    "mixed": 5,
    "told": 3,
    "sketched": 4,
    "drill": 6,
    "caption": 4,
    "drawing": 16,
    "recognition": 4,
    "telling_apart": 2,
    "words": 2,
    "statements": 4,
    "claims": 4,
    "facts": 4,
    "rewriting": 3,
    "planning": 3,
    "drawing_known": 4,
    "drawing_defined": 3,
    "comparing": 4,
    "judging": 5,
    "proposing": 4,
    "reflecting": 3,
}
"""Samples of each kind in a step that has it."""

OPENING: Sequence[Rung] = (
    Rung(150, {"words": 12}),
    Rung(150, {"words": 2, "statements": 10}),
    Rung(150, {"words": 1, "statements": 4, "claims": 5, "sketched": 5}),
    Rung(
        250,
        {
            "words": 1,
            "statements": 2,
            "claims": 4,
            "sketched": 4,
            "told": 6,
            "facts": 3,
            "rewriting": 2,
            "planning": 3,
            "proposing": 2,
        },
    ),
    Rung(
        300,
        {
            "words": 1,
            "statements": 2,
            "claims": 3,
            "sketched": 3,
            "told": 3,
            "planning": 3,
            "drill": 8,
            "mixed": 4,
            "caption": 4,
        },
    ),
)
"""The first steps, a ladder of equality: a rung is begun when the one below is found or well under way.

Beside everything else equality is hardly found at all. All rungs but the last are without pictures, and so
are cheap."""

TURNS = (("words", "statements", "claims", "sketched", "rewriting"), ("comparing", "proposing", "reflecting"))
"""Of each of these groups a step has one kind, in turn; all the others are in every step."""

LATE_SHARES: Mapping[str, int] = {
    "mixed": 4,
    "told": 2,
    "sketched": 3,
    "drill": 2,
    "caption": 2,
    "drawing": 8,
    "inpainting": 6,
    "recognition": 2,
    "telling_apart": 2,
    "matching": 2,
    "statements": 3,
    "claims": 3,
    "facts": 4,
    "rewriting": 6,
    "planning": 6,
    "planning_known": 2,
    "drawing_known": 2,
    "drawing_defined": 2,
    "comparing": 3,
    "judging": 6,
    "proposing": 3,
    "reflecting": 2,
}
"""Samples of each kind in a late step: the look of characters, and what is built on equality."""

LATE_TURNS = (
    ("telling_apart", "statements", "claims", "sketched", "rewriting"),
    ("comparing", "proposing", "reflecting", "proposing"),
)
"""As :data:`TURNS`, late; a kind that is named twice has two turns."""

WEIGHTS: Mapping[str, float] = {
    "mixed": 1.5,
    "told": 1.5,
    "sketched": 1.0,
    "drill": 2.0,
    "caption": 1.0,
    "drawing": 5.0,
    "inpainting": 3.0,
    "recognition": 1.5,
    "telling_apart": 1.0,
    "matching": 2.0,
    "words": 0.5,
    "statements": 1.0,
    "claims": 1.5,
    "facts": 1.5,
    "rewriting": 1.0,
    "planning": 2.0,
    "planning_known": 2.0,
    "drawing_known": 1.5,
    "drawing_defined": 1.0,
    "comparing": 1.5,
    "judging": 1.5,
    "proposing": 1.0,
    "reflecting": 1.5,
}
"""Weight of each kind's mean losses. Most cells of a picture are background that the place alone tells, so
the mean loss of drawing must weigh as much as all words before characters follow their prompts."""
