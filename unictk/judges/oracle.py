"""The sprites world's oracle as a judge: it reads the scene back from the pixels and counts points."""

from __future__ import annotations

from collections.abc import Sequence

from unictk.judges.base import JudgeRequest, Status, Verdict
from unictk.sprites.grammar.descriptions import canonical
from unictk.sprites.grammar.parse import parse
from unictk.sprites.grammar.verdicts import score_of
from unictk.sprites.oracle import read, score


class OracleJudge:
    """Exact on pictures of the sprites world, and of use for no others. Needs no weights.

    A prompt whose ``expected`` is None is parsed by the grammar; one not of the grammar gets no score.
    The analysis is the caption of the scene that was read. An unreadable picture scores 0.
    """

    name = "oracle"

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """A verdict per request: ten times the share of points that are right, rounded down."""
        return [self._verdict(request) for request in requests]

    def _verdict(self, request: JudgeRequest) -> Verdict:
        asked = request.expected if request.expected is not None else parse(request.prompt)
        if asked is None or not asked.points():
            return Verdict(None, status="unparsable")
        reading = read(request.image)
        found = score(asked, reading)
        if not reading.readable:
            return Verdict(0.0, found.each, canonical(reading.scene), "unreadable")
        miscounted = all(found.each.values()) and not found.all_right
        status: Status = "miscounted" if miscounted else "ok"
        return Verdict(float(score_of(found.each)), found.each, canonical(reading.scene), status)
