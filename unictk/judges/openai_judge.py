"""A judge behind an OpenAI-compatible endpoint: pictures against prompts, answers against references.

Every item is a conversation of its own. The published scripts keep one growing conversation over all images
and concepts, so that earlier scores leak into later ones.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unictk.judges.answers import GRADES, AnswerRequest, Grade
from unictk.judges.base import BEST, JudgeRequest, Verdict
from unictk.judges.endpoint import Endpoint, Message
from unictk.judges.scores import read_analysis, read_score

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SIDE = 336
"""Smaller pictures are enlarged cell by cell: vision models resize to about this and would blur them."""

PICTURES = (
    "You check whether a picture shows what it was asked to show. Look at the picture first, then go through "
    "everything the prompt asks: things, counts, attributes, relations, place. Judge only what can be seen. "
    'Reply with one JSON object and nothing else: {"analysis": "<two sentences>", "score": <0 to 10>}. '
    "10: everything asked is there; 5: about half of it; 0: nothing of it, or the picture cannot be made out."
)

ANSWERS = (
    "You compare an answer with a reference answer to the same question. Only the content counts, not "
    "wording, length or grammar. Reply with one JSON object and nothing else: "
    '{"analysis": "<one sentence>", "score": <0, 0.5 or 1>}. 1: it says what the reference says; '
    "0.5: it says part of it and nothing that contradicts it; 0: it does not, or contradicts it."
)


class OpenAIJudge:
    """Scores pictures from 0 to 10 and answers by 0, 0.5 or 1. ``endpoint``: whom to ask."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.name = f"openai/{endpoint.model}"

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """A verdict per picture; a reply without a score from 0 to 10 is ``unparsable``, without a score."""
        return [_verdict(reply) for reply in self.endpoint.ask([_picture(one) for one in requests])]

    def grade(self, requests: Sequence[AnswerRequest]) -> list[Grade]:
        """A grade per answer; a reply without one of the three scores is ``unparsable``."""
        return [_grade(reply) for reply in self.endpoint.ask([_answer(one) for one in requests])]

    def ask(self, conversations: Sequence[Sequence[Message]]) -> list[str]:
        """The reply to each conversation, on its own."""
        return self.endpoint.ask(conversations)


def _verdict(reply: str) -> Verdict:
    score = read_score(reply, BEST)
    if score is None:
        return Verdict(None, analysis=reply.strip(), status="unparsable")
    return Verdict(score, analysis=read_analysis(reply))


def _grade(reply: str) -> Grade:
    score = read_score(reply, max(GRADES))
    if score not in GRADES:
        return Grade(None, reply.strip(), "unparsable")
    return Grade(score, read_analysis(reply))


def _picture(request: JudgeRequest) -> list[Message]:
    said = f"Prompt: {request.prompt}"
    if request.about:
        said = f"{request.about}\n{said}"
    shown = {"type": "image_url", "image_url": {"url": data_url(request.image)}}
    return [
        {"role": "system", "content": PICTURES},
        {"role": "user", "content": [shown, {"type": "text", "text": said}]},
    ]


def _answer(request: AnswerRequest) -> list[Message]:
    said = f"Question: {request.question}\nReference: {request.reference}\nAnswer: {request.answer}"
    return [{"role": "system", "content": ANSWERS}, {"role": "user", "content": said}]


def data_url(image: Tensor) -> str:
    """A picture (3, H, W) in [0, 1] as PNG in a URL, enlarged by a whole factor where it is small."""
    pixels = (image.detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    factor = -(-LEAST_SIDE // min(pixels.shape[:2]))
    enlarged = np.kron(pixels, np.ones((factor, factor, 1), dtype=np.uint8))
    target = io.BytesIO()
    Image.fromarray(enlarged).save(target, format="PNG")
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode()
