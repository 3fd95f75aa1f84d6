"""The run's own backbone as its judge (UniCorn, section 3.3.1): of pictures, and of answers in words.

It judges as the model alone. Concept tokens are put aside meanwhile: they would change how a prompt that
names a concept is read, and take part in every answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal

from annotated_types import Ge

from unictk.backbones.base import Backbone
from unictk.chance import seed_of
from unictk.errors import UserError
from unictk.judges.answers import GRADES, AnswerRequest, Grade
from unictk.judges.base import BEST, JudgeRequest, Verdict
from unictk.judges.closed import DIGITS, probabilities
from unictk.judges.rubrics import QUESTION, fill
from unictk.judges.scores import read_analysis, read_score
from unictk.samples import Image, Request, Sample, Sampling, Text
from unictk.sprites.grammar.claims import CLOSED, Claim, claims

AGAIN = 0.3
"""Temperature of the one more try where a reply holds no score."""

WHOLE = "prompt"
"""The one point of a prompt that nobody has taken apart."""

SHOWN = "clear"
"""Whether a picture shows anything; no point of a prompt has this name."""

SAYS = (
    "Question: {question}\nReference: {reference}\nAnswer: {answer}\n"
    "Does the answer say what the reference says?"
)
SAID = ("No.", "Partly.", "Yes.")
"""Closed answers for :data:`GRADES`."""


class SelfJudge:
    """Judges with the backbone it is given. Every item is asked on its own, and nothing is remembered.

    ``points``: one closed question for each thing that the prompt asks. A point is right if the right answer
    is the likeliest; the score is ten times the mean probability of the right answers. A prompt whose points
    are not known is one point: does the picture show it? With ``clear`` it is asked first whether the picture
    is clear at all: in one that is likelier not, no point is right, and the score is multiplied with how
    likely it is. A small model that is asked for a colour tells one, whatever it looks at.

    ``score``: the rubric and the prompt, then the picture; the reply gives reasons, then a score from 0 to 10
    in JSON. A reply without a score is asked for once more with a little temperature; if that holds none
    either, the verdict is ``unparsable`` and has no score.

    Free answers are graded by the likeliest of three closed answers, in both modes.

    Args:
        backbone: who judges.
        mode: how pictures are judged.
        question: of mode ``score``: with ``{prompt}``, and if wanted ``{criteria}`` and ``{about}``; None:
            :data:`~unictk.judges.rubrics.QUESTION`.
        max_new_tokens: of a reply in mode ``score``.
        clear: of mode ``points``: the question whether a picture shows anything clearly; None: not asked.

    Raises:
        UserError: ``question`` has no ``{prompt}``, or leaves the picture no room.
    """

    name = "self"

    def __init__(
        self,
        backbone: Backbone,
        mode: Literal["points", "score"] = "points",
        question: str | None = None,
        max_new_tokens: Annotated[int, Ge(1)] = 256,
        clear: str | None = None,
    ) -> None:
        self.backbone = backbone
        self.mode = mode
        self.first = () if clear is None else (Claim(SHOWN, clear, CLOSED, CLOSED[0]),)
        self.question = question or QUESTION
        self.max_new_tokens = max_new_tokens
        if "{prompt}" not in self.question:
            raise UserError(f"judge.question: {self.question!r} has no {{prompt}}; expected a place for it")
        if mode == "score":
            empty = Sample(Text(fill(self.question, "")), Image(None), Text("", target=True))
            if reason := backbone.layout.supports(empty):
                raise UserError(f"judge.question: too long for this backbone with a picture: {reason}")

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """A verdict per picture."""
        with _alone(self.backbone):
            return self._scored(requests) if self.mode == "score" else self._asked(requests)

    def grade(self, requests: Sequence[AnswerRequest]) -> list[Grade]:
        """A grade per answer: :data:`GRADES` at the likeliest of :data:`SAID`."""
        asked = [
            Request(Text(SAYS.format(question=one.question, reference=one.reference, answer=one.answer)))
            for one in requests
        ]
        with _alone(self.backbone):
            found = probabilities(self.backbone, [(one, SAID) for one in asked])
        return [Grade(GRADES[SAID.index(_likeliest(each))], _told(each)) for each in found]

    # -- point by point --------------------------------------------------------------------------------

    def _asked(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        asked = [
            (place, claim) for place, one in enumerate(requests) for claim in (*self.first, *_points(one))
        ]
        pictures = [_picture(one) for one in requests]
        found = probabilities(
            self.backbone,
            [(Request(pictures[at], Text(claim.question)), claim.options) for at, claim in asked],
        )
        points: list[dict[str, tuple[bool, float]]] = [{} for _ in requests]
        for (at, claim), each in zip(asked, found, strict=True):
            points[at][claim.point] = (_likeliest(each) == claim.right, each[claim.right])
        return [_verdict(each) for each in points]

    # -- by a score ------------------------------------------------------------------------------------

    def _scored(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        replies = self._say(requests, 0.0)
        failed = [place for place, reply in enumerate(replies) if read_score(reply, BEST) is None]
        again = self._say([requests[place] for place in failed], AGAIN) if failed else []
        for place, reply in zip(failed, again, strict=True):
            replies[place] = reply
        return [_read(reply) for reply in replies]

    def _say(self, requests: Sequence[JudgeRequest], temperature: float) -> list[str]:
        sampling = Sampling(max_new_tokens=self.max_new_tokens, text_temperature=temperature)
        return self.backbone.generate_text([self._request(one, sampling) for one in requests])

    def _request(self, request: JudgeRequest, sampling: Sampling) -> Request:
        words = fill(self.question, request.prompt, request.category, request.about)
        # Of what is judged alone: neither the order nor the batch takes part.
        seed = seed_of("judge", words, _digest(request))
        return Request(Text(words), _picture(request), seed=seed, sampling=sampling)


@contextmanager
def _alone(backbone: Backbone) -> Iterator[None]:
    """Without concepts; those attached before are attached again."""
    attached = tuple(backbone.concepts)
    backbone.attach(())
    try:
        yield
    finally:
        backbone.attach(attached)


def _points(request: JudgeRequest) -> list[Claim]:
    if request.expected is not None and request.expected.points():
        return claims(request.expected, "evaluation")
    before = f"{request.about}\n" if request.about else ""
    question = f"{before}Does the picture show this: {request.prompt}"
    return [Claim(WHOLE, question, CLOSED, CLOSED[0])]


def _verdict(points: dict[str, tuple[bool, float]]) -> Verdict:
    told = ", ".join(f"{name} {chance:.3f}" for name, (_, chance) in points.items())
    clear, shown = points.pop(SHOWN, (True, 1.0))
    mean = shown * sum(chance for _, chance in points.values()) / len(points)
    right = {name: true and clear for name, (true, _) in points.items()}
    return Verdict(round(BEST * mean, DIGITS), right, told)


def _read(reply: str) -> Verdict:
    score = read_score(reply, BEST)
    if score is None:
        return Verdict(None, analysis=reply.strip(), status="unparsable")
    return Verdict(score, analysis=read_analysis(reply))


def _picture(request: JudgeRequest) -> Image:
    """As the backbone drew it where that is known: encoding the pixels again would change its codes."""
    if request.codes is not None:
        return Image(None, codes=request.codes)
    pixels = (request.image.detach().float().clamp(0, 1) * 255).round().byte()
    return Image(pixels.permute(1, 2, 0).cpu().numpy())


def _digest(request: JudgeRequest) -> str:
    pixels = request.image.detach().float().cpu().contiguous().numpy()
    return hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest()


def _likeliest(each: dict[str, float]) -> str:
    return max(each, key=lambda option: each[option])


def _told(each: dict[str, float]) -> str:
    return ", ".join(f"{option} {chance:.3f}" for option, chance in each.items())
