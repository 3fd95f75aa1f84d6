"""What each side says: a list of segments as the turns of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unictk.samples import Segment, Text


@dataclass(slots=True)
class Turn:
    """What one side says: segments in order; ``answers`` where it is the model's side."""

    segments: list[Segment]
    answers: bool


def turns(segments: Sequence[Segment]) -> list[Turn]:
    """Neighbours of one side are one turn, and its neighbouring texts one text, a line each."""
    found: list[Turn] = []
    for segment in segments:
        if not found or found[-1].answers != segment.target:
            found.append(Turn([segment], segment.target))
            continue
        said = found[-1].segments
        if isinstance(segment, Text) and isinstance(before := said[-1], Text):
            said[-1] = Text(f"{before.text}\n{segment.text}", segment.target)
        else:
            said.append(segment)
    return found
